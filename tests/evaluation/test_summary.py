import sys

import pytest

from cupl.evaluation.schema import Spread
from cupl.evaluation.summary import summarize_evaluation
from tests.report.evaluations import bare_evaluation, evaluation, hostile_evaluation


def test_the_table_and_the_words() -> None:
    found = evaluation()
    text = summarize_evaluation(found)
    first = found.candidates[0]
    assert f"{found.images:,} images" in text
    assert all(one.name in text for one in found.candidates)
    assert f"{100 * first.top1.value:.1f}" in text
    assert f"{100 * first.top1.low:.1f}–{100 * first.top1.high:.1f}" in text
    assert found.analyses[0].misleading[0].prompt[:30] in text
    assert "There is no control to compare it with" in summarize_evaluation(bare_evaluation())


def test_brackets_in_the_name_of_an_encoder_are_kept() -> None:
    found = evaluation().model_copy(update={"encoder": "models/[red]/[/] :smile:"})
    assert summarize_evaluation(found).startswith("models/[red]/[/] :smile: on ")


@pytest.mark.parametrize("terminal", [False, True])
def test_no_text_can_repaint_a_terminal(terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal, raising=False)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TERM", "xterm")
    ours, hostile = summarize_evaluation(evaluation()), summarize_evaluation(hostile_evaluation())
    # Bold headings are escape sequences on a terminal; they are rich's, and come out as such.
    assert ("\x1b[1m" in ours) == terminal
    assert "\\x1b[1m" not in ours
    plain = hostile.replace("\x1b[1m", "").replace("\x1b[0m", "")
    assert all(char.isprintable() or char == "\n" for char in plain)


@pytest.mark.parametrize("name", ["my bank", "a bank with a name of forty characters 01"])
def test_a_terminal_of_80_columns_holds_the_table(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "dumb")
    lines = summarize_evaluation(evaluation(bank=name)).splitlines()
    assert max(map(len, lines)) <= 80
    table = "\n".join(lines)
    for number in ("74.2", "71.2–77.2", "91.2", "[+1.1, +5.1]", "0.123", "→ 0.032"):
        assert number in table  # not cut, whatever the name takes
    assert "random-words" in table


def test_below_six_classes_there_is_no_top5() -> None:
    found = evaluation()
    assert "top-5 %" in summarize_evaluation(found)
    few = [one.model_copy(update={"top5": None}) for one in found.candidates]
    assert "top-5" not in summarize_evaluation(found.model_copy(update={"candidates": few}))


def test_what_is_not_shown_of_a_question_is_marked() -> None:
    text = summarize_evaluation(evaluation())
    helpful, other = (line for line in text.splitlines() if " points by " in line)
    assert helpful.endswith("(150 prompts; p 0.008)")
    assert other.endswith("(149 prompts; not shown, p 0.008)")
    assert "Every p is corrected for their number" in text


def test_why_there_is_no_temperature_is_said() -> None:
    assert "No temperature was fitted for “random-words”: there are too few images." in (
        summarize_evaluation(evaluation())
    )


def test_a_correction_is_told_only_where_there_is_a_p() -> None:
    assert "(Holm)" in summarize_evaluation(evaluation())
    assert "(Holm)" not in summarize_evaluation(bare_evaluation())


def test_the_spread_that_was_asked_for_is_shown_at_80_columns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "dumb")
    found, spread = evaluation(), Spread(values=[0.4, 0.5], mean=0.456, sd=0.0707)
    some = [one.model_copy(update={"spread": spread}) for one in found.candidates]
    text = summarize_evaluation(found.model_copy(update={"candidates": some}))
    assert "45.6" in text
    assert "± 7.1" in text
    assert max(map(len, text.splitlines())) <= 80
