"""Labels of classifiers as texts."""

import pytest

from cupl.encoders.class_words import class_texts, names_in_label
from cupl.errors import InputError


@pytest.mark.parametrize(
    ("label", "names"),
    [
        ("tench, Tinca tinca", ["tench", "Tinca tinca"]),
        ("tree_frog", ["tree frog"]),
        ("n01440764 tench, Tinca tinca", ["tench", "Tinca tinca"]),
        ("n01440764_tree_frog", ["tree frog"]),
        ("crane (bird, grey); owl", ["crane (bird, grey)", "owl"]),
        ("owl, owl", ["owl"]),
        (" , ", []),
        ("猫", ["猫"]),
    ],
)
def test_names_in_a_label(label: str, names: list[str]) -> None:
    assert names_in_label(label) == names


def test_each_name_stands_alone_and_in_a_sentence() -> None:
    assert class_texts("m", ["owl, bird", "cat"], "it") == [
        ["owl", "a photo of the owl", "bird", "a photo of the bird"],
        ["cat", "a photo of the cat"],
    ]


@pytest.mark.parametrize(
    "label", ["LABEL_1", "7", "class 3", "n01440764", "", "/m/0bt9lr", "cls_2"]
)
def test_codes_are_no_names(label: str) -> None:
    with pytest.raises(InputError, match=r"have no names \(.*write them into id2label"):
        class_texts("m", ["owl", label], "id2label")


def test_one_class_describes_nothing() -> None:
    with pytest.raises(InputError, match="fewer than two"):
        class_texts("m", ["owl"], "it")
