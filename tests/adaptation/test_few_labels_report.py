from dataclasses import replace

from cupl.adaptation.few_labels_report import FewLabelsReport
from cupl.adaptation.paired_gain import PairedGain

REPORT = FewLabelsReport(
    method="gda", examples=76, repeated=0, contradictory=0, judged=76, accuracy_of_text=0.711,
    accuracy=0.895, gain=PairedGain(0.171, 0.066, 0.271), strength=10.0, sharpness=None,
    without_examples=(),
)  # fmt: skip


def test_it_says_what_was_chosen_and_what_it_is_worth() -> None:
    assert str(REPORT) == (
        "76 examples: Gaussian discriminant analysis\n"
        "each of 76 left out: 89.5 % right, by the bank alone 71.1 %; gain of choosing so "
        "+17.1 points (95 % interval +6.6 to +27.1)"
    )


def test_it_says_where_there_is_no_gain_or_none_that_shows() -> None:
    none = replace(REPORT, method="text", gain=PairedGain(0.0, -0.02, 0.02))
    assert str(none).startswith("76 examples add nothing that shows: the bank stays as is\n")
    assert str(none).endswith("(95 % interval -2.0 to +2.0), which may be chance")


def test_it_says_what_was_left_out_and_which_classes_have_nothing() -> None:
    lines = str(
        replace(REPORT, repeated=1, contradictory=2, gain=None, without_examples=tuple("abcdefg"))
    ).split("\n")
    assert lines[:2] == [
        "1 example left out: equal to one that counts",
        "2 examples left out: equal ones have another label",
    ]
    assert lines[3].startswith("what they are worth cannot be told")
    assert lines[4] == (
        "7 classes stay as the text made them, without an example: "
        "'a', 'b', 'c', 'd', 'e' and 2 more"
    )
