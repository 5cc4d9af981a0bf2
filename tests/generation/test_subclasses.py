import re
from collections import Counter
from pathlib import Path

import pytest

from cupl.bank.labels import ClassLabel
from cupl.bank.model import PromptBank
from cupl.errors import InputError
from cupl.generation.listed_names import listed_names
from cupl.generation.listing import AnsweredList
from cupl.generation.subclasses import generate_subclasses, subclass_names
from cupl.llm.protocol import Request, Response
from tests.faults import sentences

DOGS, CATS, FROG = ClassLabel("dog", aliases=("hound",)), ClassLabel("cat"), ClassLabel("tree frog")
CLASSES = [DOGS, CATS, FROG, ClassLabel("hot dog")]


def listed(label: ClassLabel, *names: str) -> AnsweredList:
    return AnsweredList(label, "?", listed_names("\n".join(names)))


class Lister:
    """Answers a question for kinds by a list, and every other by sentences about its thing."""

    def __init__(self, lists: dict[str, str]) -> None:
        self.lists = lists
        self.asked: list[str] = []

    async def complete(self, request: Request, n: int) -> list[Response]:
        self.asked.append(request.question)
        for name, text in self.lists.items():
            if re.fullmatch(rf"Name \d+ kinds of {name}:", request.question):
                return [Response(text)] * n
        if "nonsense" in request.question:
            return [Response("I'm sorry, I cannot say.")] * n
        return [Response(text) for text in sentences(request.question, n)]

    async def close(self) -> None:
        pass


def make(lister: Lister, folder: Path, most: int = 3, **settings: object) -> PromptBank:
    return generate_subclasses(
        [DOGS, CATS], most=most, llm=lister, model="m", samples=2, cache=folder, **settings  # type: ignore[arg-type]
    )  # fmt: skip


def test_a_kind_has_the_name_of_its_class() -> None:
    found = subclass_names(CLASSES, [listed(DOGS, "1. Beagle", "2. Sheep dogs", "3. Fox hound")])
    assert found.of == {"dog": ("Beagle dog", "Sheep dogs", "Fox hound")}
    assert not found.dropped


@pytest.mark.parametrize(
    ("of", "name", "reason"),
    [
        (DOGS, "dogs", "a class of the list"),
        (DOGS, "Hounds", "a class of the list"),
        (DOGS, "Cat", "a class of the list"),
        (DOGS, "hot-dog", "a class of the list"),
        (DOGS, "chili hot dog", "a kind of another class of the list"),
        (CATS, "red tree frog", "a kind of another class of the list"),
        (FROG, "frog", "what a class of the list is a kind of"),
    ],
)
def test_names_that_are_no_kinds(of: ClassLabel, name: str, reason: str) -> None:
    found = subclass_names(CLASSES, [listed(of, name, "beagle")])
    assert found.dropped == Counter({reason: 1})
    assert len(found.labels) == 1


def test_what_is_a_kind_of_two_classes_is_one_of_neither() -> None:
    lists = [listed(DOGS, "stuffed toy", "beagle"), listed(CATS, "Stuffed toys", "tabby")]
    found = subclass_names(CLASSES, lists)
    assert found.of == {"dog": ("beagle dog",), "cat": ("tabby cat",)}
    assert found.dropped == Counter({"named for several classes": 2})


def test_a_name_that_two_classes_have_says_of_neither_what_its_kinds_are() -> None:
    cranes = [ClassLabel("crane", "n1"), ClassLabel("crane", "n2"), CATS]
    found = subclass_names(cranes, [listed(cranes[1], "tower crane"), listed(CATS, "tabby")])
    assert found.of == {"cat": ("tabby cat",)}
    assert found.dropped == Counter({"kinds of a name that several classes have": 1})


@pytest.mark.filterwarnings("ignore:too few prompts")
def test_a_bank_with_kinds_is_saved_and_loaded(tmp_path: Path) -> None:
    lister = Lister({"dog": "1. beagle\n2. poodle\n3. nonsense", "cat": "- tabby"})
    bank = make(lister, tmp_path / "cache")
    assert [entry.name for entry in bank] == ["dog", "cat"]
    assert bank.classes[0].aliases == ["hound"]
    assert [[kind.name for kind in entry.subclasses] for entry in bank] == [
        ["beagle dog", "poodle dog"],
        ["tabby cat"],
    ]
    assert all("beagle dog" in text for text in bank.classes[0].subclasses[0].texts)
    assert bank.size == sum(len(e.texts) for e in bank) + 6 * 3
    assert bank.source is not None
    assert bank.source.subclasses is not None
    assert (bank.source.subclasses.names, bank.source.subclasses.dropped) == (3, 1)
    bank.save(tmp_path / "bank.yaml")
    loaded = PromptBank.load(tmp_path / "bank.yaml")
    assert loaded == bank
    assert loaded.digest == bank.digest
    asked = len(lister.asked)
    assert make(lister, tmp_path / "cache").to_bytes() == bank.to_bytes()
    assert make(lister, tmp_path / "cache", offline=True).to_bytes() == bank.to_bytes()
    assert len(lister.asked) == asked


def test_500_kinds_are_no_more_than_were_asked_for(tmp_path: Path) -> None:
    many = "\n".join(f"{number}. breed{number}" for number in range(1, 501))
    bank = make(Lister({"dog": many, "cat": "I cannot say."}), tmp_path, most=2)
    assert bank.source is not None
    assert bank.source.subclasses is not None
    assert bank.source.subclasses.dropped == 498 + 1
    assert [len(entry.subclasses) for entry in bank] == [2, 0]


@pytest.mark.parametrize("text", ["I'm sorry, I cannot say.", "", "dogs\ncats", "?!"])
def test_a_model_that_names_no_kind_is_told_before_anything_is_described(
    text: str, tmp_path: Path
) -> None:
    lister = Lister({"dog": text, "cat": text})
    with pytest.raises(InputError, match="named no kind of any class"):
        make(lister, tmp_path)
    assert all("kinds of" in question for question in lister.asked)


@pytest.mark.parametrize("most", [0, 101])
def test_a_number_of_kinds_that_cannot_be_asked_for(most: int, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="1 to 100"):
        make(Lister({}), tmp_path, most=most)


def test_the_digest_of_a_bank_without_kinds_is_what_it_was() -> None:
    bank = PromptBank.model_validate(
        {"name": "b", "classes": [{"name": "cat", "prompts": {"What?": ["A cat."]}}]}
    )
    assert bank.digest == "9482080355b1b457f027ffba4c32ac611c28f7ba7ffb7cb4097462ea9aec97e5"
