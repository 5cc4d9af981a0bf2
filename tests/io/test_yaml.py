from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, StrictStr, create_model

import cupl.io.text
import cupl.io.yaml
from cupl.errors import InputError, MissingFileError
from cupl.io.text import read_text
from cupl.io.yaml import dump_yaml, read_yaml
from tests.strategies import texts


class Thing(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: StrictStr
    number: int = 0
    parts: list[StrictStr] = []
    by_key: dict[StrictStr, list[StrictStr]] = {}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "thing.yaml"


def complaint(path: Path, content: str | bytes) -> str:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError) as caught:
        read_yaml(path, Thing)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message.removeprefix(f"{path}: ")


@pytest.mark.parametrize(
    "content",
    [
        "name: frog\nparts: [leg]\n",
        "\ufeffname: frog\nparts:\n- leg\n",
        "name: frog\r\nparts: [leg]",
    ],
)
def test_bom_and_line_endings_do_not_matter(path: Path, content: str) -> None:
    path.write_bytes(content.encode())
    assert read_yaml(path, Thing) == Thing(name="frog", parts=["leg"])


@pytest.mark.parametrize(
    "word",
    ["no", "0", "null", "~", "2012-01-01", "2012-13-45", "12:30", "1_000", ".inf", "0x1F", "true"],
)
def test_what_is_no_text_to_yaml_is_named_with_its_line_and_the_quoted_spelling(
    path: Path, word: str
) -> None:
    expected = f"{word} is not a text to YAML; write '{word}' in quotes"
    assert complaint(path, f"\nname: {word}\n") == f"line 2: {expected} (name)"
    assert (
        complaint(path, f"name: x\nparts:\n- a\n- {word}") == f"line 4: {expected} (parts, item 2)"
    )
    assert complaint(path, f"name: x\nby_key:\n  {word}: [a]") == f"line 3: {expected}"
    path.write_text(f"name: '{word}'\n")
    assert read_yaml(path, Thing).name == word


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "the file is empty"),
        ("# nothing\n", "the file is empty"),
        ("- a\n", "must be keys with values (the file)"),
        ("number: 1\n", "line 1: 'name' is missing here"),
        ("name: x\ncolor: red\n", "line 2: unknown key 'color'"),
        ("name: x\nnumber: many\n", "line 2: must be a valid integer"),
        ("name: x\nparts: leg\n", "line 2: must be a valid list (parts)"),
        ("name:\n", "line 1: is empty where a text must be (name)"),
        ("name: x\nparts:\n- A frog: green\n", "line 3: must be a text; one with a colon"),
        ("name: {}\n", "line 1: must be a text; one with a colon, brackets or braces"),
        ("name: x\nname: y\n", "line 2: the key 'name' stands here twice"),
        ("name: x\nby_key:\n  q: [a]\n  q: [b]\n", "line 4: the key 'q' stands here twice"),
        ("name: x\nby_key:\n  ? [a]\n  : [b]\n", "line 3: must be a text"),
        ("name: x\nby_key:\n  <<: {a: [b]}\n", "line 3: << is not a text to YAML"),
        ("name: &n x\nparts: [*n]\n", "line 1: YAML aliases (*name) are not allowed"),
        ("name: *n\n", "line 1: not valid YAML: "),
        ("name: !!python/name:os.system x\n", "line 1: x is not a text to YAML"),
        ("name: !!bool maybe\n", "line 1: maybe is not a text to YAML"),
        ("name: !!binary aGk=\n", "line 1: aGk= is not a text to YAML"),
        ("name: x\nby_key: !!set {a, b}\n", "line 2: must be keys with values (by_key)"),
        ("name: a: b\n", "line 1: not valid YAML: "),
        ("name: x\n\tparts: []\n", "line 2: not valid YAML"),
        ("name: 'x\n", "line 2: not valid YAML"),
        ("name: x\n---\nname: y\n", "line 2: not valid YAML"),
        ("number: 1\nname: a\x01b\n", "line 2: '\\x01' is a character that YAML does not allow"),
        (b"number: 1\nname: \xff\n", "line 2: not UTF-8 text; save the file as UTF-8"),
        ('name: "\\ud800"\n', "line 1: not valid YAML"),
        ("name: " + "9" * 5000, "line 1: " + "9" * 57 + "... is not a text to YAML"),
    ],
)
def test_a_complaint_names_line_and_trouble(
    path: Path, content: str | bytes, expected: str
) -> None:
    assert complaint(path, content).startswith(expected)


@pytest.mark.parametrize("content", ["[" * 200_000, "{a: " * 200_000, "- " * 200_000])
def test_deep_nesting_is_refused_before_the_parser_crashes(path: Path, content: str) -> None:
    assert "line 1: not valid YAML: nested too deeply" in complaint(path, content)


@pytest.mark.parametrize(
    "content",
    ["name: x\nparts: " + "[" * 999, "name: x\nparts:\n- " + "{" * 2000, "\nname: " + "[{" * 600],
)
def test_what_the_parser_says_of_depth_is_not_repeated(path: Path, content: str) -> None:
    """Versions of libyaml bound it differently, in words of their own."""
    said = complaint(path, content)
    assert "not valid YAML: nested too deeply" in said
    assert "quotes" not in said


def test_a_syntax_error_in_brackets_is_not_called_deep(path: Path) -> None:
    said = complaint(path, "name: x\nparts: [" + ", ".join("[a]" for _ in range(50)) + ": b: c")
    assert "line 2: not valid YAML" in said
    assert "deeply" not in said


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        (Annotated[int, Field(ge=1)], "0", "must be at least 1"),
        (Annotated[float, Field(lt=2)], "3", "must be below 2"),
        (Annotated[list[int], Field(min_length=1)], "[]", "must have at least 1"),
        (Annotated[list[int], Field(max_length=1)], "[1, 2]", "must have at most 1"),
        (Literal["a", "b"], "c", "must be 'a' or 'b'"),
        (float, "x", "must be a valid number"),
    ],
)
def test_complaints_about_values_are_in_our_words(
    path: Path, field: Any, value: str, expected: str
) -> None:
    model = create_model("Model", value=(field, ...))
    path.write_text(f"value: {value}\n")
    with pytest.raises(InputError) as error:
        read_yaml(path, model)
    assert str(error.value) == f"{path}: line 1: {expected} (value)"


def test_nothing_depends_on_the_c_library(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = dict(vars(cupl.io.yaml._Loader))
    monkeypatch.setattr(cupl.io.yaml, "_Loader", type("Pure", (yaml.SafeLoader,), ours))
    assert "nested too deeply" in complaint(path, "[" * 100)
    assert "line 2: '\\x01'" in complaint(path, "number: 1\nname: \x01\n")
    path.write_text("name: frog\n")
    assert read_yaml(path, Thing).name == "frog"


def test_missing_and_unreadable_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MissingFileError, match=r"thing\.yaml: no such file"):
        read_text(tmp_path / "thing.yaml")
    with pytest.raises(InputError, match="is a folder"):
        read_text(tmp_path)
    monkeypatch.setattr(cupl.io.text, "MAX_TEXT_BYTES", 3)
    (tmp_path / "big").write_bytes(b"1234")
    with pytest.raises(InputError, match="larger than"):
        read_text(tmp_path / "big")


def test_a_shared_list_is_written_out_twice(path: Path) -> None:
    same = ["leg"]
    path.write_bytes(dump_yaml({"name": "frog", "parts": same, "by_key": {"q": same}}))
    assert read_yaml(path, Thing).by_key == {"q": ["leg"]}


def test_what_no_file_can_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"half a frog \\ud83d.*cannot be written"):
        dump_yaml({"name": "half a frog \ud83d"})


@given(
    name=texts, parts=st.lists(texts, max_size=3), by_key=st.dictionaries(texts, st.lists(texts))
)
def test_what_is_written_is_read(
    name: str, parts: list[str], by_key: dict[str, list[str]], tmp_path_factory: Any
) -> None:
    path = tmp_path_factory.getbasetemp() / "round-trip.yaml"
    thing = Thing(name=name, parts=parts, by_key=by_key)
    path.write_bytes(dump_yaml(thing.model_dump()))
    assert read_yaml(path, Thing) == thing


@pytest.mark.parametrize("escape", ["\\U00110000", "\\UFFFFFFFF", "\\uD800", "\\xZZ"])
@pytest.mark.parametrize("frame", ['name: "{}"', 'name: [["{}"', '"{}', '- \n.\n "{}'])
def test_an_escape_of_no_character(path: Path, escape: str, frame: str) -> None:
    assert complaint(path, frame.format(escape)).startswith("line ")
