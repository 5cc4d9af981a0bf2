import pytest

from cupl.bank.labels import ClassLabel
from cupl.bank.same_name import names_of, same_name


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("tree frog", "Tree Frogs"),
        ("tree frog", "the tree-frog"),
        ("tree frog", "a treefrog"),
        ("tree_frog", "tree frog"),
        ("mouse", "mice"),
        ("butterfly", "Butterflies"),
        ("church", "churches"),
        ("St. Bernard", "st bernards"),
        ("chef's knife", "chefs’ knives"),
        ("cafe\u0301", "CAFÉ"),
    ],
)
def test_names_of_the_same_are_found(one: str, other: str) -> None:
    assert same_name(one) == same_name(other)


@pytest.mark.parametrize(
    ("one", "other"), [("tree frog", "frog"), ("bus", "bush"), ("glass", "gla"), ("a", "an ant")]
)
def test_others_are_not(one: str, other: str) -> None:
    assert same_name(one) != same_name(other)


def test_a_class_goes_by_its_name_its_aliases_and_their_parts() -> None:
    labels = [ClassLabel("crane, bird"), ClassLabel("tench", aliases=("Tinca tinca",))]
    assert {"bird", "crane", "tench", "tincatinca"} <= names_of(labels)
