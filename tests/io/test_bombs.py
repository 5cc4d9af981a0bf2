"""Small files that stand for very much: each is counted before anything is made of it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from cupl.errors import InputError
from cupl.io import csv as tables
from cupl.io import json as bounded_json
from cupl.io import jsonl, text
from cupl.io.csv import is_blank, read_rows
from cupl.io.json import parse_json, read_json
from cupl.io.jsonl import load_line, numbered_lines
from cupl.io.text import read_text

BOMBS = ["[" + "[]," * 900 + "[]]", '{"a":[' + "{}," * 900 + "{}]}", "[" * 999, '{"a":' * 999]


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_json, "FREE_LISTS", 100)


@pytest.mark.parametrize("bomb", BOMBS)
def test_json_of_brackets_is_not_parsed(
    bomb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*args: object, **kwargs: object) -> None:
        pytest.fail("it was parsed")

    monkeypatch.setattr("json.loads", never)
    for content in (bomb, bomb.encode()):
        with pytest.raises(ValueError, match="almost nothing but brackets"):
            parse_json(content)
    with pytest.raises(ValueError, match="not JSON"):
        load_line(bomb.encode())
    (tmp_path / "b.json").write_text(bomb)
    with pytest.raises(InputError, match=r"b\.json: .*brackets"):
        read_json(tmp_path / "b.json")


def test_honest_json_passes() -> None:
    prompts = '["A small, green frog with wet skin."],' * 5000
    assert len(parse_json(f"[{prompts}[]]")) == 5001
    assert parse_json('{"a": 1, "a": 2}') == {"a": 2}
    with pytest.raises(ValueError, match="the class 'a' stands there 2 times"):
        parse_json('{"a": 1, "a": 2}', "class")
    with pytest.raises(ValueError, match="not valid JSON"):
        parse_json(b"\xff")


def test_line_breaks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "FREE_LINES", 100)
    monkeypatch.setattr(jsonl, "MAX_BLANK", 100)
    path = tmp_path / "x"
    path.write_bytes(b"\n" * 200)
    with pytest.raises(InputError, match="almost nothing but line breaks"):
        read_text(path)
    with pytest.raises(InputError, match="more than 100 empty lines"):
        list(numbered_lines(path))
    path.write_bytes(b"a tree frog\n" * 1000)
    assert len(read_text(path)) == 12_000
    path.write_bytes(b"{}\n\n" * 100)
    assert len(list(numbered_lines(path))) == 200


def rows(path: Path) -> list[tuple[str, dict[str, str | None]]]:
    return list(read_rows(path, lambda columns: True, ""))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: "a," * 2000 + "b\n1\n", "more than 1,000 columns"),
        (lambda: "a,b\n" + "," * 200_000, "not valid CSV .more than 100,000 separators"),
        (lambda: "a,b\n" + "x" * 200_000, "not valid CSV .field larger than field limit"),
    ],
)
def test_tables(tmp_path: Path, make: Callable[[], str], message: str) -> None:
    (tmp_path / "t.csv").write_text(make())
    with pytest.raises(InputError, match=message):
        rows(tmp_path / "t.csv")
    assert tables.MAX_COLUMNS == 1000


def test_a_blank_row() -> None:
    assert is_blank({"a": "", "b": " ", "c": None})
    assert not is_blank({"a": "", "b": "x"})
