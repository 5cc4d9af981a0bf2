import pytest
from hypothesis import given
from hypothesis import strategies as st

from cupl.bank.labels import ClassLabel
from cupl.bank.model import ClassPrompts, PromptBank, Source
from cupl.bank.selecting import ClassSelector, UnknownClassError
from cupl.errors import InputError
from tests.models import bank_of
from tests.strategies import banks

CRANES = PromptBank(
    name="cranes",
    source=Source(model="m", samples=2),
    classes=[
        ClassPrompts(name="crane", id="n1", aliases=["wader"], prompts={"q": ["A bird."]}),
        ClassPrompts(name="crane", id="n2", prompts={"q": ["A machine."]}),
        ClassPrompts(name="tree_frog", prompts={"q": ["A frog."]}),
    ],
)


@pytest.mark.parametrize(("name", "number"), [("n2", 1), ("wader", 0), ("Tree frog", 2)])
def test_a_class_is_found_by_any_of_its_names(name: str, number: int) -> None:
    assert CRANES[name] is CRANES.classes[number]
    assert name in CRANES


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("tree frgo", r"^the bank 'cranes' has no class 'tree frgo': nearly 'tree_frog'$"),
        ("crane", r"may be any of 2 classes: crane \(n1\), crane \(n2\)"),
        ("sofa", "^the bank 'cranes' has no class 'sofa'$"),
    ],
)
def test_what_means_no_class_is_a_key_error_in_a_sentence(name: str, message: str) -> None:
    assert name not in CRANES
    with pytest.raises(UnknownClassError, match=message) as caught:
        CRANES[name]
    assert isinstance(caught.value, KeyError)


def test_only_texts_name_classes() -> None:
    with pytest.raises(InputError, match="by its name or id, not by 0"):
        CRANES[0]  # type: ignore[index]
    assert 0 not in CRANES
    assert CRANES.classes[0] in CRANES


@given(bank=banks)
def test_all_classes_are_the_bank(bank: PromptBank) -> None:
    assert bank.select(entry.label for entry in bank) == bank


@given(bank=banks, numbers=st.lists(st.integers(0, 2), min_size=1))
def test_the_order_is_that_of_the_names_and_each_stands_once(
    bank: PromptBank, numbers: list[int]
) -> None:
    entries = [bank.classes[number % len(bank)] for number in numbers]
    some = bank.select(entry.label for entry in entries)
    assert some.classes == [entry for i, entry in enumerate(entries) if entry not in entries[:i]]


def test_the_source_says_of_how_many() -> None:
    some = CRANES.select(["n2", "tree frog"]).select(["n2"])
    assert some.source == Source(model="m", samples=2, selected_from=3)
    assert some.current_source == some.source
    assert PromptBank.model_validate(some.model_dump()) == some


def test_an_edit_before_is_not_forgotten() -> None:
    changed = CRANES.model_copy(update={"classes": CRANES.classes[1:]})
    source = changed.select(["tree frog"]).current_source
    assert source is not None
    assert source.edited


def test_labels_of_another_list_name_classes() -> None:
    some = CRANES.select(
        [ClassLabel("Kran", "n2", ("lift",)), ClassLabel("stork", None, ("wader",))]
    )
    assert [entry.id for entry in some] == ["n2", "n1"]


def test_nothing_and_a_text_are_no_names() -> None:
    with pytest.raises(InputError, match="name at least one"):
        CRANES.select([])
    with pytest.raises(InputError, match="list of names"):
        CRANES.select("crane")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("rock, paper,cup", ["rock, paper", "cup"]),
        ("cup, rock,paper", ["cup", "rock", "paper"]),
        (" Rock, Paper ,,cup,", ["Rock, Paper", "cup"]),
        ("1,2-dichloroethane,cup,sofa", ["1,2-dichloroethane", "cup", "sofa"]),
        (" , ", []),
    ],
)
def test_commas_stand_between_names_and_in_them(text: str, names: list[str]) -> None:
    bank = bank_of({"rock, paper": ["A."], "cup": ["B."], "1,2-dichloroethane": ["C."]})
    assert ClassSelector(bank.classes, "x").split(text) == names
