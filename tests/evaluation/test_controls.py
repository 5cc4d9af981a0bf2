import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cupl.bank.model import ClassPrompts, PromptBank
from cupl.errors import InputError
from cupl.evaluation.controls import (
    control_banks,
    names_bank,
    random_words_bank,
    shuffled_bank,
)
from tests import strategies
from tests.models import bank_of

ANIMALS = bank_of(
    {
        "frog": ["A frog has wide eyes and a long tongue.", "A frog is green.", "Frogs leap."],
        "tree frog": ["A tree frog has toe pads."],
        "owl": ["An owl has a round face.", "Owls are birds."],
    }
)
KINDS = ("names", "photo", "random-words", "shuffled")
seeds = st.integers(0, 2**32)


def texts_of(bank: PromptBank) -> dict[str, list[str]]:
    return {entry.name: entry.texts for entry in bank}


def test_a_name_is_the_whole_prompt() -> None:
    assert texts_of(names_bank(ANIMALS)) == {name: [name] for name in ("frog", "tree frog", "owl")}


def test_templates_come_by_name_and_from_a_file(tmp_path: Path) -> None:
    assert texts_of(control_banks(ANIMALS, "photo", 1)[0])["owl"] == ["a photo of a owl."]
    file = tmp_path / "mine.yaml"
    file.write_text("format: cupl-templates/1\nname: my own\ntemplates: ['{a}!', 'the {}']\n")
    [bank] = control_banks(ANIMALS, str(file), 1)
    assert bank.name == "my own"
    assert bank.classes[2].texts == ["an owl!", "the owl"]


@given(strategies.banks)
def test_classes_stay_what_they_are(bank: PromptBank) -> None:
    for control in KINDS:
        try:
            made = control_banks(bank, control, 1)[0]
        except InputError:
            continue
        assert made.name == control
        assert [entry.label for entry in made] == [entry.label for entry in bank]
        assert PromptBank.model_validate(made.model_dump()) == made


@given(strategies.banks, seeds)
def test_random_words_are_the_same_for_all_classes(bank: PromptBank, seed: int) -> None:
    if not any(char.isalpha() for entry in bank for text in entry.texts for char in text):
        with pytest.raises(InputError, match="no words"):
            random_words_bank(bank, seed)
        return
    made = random_words_bank(bank, seed)
    assert [len(entry.texts) for entry in made] == [len(entry.texts) for entry in bank]
    lists = []
    for entry in made:
        for text in entry.texts:
            assert re.match(rf"A photo of (an? )?{re.escape(entry.name)}, which has .+\.\Z", text)
        end = [text.rpartition(f"{entry.name}, which has ")[2] for text in entry.texts]
        lists.append(end)
    longest = max(lists, key=len)
    assert all(texts == longest[: len(texts)] for texts in lists)


def test_random_words_are_words_and_characters_by_turns() -> None:
    words = {"one", "three", "seventeen"}
    bank = bank_of({"frog": ["one three seventeen " * 4] * 40, "owl": ["One THREE."]})
    made = random_words_bank(bank, 3)
    ends = [text.removeprefix("A photo of a frog, which has ") for text in made.classes[0].texts]
    for end in ends[::2]:
        assert set(end.rstrip(".").split(" ")) <= words
    sequences = [sequence for end in ends[1::2] for sequence in end.rstrip(".").split(", ")]
    assert {len(sequence) for sequence in sequences} == {3, 5, 9}
    assert set("".join(sequences)) == set("onethreeseventeen")
    assert not words & set(sequences)


def test_random_words_are_as_long_as_the_prompts() -> None:
    long, short = "word " * 26, "word"
    made = random_words_bank(bank_of({"tree frog": [long] * 30, "owl": [short] * 30}), 0)
    numbers = {len(text.split()) for text in made.classes[0].texts}
    assert numbers == {26, 9}  # the frame and at least one word


@given(seeds)
def test_every_class_gets_the_prompts_of_another(seed: int) -> None:
    names = [f"beast{i}" for i in range(7)]
    bank = bank_of({name: [f"A {name} has mark-{name[5:]}."] for name in names})
    givers = []
    for entry in shuffled_bank(bank, seed):
        (text,) = entry.texts
        assert text.startswith(f"A {entry.name} has mark-")
        givers.append(f"beast{text[-2]}")
    assert sorted(givers) == names
    assert all(giver != name for giver, name in zip(givers, names, strict=True))


@given(strategies.banks, seeds)
def test_a_shuffled_prompt_names_its_class(bank: PromptBank, seed: int) -> None:
    if len(bank) == 1:
        with pytest.raises(InputError, match="two classes or more"):
            shuffled_bank(bank, seed)
        return
    made = shuffled_bank(bank, seed)
    assert sorted(len(entry.texts) for entry in made) == sorted(len(entry.texts) for entry in bank)
    for entry in made:
        # An article in front can make the first letter a capital: "The moon" for "the moon".
        assert all(entry.name[1:] in text for text in entry.texts)


@pytest.mark.parametrize(
    ("name", "text", "to", "shuffled"),
    [
        ("frog", "A frog. A FROG; frogs, a bullfrog", "owl", "An owl. An owl; frogs, a bullfrog"),
        ("owl", "an owl and owls", "frog", "a frog and owls"),
        ("tree frog", "A tree frog is a frog.", "frog", "A frog is a frog."),
        ("frog", "A frog is small.", "tree frog", "A tree frog is small."),
        ("frog", "Frogs leap.", "owl", "owl: Frogs leap."),
        ("moon", "A moon is round", "the sun", "The sun is round"),
        ("C++ (.*)", "C++ (.*) is a [frog].", r"\1 {a} \g<0>", r"\1 {a} \g<0> is a [frog]."),
        ("a.c", "abc or a.c", "x", "abc or x"),
        ("{}", "the {} of {a}", "élan", "the élan of {a}"),
        ("ضفدع", "A ضفدع!", "🐸", "A 🐸!"),
    ],
)
def test_the_other_name_is_replaced(name: str, text: str, to: str, shuffled: str) -> None:
    bank = bank_of({name: [text], to: ["nothing"]})
    assert shuffled_bank(bank, 0).classes[1].texts == [shuffled]


def test_aliases_are_replaced_and_the_longest_name_first() -> None:
    frog = ClassPrompts(
        name="frog", aliases=["tree frog"], prompts={"What is a frog?": ["A tree frog."]}
    )
    owl = ClassPrompts(name="owl", prompts={"": ["An owl."], "An owl?": ["Owl"], "an OWL?": ["x"]})
    made = shuffled_bank(PromptBank(name="two", classes=[frog, owl]), 0)
    assert made.classes[1].prompts == {"What is an owl?": ["An owl."]}
    assert made.classes[0].prompts == {
        "": ["A frog."],
        "A frog?": ["frog"],
        "a frog?": ["frog: x"],
    }


def test_questions_that_become_the_same_are_joined() -> None:
    frog = ClassPrompts(name="frog", prompts={"A frog?": ["A frog."], "A FROG?": ["Two."]})
    owl = ClassPrompts(name="owl", prompts={"?": ["x"]})
    made = shuffled_bank(PromptBank(name="two", classes=[frog, owl]), 0)
    assert made.classes[1].prompts == {"An owl?": ["An owl.", "owl: Two."]}


@pytest.mark.parametrize("control", ["random-words", "shuffled"])
def test_a_seed_decides_everything(control: str) -> None:
    bank = bank_of({f"beast {i}": [f"A beast {i} has {i} legs."] * 3 for i in range(20)})
    first, again = (control_banks(bank, control, 3) for _ in range(2))
    assert first == again
    assert len({made.to_bytes() for made in first}) == 3


@pytest.mark.parametrize("control", ["names", "photo"])
def test_what_is_not_random_is_made_once(control: str) -> None:
    assert len(control_banks(ANIMALS, control, 5)) == 1


def test_controls_that_cannot_be_made_are_explained(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'photos': use names, photo, random-words or shuffled"):
        control_banks(ANIMALS, "photos", 1)
    with pytest.raises(InputError, match="two classes or more"):
        control_banks(bank_of({"frog": ["A frog."]}), "shuffled", 1)
    with pytest.raises(InputError, match="no words to draw"):
        control_banks(bank_of({"7": ["7 8."]}), "random-words", 1)
    with pytest.raises(InputError, match="at least 1, not 0"):
        control_banks(ANIMALS, "shuffled", 0)
    (tmp_path / "no.yaml").write_text("format: cupl-templates/1\nname: x\ntemplates: [plain]\n")
    with pytest.raises(InputError, match="never names the class"):
        control_banks(ANIMALS, str(tmp_path / "no.yaml"), 1)


def test_words_are_made_of_letters() -> None:
    bank = bank_of({"frog": ["It eats ¼cup a day, or ½."], "owl": ["²³"]})
    texts = " ".join(random_words_bank(bank, 0).classes[0].texts)
    assert not set("¼½²³").intersection(texts)
    with pytest.raises(InputError, match="no words"):
        random_words_bank(bank_of({"owl": ["¼ ²"]}), 0)
