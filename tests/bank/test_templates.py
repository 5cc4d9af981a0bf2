from pathlib import Path

import pytest
from hypothesis import given

from cupl.bank.templates import QuestionSet, TemplateSet, check_template, fill, with_article
from cupl.errors import CuplError, InputError, MissingFileError
from tests.strategies import names


@pytest.mark.parametrize(
    "phrase",
    """
an abacus, a unicycle, an MRI scanner, an hourglass, a European goldfinch, an X-ray, an 11
a one-armed bandit, an 8-ball, an 18-wheeler, a 1800s house, an école, a Übermensch
a "quoted" name, a 树蛙, a 👩‍🚀, an apple {x}, a 'bus
""".strip()
    .replace("\n", ", ")
    .split(", "),
)
def test_articles_go_by_the_sound(phrase: str) -> None:
    assert with_article(phrase.partition(" ")[2]) == phrase


@pytest.mark.parametrize("name", ["the moon", "An apple", "a bus"])
def test_a_name_may_bring_its_article(name: str) -> None:
    assert with_article(name) == name


@given(names)
def test_a_name_comes_through_unharmed(name: str) -> None:
    assert fill("What is {} ({})?", name) == f"What is {name} ({name})?"
    assert fill("What is {a}?", name) == f"What is {with_article(name)}?"
    assert with_article(name).endswith(name)


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("a photo", "never names the class"),
        ("a photo of {name}", "unknown placeholder {name}.*use {} or {a}"),
        ("a photo of {0}", "unknown placeholder {0}"),
    ],
)
def test_a_template_that_names_no_class(template: str, expected: str) -> None:
    with pytest.raises(InputError, match=expected):
        check_template(template)


def test_the_shipped_sets() -> None:
    assert len(QuestionSet.load("base").questions) == 3
    assert len(QuestionSet.load("imagenet").questions) == 5
    assert fill(QuestionSet.load("base").questions[1], "abacus") == "Describe an abacus:"
    assert TemplateSet.load("photo").templates == ("a photo of a {}.",)


def test_a_set_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\nquestions: ['What colour is {a}?']\n")
    assert QuestionSet.load(path).questions == ("What colour is {a}?",)
    path.write_text("name: mine\ntemplates: ['{}, a bird']\n")
    assert TemplateSet.load(str(path)).templates == ("{}, a bird",)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("questions: ['{}?', '{}?']\nname: x\n", "line 1: a question stands here twice"),
        ("name: x\nquestions: ['What?']\n", "line 2: 'What\\?' never names the class"),
        ("name: x\nquestions: []\n", "line 2"),
        ("name: x\nquestions: ['']\n", "line 2"),
        ("name: x\nquestions: What is {}?\n", "line 2: "),
        ("name: x\nquestions:\n- {}\n", "line 3: must be a text; one with .* braces"),
        ("name: x\nquestion: ['{}?']\n", "'questions' is missing|unknown key 'question'"),
        (
            "format: cupl-other/1\nname: x\nquestions: ['{}?']\n",
            "line 1: must be 'cupl-questions/1'",
        ),
    ],
)
def test_a_set_that_cannot_be_used(tmp_path: Path, content: str, expected: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(content)
    with pytest.raises(CuplError, match=f"mine.yaml: .*{expected}"):
        QuestionSet.load(path)


def test_a_missing_set_names_those_that_come_with_cupl(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        MissingFileError, match="no such questions file; cupl brings base, imagenet"
    ):
        QuestionSet.load("bsae")
    with pytest.raises(MissingFileError, match="cupl brings photo"):
        TemplateSet.load("base")


def test_a_question_set_is_written_and_read_again(tmp_path: Path) -> None:
    made = QuestionSet(name="pets: mine", questions=("What is {a}: big?", "- {}"))
    path = tmp_path / "q.yaml"
    path.write_bytes(made.to_bytes())
    assert QuestionSet.load(path) == made


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("views.txt", "# mine\na photo of a {}.\n\n  a drawing of {a}. \n"),
        ("views.yaml", "- a photo of a {}.\n- a drawing of {a}.\n"),
        ("views.yaml", "---\n# mine\n- a photo of a {}.\n- a drawing of {a}.\n"),
        ("views.yaml", '["a photo of a {}.", "a drawing of {a}."]'),
        ("views.json", '[\n "a photo of a {}.",\n "a drawing of {a}."\n]\n'),
        (
            "views.json",
            '{"name": "views", "templates": ["a photo of a {}.", "a drawing of {a}."]}',
        ),
    ],
)
def test_a_list_in_any_file(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    found = TemplateSet.load(tmp_path / name)
    assert found == TemplateSet(name="views", templates=("a photo of a {}.", "a drawing of {a}."))


def test_questions_a_line_each(tmp_path: Path) -> None:
    (tmp_path / "own.txt").write_text("What is {a}?\nDescribe {}:\n")
    found = QuestionSet.load(tmp_path / "own.txt")
    assert (found.name, found.questions) == ("own", ("What is {a}?", "Describe {}:"))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("x.txt", "a photo.\n", "x.txt: 'a photo.' never names the class"),
        ("x.txt", "# nothing\n", "x.txt: must have at least 1"),
        ("x.yaml", "- no\n", "x.yaml: line 1"),
        ("x.json", '["a {}", 3]', "x.json: line 1"),
        ("x.yaml", "- {a: b}\n", "x.yaml: line 1"),
    ],
)
def test_a_list_of_something_else(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=message):
        TemplateSet.load(tmp_path / name)
