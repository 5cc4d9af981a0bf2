from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from cupl.bank.labels import check_labels
from cupl.bank.same_name import same_name
from cupl.description.group_names import NAMES_OF_A_GROUP, numbered_labels, unique_names
from cupl.generation.listed_names import ListedNames, listed_names
from cupl.generation.listing import AnsweredList


def named(*lists: list[str] | str) -> tuple[list[str], int, Counter[str]]:
    """The names of groups of which a model said so."""
    labels = numbered_labels(len(lists))
    answered = [
        AnsweredList(label, "?", listed_names(said, most=NAMES_OF_A_GROUP)
                     if isinstance(said, str) else ListedNames(tuple(said)))
        for label, said in zip(labels, lists, strict=True)
    ]  # fmt: skip
    found = unique_names(labels, answered)
    return [label.name for label in found.labels], found.unnamed, found.dropped


def test_the_first_name_is_taken() -> None:
    assert named(["dogs", "pets"], ["cats"]) == (["dogs", "cats"], 0, Counter())


def test_a_name_of_a_larger_group_is_not_given_again() -> None:
    names, unnamed, _ = named(["dogs"], ["The Dog", "puppies"], ["dog"], ["dogs"])
    assert names == ["dogs", "puppies", "dog 2", "dogs 3"]
    assert not unnamed


def test_a_group_without_a_name_is_numbered() -> None:
    names, unnamed, dropped = named(["dogs"], "I'm sorry, I can't see any photos.", ["group 3"])
    assert names == ["dogs", "group 2", "group 3 2"]
    assert unnamed == 1
    assert dropped["refusal"] == 1


def test_answers_are_taken_out_of_their_marks() -> None:
    said = "Here are three names:\n1. **Red cards** - all are red\n2. cards\n3. <b>x</b>"
    assert named(said)[0] == ["Red cards"]


@given(
    st.lists(st.lists(st.sampled_from(["dog", "Dogs", "cat", "group 1", "dog 2", "a"])), max_size=9)
)
def test_no_two_groups_have_one_name(lists: list[list[str]]) -> None:
    names, _, _ = named(*lists)
    assert len({same_name(name) for name in names}) == len(names) == len(lists)
    if lists:
        check_labels(unique_names(numbered_labels(len(lists)), []).labels)
