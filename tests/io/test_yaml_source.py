"""Texts of which YAML would lose a part without a word, and files that stand for far more."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, StrictStr

import cupl.io.yaml
from cupl.errors import InputError
from cupl.io.yaml import dump_yaml, read_yaml
from tests.strategies import texts


class Thing(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: StrictStr
    id: StrictStr | None = None
    number: int = 0
    parts: list[StrictStr] = []
    by_key: dict[StrictStr, list[StrictStr]] = {}


@pytest.fixture(params=["c", "python"])
def path(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file, read by libyaml and by PyYAML's own parser: their styles and marks differ."""
    if request.param == "python":
        ours = dict(vars(cupl.io.yaml._Loader))
        monkeypatch.setattr(cupl.io.yaml, "_Loader", type("Pure", (yaml.SafeLoader,), ours))
    return tmp_path / "thing.yaml"


def read(path: Path, content: str) -> Thing:
    path.write_bytes(content.encode())
    return read_yaml(path, Thing)


def complaint(path: Path, content: str) -> str:
    with pytest.raises(InputError) as caught:
        read(path, content)
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"{path}: ")


@pytest.mark.parametrize(
    ("content", "line", "spelled"),
    [
        ("name: x\nparts:\n- A cat #2 in the set.\n", 3, "'A cat #2 in the set.'"),
        ("name: x\nparts:\n- A cat.  # my comment\n", 3, "'A cat.  # my comment'"),
        ("name: x\nparts:\n- It's a cat #2.\n", 3, "'It''s a cat #2.'"),
        ("name: x\nparts: [A cat #2\n  , A dog]\n", 2, "'A cat #2'"),
        ("name: x\nparts: [A cat, #2 is a dog.\n  A dog]\n", 2, "'#2 is a dog.'"),
        ("name: C # major\n", 1, "'C # major'"),
        ("name: 🐸 ضفدع #2", 1, "'🐸 ضفدع #2'"),
        ("name: x\r\nparts:\r\n- A cat #2\r\n", 3, "'A cat #2'"),
        ("name: x\nparts:\n- A cat\n  seen #2\n- b\n", 4, "'A cat seen #2'"),
        ("name: x\nid: a #2\n", 2, "'a #2'"),
        ("name: x\nby_key:\n  q:\n  - a\n  - b #c", 5, "'b #c'"),
        ("name: x\nparts:\n- &B is a band\n", 3, "'&B is a band'"),
        ("name: x\nparts:\n- ! is a mark\n", 3, "'! is a mark'"),
        ("name: x\nparts:\n- !important\n", 3, ""),
    ],
)
def test_what_would_be_lost_is_named_with_line_and_quotes(
    path: Path, content: str, line: int, spelled: str
) -> None:
    said = complaint(path, content)
    assert said.startswith(f"line {line}: ")
    assert f"write {spelled} in quotes" in said or not spelled


def test_the_spelling_can_be_copied(path: Path) -> None:
    said = complaint(path, "name: x\nparts:\n- It's a cat #2.\n")
    spelled = said.partition("write ")[2].partition(" in quotes")[0]
    assert read(path, f"name: x\nparts:\n- {spelled}\n").parts == ["It's a cat #2."]
    assert "'quotes'" in complaint(path, f"name: {'x' * 600} #2\n")


@pytest.mark.parametrize(
    "content",
    [
        "# list\nname: x # y\n".replace(" # y", ""),
        "name: x\nparts: # the list\n  # of parts\n- 'a b' # quoted\n- \"a b\" # quoted\n- a b\n",
        "name: x\nparts: [a b, 'a b', a b] # done\n",
        "name: x\nnumber: 3 # a number\nparts:\n- a b\n- a b\n- a b\n",
        "name: x\nid: n1   # optional\nparts:\n- a b\n- a b\n- a b\n",
        "name: x\nparts:\n- |- # how\n  a b\n- >-\n  a\n  b\n-\n  a\n  b\n",
        "name: x\nparts:\n- a b\n# between\n- a b\n- a b\n...\n# after\n",
    ],
)
def test_comments_that_take_nothing_away(path: Path, content: str) -> None:
    thing = read(path, content)
    assert thing.name == "x"
    assert thing.parts in ([], ["a b"] * 3)


def test_signs_inside_texts_are_texts(path: Path) -> None:
    content = "name: a#b\nparts:\n- |-\n  A cat #2\n  # in\n- A & B!\n- '&B'\n- C#\n- 'it''s #1'\n"
    thing = read(path, content)
    assert thing.name == "a#b"
    assert thing.parts == ["A cat #2\n# in", "A & B!", "&B", "C#", "it's #1"]


@pytest.mark.parametrize("text", [*"*@`%|>{[", "? ", "- ", '"A" ', "'A' "])
def test_what_begins_with_a_sign_is_no_silent_loss(path: Path, text: str) -> None:
    assert "line " in complaint(path, f"name: x\nparts:\n- {text}frog is green\n")


@pytest.mark.parametrize(
    "more", ["---\nname: y\n", "...\nname: y\n", "...\n---\n- lost\n", "---\n", "- a\n  b: c\n"]
)
def test_nothing_after_a_document_is_passed_over(path: Path, more: str) -> None:
    assert "not valid YAML" in complaint(path, f"name: x\nparts: []\n{more}")


def test_a_key_that_was_cut_is_explained(path: Path) -> None:
    said = complaint(path, "name: x\nby_key:\n  What is frog #1?:\n  - a\n")
    assert "' #' begins a comment" in said


@pytest.mark.parametrize(
    "crowd", ["[" + "[]," * 400 + "]", "{" + "a: {}," * 400 + "}", "[" + "a," * 400 + "]"]
)
def test_a_crowd_is_refused_before_it_is_parsed(
    path: Path, monkeypatch: pytest.MonkeyPatch, crowd: str
) -> None:
    monkeypatch.setattr(cupl.io.yaml, "FREE_NODES", 100)
    monkeypatch.setattr(cupl.io.yaml._Loader, "get_single_node", None)
    assert "more lists, keys and texts" in complaint(path, f"name: x\nparts: {crowd}\n")


def test_nodes_are_counted_as_they_are_made(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cupl.io.yaml, "FREE_NODES", 100)
    short = "name: x\nparts:\n" + "- '  '\n" * 200
    assert "more lists, keys and texts" in complaint(path, short)
    prompts = "name: x\nparts:\n" + "- A small, green frog with wet skin.\n" * 400
    assert len(read(path, prompts).parts) == 400


hashes = st.tuples(texts, st.sampled_from([" #", "\t#", "#", " # ", "&", "!"]), texts).map("".join)


@given(name=hashes, parts=st.lists(hashes, max_size=3))
def test_what_is_written_with_signs_is_read(
    name: str, parts: list[str], tmp_path_factory: Any
) -> None:
    path = tmp_path_factory.getbasetemp() / "signs.yaml"
    thing = Thing(name=name, id=name, parts=parts, by_key={name: parts})
    path.write_bytes(dump_yaml(thing.model_dump(exclude_none=True)))
    assert read_yaml(path, Thing) == thing
