import pytest

from cupl.evaluation.schema import Comparison, Evaluation, Interval
from cupl.evaluation.verdict import explain_uncalibrated, pair_verdicts, verdicts
from tests.report.evaluations import bare_evaluation, evaluation

UP, DOWN, NONE = (0.011, 0.0514), (-0.05, -0.01), (-0.01, 0.05)


def compared(to: str, interval: tuple[float, float] = UP, p: float = 0.01) -> Comparison:
    low, high = interval
    difference = Interval(value=(low + high) / 2, low=low, high=high)
    return Comparison(to=to, difference=difference, won=3, lost=1, p=p / 4, p_holm=p)


def found(*comparisons: Comparison) -> Evaluation:
    """A bank with these comparisons."""
    whole = evaluation(control="template")
    bank, *controls = whole.candidates
    changes = {"comparison": comparisons[0], "comparisons": list(comparisons)}
    bank = bank.model_copy(update=changes)
    return whole.model_copy(update={"candidates": [bank, *controls]})


@pytest.mark.parametrize(
    ("interval", "p", "outcome"),
    [
        (UP, 0.049, "better"),
        (DOWN, 0.049, "worse"),
        (NONE, 0.01, "open"),
        ((0.0, 0.05), 0.01, "open"),
        ((-0.05, 0.0), 0.01, "open"),
        (UP, 0.05, "open"),
        (DOWN, 0.05, "open"),
        ((1.0, 1.0), 1.0, "open"),  # one image, won
    ],
)
def test_the_interval_and_the_test_decide_together(
    interval: tuple[float, float], p: float, outcome: str
) -> None:
    assert compared("x", interval, p).outcome == outcome


def test_an_uncorrected_p_decides_where_there_is_no_other() -> None:
    """As in a file of an earlier version."""
    assert compared("x").model_copy(update={"p_holm": None, "p": 0.04}).outcome == "better"
    assert compared("x").model_copy(update={"p_holm": None, "p": 0.06}).outcome == "open"


def test_the_sentence_names_every_control_random_words_first() -> None:
    [verdict] = verdicts(found(
        compared("photo", NONE, 0.4), compared("shuffled", UP, 0.0004), compared("random-words")
    ))  # fmt: skip
    assert verdict.outcome == "better"
    assert verdict.sentence == (
        "“my bank” gets 74.2 % of the images right (95 % interval 71.2 to 77.2): better than "
        "“random-words” (+3.1 points, p = 0.010) and “shuffled” (+3.1 points, p < 0.001); no "
        "difference is shown to “photo” (+2.0 points, p = 0.400). Its descriptions help: random "
        "words in their place do worse."
    )


@pytest.mark.parametrize(
    ("words", "photo", "outcome", "said"),
    [
        (UP, UP, "better", "Its descriptions help: random words in their place do worse."),
        (NONE, UP, "open", "not shown: random words may do as well."),
        (DOWN, UP, "open", "do harm: random words in their place do better."),
        (DOWN, NONE, "worse", "do harm: random words in their place do better."),
        (UP, DOWN, "open", "but the bank does worse than “photo”."),
        (NONE, DOWN, "worse", "not shown: random words may do as well."),
        (NONE, NONE, "open", "not shown: random words may do as well."),
    ],
)
def test_only_random_words_can_show_that_descriptions_help(
    words: tuple[float, float], photo: tuple[float, float], outcome: str, said: str
) -> None:
    [verdict] = verdicts(found(compared("photo", photo), compared("random-words", words)))
    assert verdict.outcome == outcome
    assert verdict.sentence.endswith(said)


def test_without_random_words_nothing_is_said_of_the_descriptions() -> None:
    [verdict] = verdicts(found(compared("photo")))
    assert verdict.outcome == "open"
    assert "better than “photo”" in verdict.sentence
    assert verdict.sentence.endswith(
        "That its descriptions help is not shown: random words are not among the controls."
    )


def test_without_a_control_nothing_is_claimed() -> None:
    [verdict] = verdicts(bare_evaluation())
    assert verdict.outcome == "open"
    assert "74.2 %" in verdict.sentence
    assert "does not show whether" in verdict.sentence


def test_a_file_of_an_earlier_version_has_the_first_control_only() -> None:
    old = found(compared("template"))
    bank = old.candidates[0].model_copy(update={"comparisons": []})
    [verdict] = verdicts(old.model_copy(update={"candidates": [bank, *old.candidates[1:]]}))
    assert "better than “template” (+3.1 points, p = 0.010)" in verdict.sentence


def test_why_there_is_no_temperature_is_said_once() -> None:
    assert explain_uncalibrated(evaluation()) == [
        "No temperature was fitted for “random-words”: there are too few images."
    ]
    assert explain_uncalibrated(bare_evaluation()) == [
        "No temperature was fitted: there are too few images."
    ]


@pytest.mark.parametrize(
    ("interval", "p", "said"),
    [
        (UP, 0.003, "“my bank” does better than “old”: +3.1 points"),
        (DOWN, 0.003, "“my bank” does worse than “old”: −3.0 points"),
        (NONE, 0.6, "No difference is shown between “my bank” and “old”: +2.0 points"),
    ],
)
def test_two_banks_are_told_apart_in_a_sentence(
    interval: tuple[float, float], p: float, said: str
) -> None:
    whole = found(compared("random-words", NONE, 0.4), compared("old", interval, p))
    old = whole.candidates[0].model_copy(update={"name": "old", "comparisons": []})
    whole = whole.model_copy(update={"candidates": [*whole.candidates, old]})
    [verdict] = pair_verdicts(whole)
    low, high = (f"{100 * end:+.1f}".replace("-", "−") for end in interval)
    assert verdict.sentence == f"{said} (95 % interval {low} to {high}, p = {p:.3f})."
    # The verdict on the bank itself is on its controls.
    assert "old" not in verdicts(whole)[0].sentence
    assert pair_verdicts(found(compared("photo"))) == []
