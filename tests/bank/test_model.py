import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from cupl.bank.model import ClassPrompts, PromptBank, Source
from cupl.errors import CuplError, InputError, MissingFileError
from cupl.evaluation.candidates import join_banks, with_templates
from tests.models import bank_of
from tests.strategies import banks


def bank_with(**changes: Any) -> PromptBank:
    frog = {"name": "frog", "id": "n1", "aliases": ["hopper"], "prompts": {"q?": ["A.", "B."]}}
    return PromptBank(name="x", classes=[ClassPrompts.model_validate(frog | changes)])


@given(bank=banks)
def test_what_is_saved_is_loaded(bank: PromptBank, tmp_path_factory: Any) -> None:
    path = tmp_path_factory.getbasetemp() / "bank.yaml"
    path.unlink(missing_ok=True)
    bank.save(path)
    loaded = PromptBank.load(path)
    assert loaded == bank
    assert [list(entry.prompts) for entry in loaded] == [list(entry.prompts) for entry in bank]
    assert loaded.digest == bank.digest
    assert loaded.to_bytes() == path.read_bytes()


def test_a_bank_that_was_edited_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "bank.yaml"
    bank_with().save(path)
    edited = path.read_bytes().replace(b"A.", b"A frog.")
    path.write_bytes(edited)
    with pytest.warns(UserWarning, match=r"held something else: kept as .*bank\.yaml\.old"):
        bank_with().save(path)
    assert (tmp_path / "bank.yaml.old").read_bytes() == edited
    assert PromptBank.load(path) == bank_with()


small_banks = st.builds(
    bank_with,
    name=st.sampled_from("ab"),
    id=st.sampled_from([None, "i"]),
    prompts=st.dictionaries(
        st.sampled_from(["", "q"]),
        st.lists(st.sampled_from("xy"), min_size=1, max_size=2),
        min_size=1,
    ),
)


@given(one=small_banks, other=small_banks)
def test_digests_are_equal_where_the_classes_are(one: PromptBank, other: PromptBank) -> None:
    def content(bank: PromptBank) -> list[Any]:
        return [[entry.label, list(entry.prompts.items())] for entry in bank]

    assert (one.digest == other.digest) == (content(one) == content(other))


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "toad"},
        {"id": "n2"},
        {"id": None},
        {"aliases": []},
        {"prompts": {"q?": ["A.", "C."]}},
        {"prompts": {"q?": ["B.", "A."]}},
        {"prompts": {"r?": ["A.", "B."]}},
        {"prompts": {"q?": ["A."], "": ["B."]}},
    ],
)
def test_every_change_changes_the_digest(changes: dict[str, Any]) -> None:
    assert bank_with(**changes).digest != bank_with().digest


def test_where_it_came_from_is_not_in_the_digest() -> None:
    source = Source(model="m")
    assert bank_with().model_copy(update={"source": source}).digest == bank_with().digest


def test_the_file_is_what_the_documentation_shows(tmp_path: Path) -> None:
    source = Source(
        model="gpt-4.1-mini",
        api="chat",
        samples=10,
        temperature=1,
        stop=["\n"],
        preamble="One:\n\n{}\n",
    )
    bank = PromptBank(
        name="frogs",
        source=source,
        classes=[
            ClassPrompts(name="tree frog", id="n1", prompts={"What?": ["It is: green.", "- 1"]}),
            ClassPrompts(name="no", prompts={"": ["plain"]}),
        ],
    )
    bank.save(tmp_path / "frogs.yaml")
    assert (tmp_path / "frogs.yaml").read_text() == (
        "format: cupl-bank/1\n"
        "name: frogs\n"
        "source:\n"
        "  model: gpt-4.1-mini\n"
        "  api: chat\n"
        "  samples: 10\n"
        "  temperature: 1.0\n"
        "  stop:\n"
        '  - "\\n"\n'
        "  preamble: |\n"
        "    One:\n"
        "\n"
        "    {}\n"
        "classes:\n"
        "- name: tree frog\n"
        "  id: n1\n"
        "  prompts:\n"
        "    What?:\n"
        "    - 'It is: green.'\n"
        "    - '- 1'\n"
        "- name: 'no'\n"
        "  prompts:\n"
        "  - plain\n"
    )
    assert PromptBank.load(tmp_path / "frogs.yaml") == bank


def test_a_bank_is_its_classes() -> None:
    bank = bank_with(prompts={"q": ["a", "b"], "r": ["c"]})
    assert len(bank) == 1
    assert [entry.texts for entry in bank] == [["a", "b", "c"]]


HEAD = "name: x\nclasses:\n"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("- {name: no, prompts: [x]}", "line 3: no is not a text to YAML; write 'no' in quotes"),
        ("- {name: a, prompts: [2012-01-01]}", "line 3: 2012-01-01 .* '2012-01-01' in quotes"),
        ("- name: a\n  prompts: []", "line 3: the class 'a' has no prompts"),
        ("- name: a\n  prompts: {}", "line 3: the class 'a' has no prompts"),
        ("- name: a\n  prompts: {q: []}", "line 3: the class 'a' has no prompts"),
        ("- name: a\n  prompts: ['  ']", "line 3: the class 'a' has an empty prompt"),
        ("- name: a", "line 3: 'prompts' is missing here"),
        ("- name: a\n  prompts: x", "line 4: prompts must be a list, or questions"),
        ("- name: a\n  prompts: {q: x}", "line 4: must be a valid list"),
        ("- name: a\n  prompts: [x]\n  prompt: [y]", "line 5: unknown key 'prompt'"),
        (
            "- name: a\n  prompts: [x]\n  prompts: [y]",
            "line 5: the key 'prompts' stands here twice",
        ),
        ("- {name: ' a', prompts: [x]}", "line 3: .*begins or ends with a space"),
        ('- {name: "a\\nb", prompts: [x]}', "line 3: .*control character"),
        (
            "- {name: a, prompts: [x]}\n- {name: a, id: i, prompts: [x]}",
            "two classes are named 'a'",
        ),
        (
            "- {name: a, id: i, prompts: [x]}\n- {name: b, id: i, prompts: [x]}",
            "the class id 'i' stands here twice",
        ),
        ("  []", "no classes"),
    ],
)
def test_a_file_that_cannot_be_used(tmp_path: Path, content: str, expected: str) -> None:
    path = tmp_path / "b.yaml"
    path.write_text(HEAD + content + "\n")
    with pytest.raises(InputError, match=f"b.yaml: {expected}"):
        PromptBank.load(path)


@pytest.mark.parametrize(
    "source",
    [
        "{model: 4}",
        "{samples: '3'}",
        "{samples: yes}",
        "{samples: -1}",
        "{temperature: .nan}",
        "{x: y}",
    ],
)
def test_a_source_that_makes_no_sense(tmp_path: Path, source: str) -> None:
    path = tmp_path / "b.yaml"
    path.write_text(f"source: {source}\nname: x\nclasses: [{{name: a, prompts: [x]}}]\n")
    with pytest.raises(InputError, match=r"b\.yaml: line 1: "):
        PromptBank.load(path)


def test_another_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "b.yaml"
    path.write_text("format: cupl-bank/2\nname: x\nclasses: [{name: a, prompts: [x]}]\n")
    with pytest.raises(InputError, match="line 1: must be 'cupl-bank/1'"):
        PromptBank.load(path)


def test_a_missing_bank(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="no such file"):
        PromptBank.load(tmp_path / "b.yaml")


def test_python_gets_a_value_error() -> None:
    with pytest.raises(ValidationError, match="has no prompts"):
        bank_with(prompts={})
    with pytest.raises(ValidationError, match="no classes"):
        PromptBank(name="x", classes=[])


def test_half_a_character_is_refused_and_the_old_bank_stays(tmp_path: Path) -> None:
    path = tmp_path / "b.yaml"
    bank_with().save(path)
    before = hashlib.sha256(path.read_bytes()).digest()
    with pytest.raises(CuplError, match="cannot be written"):
        bank_with(prompts={"q": ["half \ud83d"]}).save(path)
    assert hashlib.sha256(path.read_bytes()).digest() == before


@pytest.mark.parametrize(
    "spoil",
    [
        lambda bank: bank.classes[0].prompts["What?"].clear(),
        lambda bank: bank.classes.append(bank.classes[0]),
        lambda bank: bank.classes.clear(),
        lambda bank: bank.classes[0].prompts["What?"].append(5),
        lambda bank: bank.classes[0].prompts["What?"].append(" "),
        lambda bank: setattr(bank.classes[0], "name", "a\nb"),
        lambda bank: setattr(bank.classes[0], "prompts", None),
        lambda bank: setattr(bank, "name", 5),
        lambda bank: setattr(bank, "source", {"model": "m"}),
    ],
)
def test_a_bank_that_could_not_be_read_again_does_not_take_the_place_of_one(
    tmp_path: Path, spoil: Callable[[PromptBank], object]
) -> None:
    path = tmp_path / "bank.yaml"
    bank = bank_of({"cat": ["A cat is soft."], "dog": ["A dog barks."]})
    bank.save(path)
    before = path.read_bytes()
    spoil(bank)
    with pytest.raises(InputError, match="cannot be saved"):
        bank.save(path)
    assert path.read_bytes() == before


def test_a_bank_of_a_dict() -> None:
    bank = PromptBank.from_dict({"cup": ["A cup."], "chair": {"What?": ("A chair.",)}}, "things")
    assert bank.name == "things"
    assert [(entry.name, entry.prompts) for entry in bank] == [
        ("cup", {"": ["A cup."]}),
        ("chair", {"What?": ["A chair."]}),
    ]


@pytest.mark.parametrize(
    ("prompts", "message"),
    [
        ({}, "name at least one"),
        ({"cup": []}, "^the class 'cup' has no prompts$"),
        ({"cup": "A cup."}, "the class 'cup': prompts must be a list"),
        ({"cup": 3}, "the class 'cup': prompts must be a list"),
        ({"cup": [3]}, "the class 'cup': a prompt must be a text, not 3"),
        (
            {"cup": {"What?": "A cup."}},
            "the class 'cup': the prompts of the question 'What.' must be a list of texts, such as",
        ),
        ({"cup": {"What?": 5}}, "question 'What.' must be a list of texts, not 5"),
        ({"cup": {4: ["A cup."]}}, "the class 'cup': a question must be a text, not 4"),
        ({3: ["A."]}, "the name of a class must be a text, not 3"),
        (["cup"], "a dict of class to prompts"),
    ],
)
def test_a_dict_that_is_no_bank(prompts: Any, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        PromptBank.from_dict(prompts)
    assert caught.value.__cause__ is None
    assert "pydantic" not in str(caught.value)


@pytest.mark.parametrize("given", ["Dog", 5, None, ["A dog.", 3], {"A dog.": 1}])
@pytest.mark.parametrize(
    "use",
    [
        lambda bank: bank["dog"].texts,
        lambda bank: bank["dog"].question_prompt_pairs,
        lambda bank: bank.size,
        lambda bank: bank.digest,
        lambda bank: bank.to_bytes(),
        lambda bank: bank | bank,
        lambda bank: join_banks([bank, bank], "both"),
        lambda bank: with_templates(bank, ["a {}."]),
    ],
)
def test_prompts_that_were_changed_to_no_list_of_texts(
    use: Callable[[PromptBank], object], given: Any
) -> None:
    bank = bank_of({"cat": ["A cat."], "dog": ["A dog."]})
    bank["dog"].prompts["mine"] = given
    message = r"the class 'dog': prompts\['mine'\] must be a list of texts"
    with pytest.raises(InputError, match=message):
        use(bank)
    bank["dog"].prompts = given
    with pytest.raises(InputError, match="the class 'dog': prompts"):
        use(bank)


def test_other_names_that_were_changed_to_a_text() -> None:
    bank = bank_of({"cat": ["A cat."]})
    bank["cat"].aliases = "pet"  # type: ignore[assignment]
    with pytest.raises(InputError, match="aliases must be a list of texts, such as .'pet'."):
        bank["cat"].label  # noqa: B018
