import pytest

from cupl.evaluation.schema import Comparison, Evaluation, Interval
from cupl.evaluation.text import chance, percent, points, short, verdicts
from tests.report.evaluations import bare_evaluation, evaluation


def compared(low: float, high: float, p: float = 0.01) -> Evaluation:
    """A bank whose difference to the control has this interval."""
    found = evaluation(control="template")
    bank, *controls = found.contenders
    difference = Interval(value=(low + high) / 2, low=low, high=high)
    comparison = Comparison(to="template", difference=difference, won=3, lost=1, p=p)
    bank = bank.model_copy(update={"comparison": comparison})
    return found.model_copy(update={"contenders": [bank, *controls]})


@pytest.mark.parametrize(
    ("low", "high", "outcome", "start"),
    [
        (0.01, 0.05, "better", "“my bank” does better than “template”: "),
        (-0.05, -0.01, "worse", "“my bank” does worse than “template”: "),
        (-0.01, 0.05, "open", "No difference is shown between “my bank” and “template”: "),
        (0.0, 0.05, "open", "No difference is shown"),
        (-0.05, 0.0, "open", "No difference is shown"),
    ],
)
def test_the_interval_decides(low: float, high: float, outcome: str, start: str) -> None:
    [verdict] = verdicts(compared(low, high))
    assert verdict.outcome == outcome
    assert verdict.sentence.startswith(start)


def test_the_numbers_of_the_verdict() -> None:
    [verdict] = verdicts(compared(0.011, 0.0514, p=0.0004))
    assert verdict.sentence == (
        "“my bank” does better than “template”: 74.2 % of the images right against 71.1 %, a "
        "difference of +3.1 points (95 % interval +1.1 to +5.1; McNemar's exact test p < 0.001)."
    )


def test_a_better_control_is_named() -> None:
    found = compared(0.01, 0.05)
    bank, first, words = found.contenders
    words = words.model_copy(update={"top1": Interval(value=0.7421, low=0.7, high=0.8)})
    [verdict] = verdicts(found.model_copy(update={"contenders": [bank, first, words]}))
    assert verdict.sentence.endswith("But the control “random words” reaches 74.2 %.")


def test_without_a_control_nothing_is_claimed() -> None:
    [verdict] = verdicts(bare_evaluation())
    assert verdict.outcome == "open"
    assert "74.2 %" in verdict.sentence
    assert "does not show whether" in verdict.sentence


def test_numbers() -> None:
    assert percent(0.63314) == "63.3"
    assert points(0.0312) == "+3.1"
    assert points(-0.0312) == "−3.1"
    assert points(-0.0002) == points(0.0002) == "0.0"
    assert (chance(0.00099), chance(0.0312), chance(1.0)) == ("< 0.001", "0.031", "1.000")


def test_texts_are_cut_and_spelled_out() -> None:
    assert short("a  b\n c", 10) == "a b c"
    assert short("x" * 11, 10) == "x" * 9 + "…"
    assert short("\u202ea\x00", 20) == "\\u202ea\\x00"
