from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cupl.classification.label_counts import LabelCounts
from cupl.classification.prediction import Prediction, Score


def score(label: str, id: str | None = None) -> Score:
    return Score(label, id, 0.3, 0.9)


def counted(predictions: Sequence[Prediction], *, multi_label: bool = False) -> LabelCounts:
    counts = LabelCounts(multi_label=multi_label)
    for prediction in predictions:
        counts.add(prediction)
    return counts


def of(label: str, number: int = 1) -> list[Prediction]:
    return [Prediction((score(label), score("other")))] * number


UNREADABLE = Prediction(error="the file is empty")
REJECTED = Prediction((score("cat"),), rejected="below the threshold 0.5: cat")


@pytest.mark.parametrize(
    ("predictions", "said"),
    [
        (of("cat", 2), "cat 2"),
        ([*of("dog"), *of("cat", 3)], "cat 3, dog 1"),
        ([*of("b"), *of("a")], "a 1, b 1"),
        ([*of("cat", 1200), REJECTED, UNREADABLE], "cat 1,200, no label 1, unreadable 1"),
        ([UNREADABLE] * 2, "unreadable 2"),
        ([REJECTED], "no label 1"),
        (of("x" * 60), f"{'x' * 27}... 1"),
        (of("a\nb"), "a\\nb 1"),
    ],
)
def test_the_most_frequent_come_first(predictions: list[Prediction], said: str) -> None:
    assert counted(predictions).in_words() == said


def test_what_does_not_fit_is_summed_up() -> None:
    predictions = [one for n in range(30) for one in of(f"a class {n:02}", 30 - n)]
    line = counted([*predictions, UNREADABLE]).in_words()
    assert line == (
        "a class 00 30, a class 01 29, a class 02 28, 27 more classes 378, unreadable 1"
    )
    assert counted(of("one", 3) + of("the other")).in_words(18) == "one 3, the other 1"
    long = [one for n in range(8) for one in of(f"number {n} of all", 9 - n)]
    assert counted(long).in_words(41) == "number 0 of all 9, 7 more classes 35"


def test_a_few_classes_are_all_named_in_up_to_three_lines() -> None:
    rooms = ["inside city", "living room", "tall building", "open country", "coast", "highway"]
    predictions = [one for n, name in enumerate(rooms) for one in of(name, 90 - n)]
    line = counted([*predictions, *of("forest"), UNREADABLE]).in_words(40)
    assert "more class" not in line
    assert line.endswith("highway 85, forest 1, unreadable 1")


def test_classes_of_one_name_are_told_apart_by_their_ids() -> None:
    both = [Prediction((score("crane", id),)) for id in ("bird", "machine")]
    assert counted(both).in_words() == "crane 1, crane 1"


def test_an_image_with_several_labels_counts_for_each() -> None:
    both = Prediction((score("cat"),), labels=(score("cat"), score("dog")))
    assert counted([both, both], multi_label=True).in_words() == "cat 2, dog 2"
    assert counted([both, both]).in_words() == "cat 2"  # those that cannot be ruled out


@given(st.lists(st.sampled_from(["cat", "tree frog", "a" * 40, "日本語の名前"]), min_size=1),
       st.integers(0, 3))  # fmt: skip
def test_no_image_is_lost(labels: list[str], unreadable: int) -> None:
    predictions = [one for label in labels for one in of(label)] + [UNREADABLE] * unreadable
    line = counted(predictions).in_words()
    numbers = [int(part.split()[-1]) for part in line.split(", ")]
    assert sum(numbers) == len(predictions)
