import sys

import pytest

from cupl.evaluation.text import summarize_evaluation
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
