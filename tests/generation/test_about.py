import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cupl.bank.model import PromptBank
from cupl.bank.templates import QuestionSet, fill
from cupl.errors import InputError
from cupl.generation.about import about_plan, generate_about, questions_in
from cupl.generation.pipeline import generate
from cupl.generation.plan import make_plan
from tests.answering import Answering

PETS = "photos of pets taken at home"
GOOD = "What does a [NAME] look like on a sofa?"


@pytest.mark.parametrize(
    ("written", "question"),
    [
        (GOOD, "What does {a} look like on a sofa?"),
        ("1. Describe the fur of an {}.", "Describe the fur of {a}."),
        ("- **How big is {class name} beside a chair?**", "How big is {} beside a chair?"),
        ('"What colour is the <animal>?"', "What colour is the {}?"),
        ("Which toys lie beside NAME?", "Which toys lie beside {}?"),
        ("Describe {a} at home:", "Describe {a} at home:"),
        ("1. Describe the ears of [NAME]:", "Describe the ears of {}:"),
        ("[NAME]长什么样？", "{}长什么样？"),
        ("家里的 [NAME] 看起来 怎么样？", "家里的 {} 看起来 怎么样？"),
    ],
)
def test_the_place_of_the_class_is_found(written: str, question: str) -> None:
    assert questions_in([written], PETS).questions == (question,)


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("What do pets look like?", "no place for the class"),
        ("How does a [NAME] differ from a [NAME]?", "several places for a class"),
        ("How does a [NAME] look in [ROOM]?", "several places for a class"),
        ("Photos of pets like [NAME] are nice.", "no question"),
        ("[NAME]?", "no question"),
        ("", "no question"),
        (f"What does a [NAME] look like, {'and then again ' * 30}?", "too long for a question"),
        ("What is a [NAME] at www.pets.org?", "URL or markup"),
        (f"{GOOD}\n{GOOD}", "written twice"),
        (f"{GOOD}\nWhat does a <class> look like on a sofa?", "written twice"),
    ],
)
def test_nonsense_is_dropped_and_counted(written: str, reason: str) -> None:
    found = questions_in([written], PETS)
    assert found.dropped[reason] == 1
    assert len(found.questions) == (reason == "written twice")


def test_no_more_questions_than_asked_for() -> None:
    many = "\n".join(f"{i}. What does part {i} of a [NAME] show?" for i in range(1, 31))
    found = questions_in([many], PETS, most=10)
    assert (len(found.questions), found.dropped["more than asked for"]) == (10, 20)


@given(st.lists(st.text() | st.text(alphabet="[NAME]{}a ?.-1\n"), max_size=4))
def test_whatever_is_written_what_is_kept_is_a_question_set(texts: list[str]) -> None:
    found = questions_in(texts, PETS)
    for question in found.questions:
        assert len(re.findall(r"\{a?\}", question)) == 1
        assert "¤" in fill(question, "¤")
    if found.questions:
        assert found.set.questions == found.questions


def test_the_bank_says_for_what_its_questions_were_written(tmp_path: Path) -> None:
    llm = Answering({PETS: f"1. {GOOD}\n2. How big is a [NAME]?\n3. Pets are nice."})
    bank = generate_about(["dog", "owl"], PETS, samples=2, llm=llm, cache=tmp_path)
    assert list(bank.classes[1].prompts) == [
        "What does an owl look like on a sofa?",
        "How big is an owl?",
    ]
    assert bank.source is not None
    assert bank.source.about is not None
    assert bank.source.about.data == PETS
    assert bank.source.about.dropped == 1
    bank.save(tmp_path / "b.yaml")
    assert PromptBank.load(tmp_path / "b.yaml") == bank
    again = generate_about(["dog", "owl"], PETS, samples=2, cache=tmp_path, offline=True)
    assert again.to_bytes() == bank.to_bytes()


def test_the_questions_can_be_kept_edited_and_asked(tmp_path: Path) -> None:
    llm = Answering({PETS: f"1. {GOOD}"})
    bank = generate_about(["dog"], PETS, samples=1, llm=llm, cache=tmp_path)
    assert bank.source is not None
    assert bank.source.about is not None
    path = tmp_path / "questions.yaml"
    path.write_bytes(
        QuestionSet(name="pets", questions=tuple(bank.source.about.questions)).to_bytes()
    )
    same = generate(["dog"], path, samples=1, cache=tmp_path, offline=True)
    assert same.classes == bank.classes
    path.write_text(path.read_text().replace("sofa", "chair"))
    other = generate(["dog"], path, samples=1, cache=tmp_path, llm=llm)
    assert list(other.classes[0].prompts) == ["What does a dog look like on a chair?"]


def test_where_no_question_is_left_it_says_why(tmp_path: Path) -> None:
    llm = Answering({PETS: "Pets are nice.\nPhotos are too."})
    with pytest.raises(InputError, match=r"no question .*2 no question\); ask another model, or"):
        generate_about(["dog"], PETS, llm=llm, cache=tmp_path)


@pytest.mark.parametrize("about", ["", " ", "two\nlines", "x" * 501])
def test_a_description_that_is_none(about: str) -> None:
    with pytest.raises(InputError, match="about "):
        about_plan(make_plan(["dog"]), about)


def test_braces_in_a_description_are_data() -> None:
    plan = about_plan(make_plan(["dog"]), "scans of {} and {a}")
    [request] = plan.requests(plan.labels[0])
    assert "scans of {} and {a}" in request.question


def test_the_embedded_model_writes_questions(tmp_path: Path) -> None:
    bank = generate_about(["dog", "cat"], PETS, model="mini", samples=1, cache=tmp_path)
    assert bank.source is not None
    assert bank.source.about is not None
    assert 1 <= len(bank.source.about.questions) <= 10
    assert len(bank) == 2
