from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cupl.bank.model import ClassPrompts, PromptBank, Source
from cupl.bank.source import MergedFacts
from cupl.errors import InputError
from tests.models import bank_of
from tests.strategies import banks

plain = st.dictionaries(
    st.sampled_from("abcd"), st.lists(st.sampled_from("vwxyz"), min_size=1, unique=True), min_size=1
).map(bank_of)


def entry(name: str, *prompts: str, **more: Any) -> ClassPrompts:
    return ClassPrompts(name=name, prompts={"": list(prompts)}, **more)


def bank(name: str, *classes: ClassPrompts, **more: Any) -> PromptBank:
    return PromptBank(name=name, classes=list(classes), **more)


@given(bank=banks)
def test_a_bank_and_itself_are_that_bank(bank: PromptBank) -> None:
    assert bank | bank == bank


@given(one=plain, other=plain)
def test_classes_and_prompts_stand_where_they_first_stand(
    one: PromptBank, other: PromptBank
) -> None:
    both = one | other
    names = [c.name for c in (*one, *other)]
    assert [c.name for c in both] == list(dict.fromkeys(names))
    for c in both:
        told = [text for bank in (one, other) if c.name in bank for text in bank[c.name].texts]
        assert c.texts == list(dict.fromkeys(told))


@given(one=plain, two=plain, three=plain)
def test_three_are_merged_in_any_grouping(
    one: PromptBank, two: PromptBank, three: PromptBank
) -> None:
    assert (one | two) | three == one | (two | three)


@given(one=plain, other=plain)
def test_neither_bank_is_changed(one: PromptBank, other: PromptBank) -> None:
    before = one.digest, other.digest
    _ = one | other
    assert (one.digest, other.digest) == before


def test_prompts_are_united_by_question() -> None:
    one = PromptBank.from_dict({"cup": {"What?": ["A.", "A."], "How?": ["B."]}})
    other = PromptBank.from_dict({"cup": {"How?": ["A.", "C.", "C."], "Why?": ["B."]}})
    assert (one | other)["cup"].prompts == {"What?": ["A.", "A."], "How?": ["B.", "C."]}


def test_names_ids_and_aliases_are_united() -> None:
    one = bank("one", entry("tree frog", "A.", aliases=["hyla"]), entry("newt", "B.", id="n2"))
    other = bank(
        "other",
        entry("Hyla", "C.", id="n1", aliases=["Tree_Frog", "tree toad"]),
        entry("eft", "D.", id="n2", aliases=["newt"]),
    )
    assert [entry.label.name for entry in one | other] == ["tree frog", "newt"]
    frog, newt = one | other
    assert (frog.id, frog.aliases, frog.texts) == ("n1", ["hyla", "tree toad"], ["A.", "C."])
    assert (newt.id, newt.aliases, newt.texts) == ("n2", ["eft"], ["B.", "D."])


def test_sub_classes_are_united_under_their_class() -> None:
    one = bank("one", entry("dog", "A.", subclasses=[entry("beagle", "B.")]))
    other = bank(
        "other", entry("dog", "C.", subclasses=[entry("pug", "D."), entry("Beagle", "E.")])
    )
    (dog,) = one | other
    assert [(kind.name, kind.texts) for kind in dog.subclasses] == [
        ("beagle", ["B.", "E."]),
        ("pug", ["D."]),
    ]


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (
            [entry("cat", "A.", id="n1")],
            [entry("cat", "B.", id="7")],
            "'cat' has the id 'n1' in the bank 'one' and '7' in 'other'",
        ),
        (
            [entry("cat", "A.", id="1")],
            [entry("dog", "B.", id="1")],
            "the id '1' is 'cat' in the bank 'one' and 'dog' in 'other'",
        ),
        (
            [entry("frog", "A.", aliases=["toad"])],
            [entry("frog", "B."), entry("toad", "C.")],
            "'frog' and 'toad' of the bank 'other' are one class in 'one', 'frog'",
        ),
        (
            [entry("crane", "A.", id="n1"), entry("crane", "B.", id="n2")],
            [entry("crane", "C.")],
            "two classes are named 'crane'",
        ),
        (
            [entry("dog", "A.", subclasses=[entry("pug", "B.", aliases=["mops"])])],
            [entry("dog", "C.", subclasses=[entry("pug", "D."), entry("mops", "E.")])],
            "'pug' and 'mops' of the bank 'other' are one class in 'one'",
        ),
    ],
)
def test_banks_that_do_not_agree(
    first: list[ClassPrompts], second: list[ClassPrompts], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        bank("one", *first) | bank("other", *second)


def test_a_homonym_is_found_by_its_id() -> None:
    cranes = [entry("crane", "A.", id="n1"), entry("crane", "B.", id="n2")]
    both = bank("one", *cranes) | bank("other", entry("crane", "C.", id="n2"))
    assert [c.texts for c in both] == [["A."], ["B.", "C."]]


def test_one_source_is_that_of_both() -> None:
    source = Source(model="m")
    one = bank("one", entry("a", "A."), source=source)
    assert (one | bank("other", entry("b", "B."), source=source)).current_source == source


def test_different_sources_are_all_named_once() -> None:
    one = bank("one", entry("a", "A."), source=Source(model="m"))
    other, third = bank("other", entry("b", "B.")), bank("third", entry("c", "C."))
    expected = Source(
        merged=[
            MergedFacts(bank="one", source=Source(model="m")),
            MergedFacts(bank="other"),
            MergedFacts(bank="third"),
        ]
    )
    assert (one | other | third | other).source == expected
    assert (one | (other | third)).source is not None
    both = one | other | third
    assert both.current_source == expected
    assert PromptBank.model_validate(both.model_dump()) == both


def test_an_edit_of_one_is_told() -> None:
    one = bank("one", entry("a", "A."), source=Source(model="m"))
    one.classes[0].prompts[""].append("B.")
    source = (one | bank("other", entry("b", "B."))).current_source
    assert source is not None
    assert source.merged is not None
    assert source.merged[0].source == Source(model="m", edited=True)
    assert source.edited is None
