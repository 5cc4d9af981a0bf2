from collections import Counter
from pathlib import Path

import pytest

from cupl.bank.labels import ClassLabel
from cupl.bank.model import PromptBank
from cupl.errors import BudgetError, InputError
from cupl.generation.cache.store import ResponseCache
from cupl.generation.contrast import (
    NAMES,
    contrast_names,
    contrast_plan,
    generate_contrast,
    most_contrast,
)
from cupl.generation.listed_names import listed_names
from cupl.generation.listing import AnsweredList
from cupl.generation.pipeline import generate
from cupl.generation.plan import make_plan, survey
from tests.answering import Answering

CLASSES = [ClassLabel("tree frog", aliases=("hyla",)), ClassLabel("toad")]
NEAR_FROG = "1. Newts\n2. Toads (brown)\n3. Red tree frog\n4. salamander"


def lists(*texts: str) -> list[AnsweredList]:
    return [AnsweredList(CLASSES[0], "?", listed_names(text, most=9)) for text in texts]


@pytest.mark.parametrize(
    ("named", "reason"),
    [
        ("tree frogs", "a class of the list"),
        ("The Tree-Frog", "a class of the list"),
        ("Hyla", "a class of the list"),
        ("A TOAD", "a class of the list"),
        ("red-eyed tree frog", "a kind of a class of the list"),
        ("frog", "what a class of the list is a kind of"),
    ],
)
def test_names_of_the_classes_are_dropped_and_counted(named: str, reason: str) -> None:
    found = contrast_names(CLASSES, lists(f"- newt\n- {named}"))
    assert [label.name for label in found.labels] == ["newt"]
    assert found.dropped == {reason: 1}


def test_what_several_classes_bring_stands_once() -> None:
    found = contrast_names(CLASSES, lists("- newt\n- eft", "- Newts", "- gecko\n- gecko"))
    assert [label.name for label in found.labels] == ["newt", "eft", "gecko"]
    assert found.dropped == {"named for several classes": 1, "named twice": 1}


def test_a_contrast_bank_is_an_ordinary_one(tmp_path: Path) -> None:
    llm = Answering({"look like a tree frog": NEAR_FROG, "Name 3": "- newt\n- gecko\n- slug"})
    bank = generate_contrast(CLASSES, samples=2, llm=llm, cache=tmp_path)
    assert [entry.name for entry in bank] == ["Newts", "gecko", "slug"]
    assert all(len(entry.texts) == 6 for entry in bank)
    assert bank.source is not None
    assert bank.source.contrast is not None
    assert (bank.source.contrast.classes, bank.source.contrast.names) == (2, NAMES)
    assert bank.source.contrast.dropped > 0
    bank.save(tmp_path / "reject.yaml")
    assert PromptBank.load(tmp_path / "reject.yaml") == bank


def test_again_nothing_is_asked_and_the_bank_is_the_same(tmp_path: Path) -> None:
    llm = Answering({"Name 3": "- newt\n- gecko"})
    made = generate_contrast(CLASSES, samples=2, llm=llm, cache=tmp_path)
    asked = len(llm.asked)
    again = generate_contrast(CLASSES, samples=2, llm=llm, cache=tmp_path, offline=True)
    assert again.to_bytes() == made.to_bytes()
    assert len(llm.asked) == asked == 4 + 2 * 3


def test_descriptions_are_those_of_an_ordinary_run(tmp_path: Path) -> None:
    """What was paid for is found: no question, and no key, is another one."""
    generate(["newt"], samples=2, llm=Answering({}), cache=tmp_path)
    llm = Answering({"Name 3": "- newt"})
    generate_contrast(["tree frog"], samples=2, llm=llm, cache=tmp_path)
    assert all("Name 3" in request.question for request in llm.asked)


def test_a_name_without_a_description_is_left_out(tmp_path: Path) -> None:
    llm = Answering({"Name 3": "- newt\n- gecko", "gecko": "I'm sorry, I can't help with that."})
    bank = generate_contrast(CLASSES, samples=1, llm=llm, cache=tmp_path)
    assert [entry.name for entry in bank] == ["newt"]


def test_where_nothing_is_left_it_says_why(tmp_path: Path) -> None:
    llm = Answering({"Name 3": "- toad\n- tree frogs"})
    with pytest.raises(InputError, match=r"named nothing .*8 a class of the list\); ask another"):
        generate_contrast(CLASSES, llm=llm, cache=tmp_path)


def test_the_limits_are_for_both_steps_together(tmp_path: Path) -> None:
    llm = Answering({"Name 3": "- newt\n- gecko"})
    with pytest.raises(BudgetError, match="stopped at 6 requests"):
        generate_contrast(CLASSES, samples=1, llm=llm, cache=tmp_path, max_requests=6)
    assert len(llm.asked) == 6
    generate_contrast(CLASSES, samples=1, llm=llm, cache=tmp_path)
    assert len(llm.asked) == 4 + 2 * 3, "the same call goes on"


def test_before_the_names_are_known_there_is_a_bound(tmp_path: Path) -> None:
    plan = make_plan(CLASSES, samples=1)
    with ResponseCache(tmp_path) as cache:
        bound = survey(most_contrast(plan, cache), cache).answers
    assert bound == 2 * 2 * NAMES * 3
    llm = Answering({"look like": "- newt\n- gecko", "Name 3": "- slug"})
    generate_contrast(CLASSES, samples=1, llm=llm, cache=tmp_path)
    with ResponseCache(tmp_path) as cache:
        known = most_contrast(plan, cache)
        assert [label.name for label in known.labels] == ["newt", "gecko", "slug"]
        assert survey(known, cache).answers == 0
        assert survey(contrast_plan(plan), cache).answers == 0


def test_the_embedded_model_names_and_describes(tmp_path: Path) -> None:
    """However odd its names are, each is told from the classes and described."""
    classes = ["bicycle", "piano"]
    bank = generate_contrast(classes, model="mini", samples=1, cache=tmp_path)
    again = generate_contrast(classes, model="mini", samples=1, cache=tmp_path, offline=True)
    assert again.to_bytes() == bank.to_bytes()
    assert 1 <= len(bank) <= 2 * 2 * NAMES
    told = Counter(entry.name.casefold().rstrip("s") for entry in bank)
    assert not {"bicycle", "piano"} & set(told)
    assert set(told.values()) == {1}
