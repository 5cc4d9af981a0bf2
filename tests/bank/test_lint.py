from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cupl.bank.lint import NEAR, check_bank, near_duplicates
from cupl.bank.model import ClassPrompts, PromptBank, Source
from tests.models import bank_of


def found(bank: PromptBank) -> list[tuple[str, str]]:
    return [(finding.kind, finding.text) for finding in check_bank(bank)]


def test_a_good_bank_has_nothing_to_look_at() -> None:
    bank = bank_of(
        {
            "tree frog": ["A tree frog is small.", "Tree frogs have toe pads."],
            "cat": ["Cats purr at times.", "A photo of a cat"],
        }
    )
    assert found(bank) == []


def test_duplicates_are_counted() -> None:
    bank = bank_of({"cat": ["A cat is soft.", "a cat is soft!", "A cat is soft.", "A cat purrs."]})
    assert found(bank) == [("duplicate", "cat: 3 times: A cat is soft.")]


def test_near_duplicates_are_shown_once_with_an_earlier_one() -> None:
    first = "A cat is a small soft animal with a long tail and pointed ears."
    second = "A cat is a small soft animal with a long tail and two pointed ears."
    third = "With a long tail and pointed ears a cat is a small soft animal."
    bank = bank_of({"cat": [first, second, third, "A cat has whiskers."]})
    assert found(bank) == [
        ("near-duplicate", f"cat: {second} | {first}"),
        ("near-duplicate", f"cat: {third} | {first}"),
    ]


@given(st.lists(st.lists(st.sampled_from("abcdefghij"), min_size=1), min_size=1, max_size=12))
def test_near_duplicates_are_those_that_comparing_all_pairs_finds(words: list[list[str]]) -> None:
    texts = list(dict.fromkeys(" ".join(some) for some in words))
    sets = {text: set(text.split()) for text in texts}
    expected = {
        later
        for earlier, later in combinations(texts, 2)
        if len(sets[earlier] & sets[later]) >= NEAR * len(sets[earlier] | sets[later])
    }
    findings = list(near_duplicates(bank_of({"x": texts})))
    assert {finding.text.removeprefix("x: ").split(" | ")[0] for finding in findings} == expected
    assert len(findings) == len(expected)


def test_prompts_under_several_classes() -> None:
    bank = bank_of(
        {"cat": ["A cat or dog barks."], "dog": ["a cat or dog barks"], "cow": ["A cow moos."]}
    )
    assert found(bank) == [("several classes", "cat, dog: A cat or dog barks.")]


@pytest.mark.parametrize(
    ("name", "prompt"),
    [
        ("berry", "Berries are round and red."),
        ("wolf", "Wolves are grey or black."),
        ("dog", "The dog's ears are long."),
        ("Crème brûlée", "A creme brulee is a dessert."),
        ("cup cakes", "Cupcakes are small and round."),
        ("german short-haired", "The German shorthaired is a dog."),
        ("jack-o'-lantern", "A jack o lantern is a pumpkin."),
        ("californian poppy", "The California poppy is orange."),
        ("baluster / handrail", "A baluster holds a rail up."),
        ("common dandelion", "The dandelion flower is yellow."),
        ("zigzagged", "A zigzag is a line with sharp turns."),
        ("树蛙", "这只树蛙是绿色的。"),
    ],
)
def test_a_class_is_named_in_many_ways(name: str, prompt: str) -> None:
    assert found(bank_of({name: [prompt]})) == []


@pytest.mark.parametrize(
    ("name", "prompt"),
    [
        ("cat", "It purrs all day."),
        ("ox", "The box is brown and large."),
        ("jack-in-the-box", "A toy in the cupboard."),
        ("saint bernard", "A large dog with a barrel."),
    ],
)
def test_a_prompt_that_does_not_name_its_class(name: str, prompt: str) -> None:
    assert found(bank_of({name: [prompt]})) == [("class not named", f"{name}: {prompt}")]


def test_an_alias_names_the_class() -> None:
    entry = ClassPrompts(name="puma", aliases=["cougar"], prompts={"": ["Cougars are tan."]})
    assert found(PromptBank(name="x", classes=[entry])) == []


@pytest.mark.parametrize(
    ("kind", "prompt"),
    [
        ("refusal", "I'm sorry, I cannot describe a cat."),
        ("non-answer", "There is no definitive answer about a cat."),
        ("URL or markup", "A cat is at https://example.org now."),
        ("cut off", "A cat weighs about 5."),
        ("too short", "Cat."),
        ("over-long", "A cat " + "is very " * 30 + "soft."),
    ],
)
def test_what_a_run_would_have_dropped_or_clip_would_cut(kind: str, prompt: str) -> None:
    findings = found(bank_of({"cat": [prompt]}))
    assert [finding[0] for finding in findings] == [kind]
    assert findings[0][1].endswith(prompt)


def test_uneven_counts() -> None:
    bank = bank_of(
        {
            "cat": [f"A cat has {thing}." for thing in ("ears", "a tail", "fur", "paws")],
            "dog": ["A dog barks.", "A dog runs.", "A dog eats.", "A dog sleeps."],
            "cow": ["A cow moos."],
        }
    )
    assert found(bank) == [("few prompts", "cow: 1, the median class has 4")]


def test_classes_of_one_name_are_told_apart() -> None:
    bank = PromptBank(
        name="x",
        classes=[
            ClassPrompts(name="missile", id=id, prompts={"": ["A missile flies fast."]})
            for id in ("n1", "n2")
        ],
    )
    assert found(bank) == [("several classes", "missile (n1), missile (n2): A missile flies fast.")]


@pytest.mark.parametrize(
    ("source", "kinds"),
    [
        (None, ["cut off"]),
        (Source(imported="prompts"), ["cut off"]),
        (Source(model="m", stop=["."]), ["cut off"]),
        (Source(model="m"), []),
        (Source(model="m", stop=["\n"]), []),
    ],
)
def test_a_number_at_the_end_is_cut_only_where_a_full_stop_could_cut_it(
    source: Source | None, kinds: list[str]
) -> None:
    entry = ClassPrompts(name="audi", prompts={"q": ["An audi has a top speed of 250."]})
    bank = PromptBank(name="cars", source=source, classes=[entry])
    assert [kind for kind, _ in found(bank)] == kinds
