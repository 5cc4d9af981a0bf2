import pytest
from hypothesis import given

from cupl.bank.labels import ClassLabel
from cupl.bank.lookup import ClassIndex
from cupl.bank.model import PromptBank
from tests import strategies

ANIMALS = [ClassLabel("cat"), ClassLabel("dog"), ClassLabel("tree frog", "n7", ("Hyla",))]


def test_ids_come_before_names_and_names_before_aliases() -> None:
    labels = [
        ClassLabel("one", "1", ("three",)), ClassLabel("two", "one", ("2",)),
        ClassLabel("three", "3", ("one", "four")), ClassLabel("FOUR", "4"),
    ]  # fmt: skip
    index = ClassIndex(labels)
    found = [index.find(text) for text in ("1", "one", "three", "2", "four", "Four", "five")]
    assert found == [0, 1, 2, 1, 2, 3, None]


@pytest.mark.parametrize(
    "text",
    ["tree frog", "Tree Frog", "tree_frog", "TREE-frog", " tree  frog_", "hyla", "N7", "n7"],
)
def test_case_and_signs_do_not_matter(text: str) -> None:
    assert ClassIndex(ANIMALS).find(text) == 2


@pytest.mark.parametrize("text", ["treefrog", "frog", "tree frogs", "", "_", "n", "n77"])
def test_other_texts_mean_nothing(text: str) -> None:
    assert ClassIndex(ANIMALS).find(text) is None


def test_other_unicode_forms_of_the_same_letters() -> None:
    index = ClassIndex([ClassLabel("caf\u00e9"), ClassLabel("Stra\u00dfe"), ClassLabel("--")])
    assert index.find("cafe\u0301") == 0
    assert index.find("CAFE\u0301") == 0
    assert index.find("strasse") == 1
    assert index.find("--") == 2
    assert index.find("_") is None


def test_as_written_comes_before_nearly() -> None:
    index = ClassIndex([ClassLabel("crane"), ClassLabel("Crane"), ClassLabel("CRANE_")])
    assert [index.find(text) for text in ("crane", "Crane", "CRANE_")] == [0, 1, 2]
    assert index.find("cRANE") is None


def test_a_name_of_several_classes_means_none() -> None:
    labels = [ClassLabel("missile", "n1"), ClassLabel("cat"), ClassLabel("missile", "n2")]
    index = ClassIndex(labels)
    assert index.find("missile") is None
    assert index.find("Missile") is None
    assert (index.find("n1"), index.find("n2")) == (0, 2)
    hint = "may be any of 2 classes: missile (n1), missile (n2)"
    assert index.hint("missile") == index.hint("MISSILE") == hint
    three = ClassIndex([ClassLabel(f"x{i}", None, ("it",)) for i in range(3)])
    assert three.find("it") is None


def test_one_class_that_is_called_the_same_twice() -> None:
    assert ClassIndex([ClassLabel("Cat", "cat", ("CAT", "cat"))]).find("cat") == 0


def test_hints() -> None:
    index = ClassIndex(ANIMALS)
    assert index.hint("tree_frogs") == "nearly 'tree frog'"
    assert index.hint("Hylla") == "nearly 'tree frog'"
    assert index.hint("zebra") is None
    assert index.hint("x" * 1_000_000) is None
    assert index.hint("") is None


@given(strategies.banks)
def test_every_class_of_a_bank_is_found_by_its_id_or_its_name(bank: PromptBank) -> None:
    labels = [entry.label for entry in bank]
    index = ClassIndex(labels)
    ids = {label.id for label in labels}
    for number, label in enumerate(labels):
        if label.id is not None:
            assert index.find(label.id) == number
        elif label.name not in ids:
            assert index.find(label.name) == number
