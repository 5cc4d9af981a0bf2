from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cupl.io import jsonl
from cupl.io.jsonl import load_line, numbered_lines


@given(st.lists(st.binary(max_size=30).map(lambda data: data.replace(b"\n", b"")), max_size=8))
def test_lines_and_numbers(tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]) -> None:
    path = tmp_path_factory.mktemp("lines") / "x.jsonl"
    path.write_bytes(b"\n".join(lines))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jsonl, "MAX_LINE", 10)
        found = list(numbered_lines(path))
    expected = lines if lines and lines[-1] else lines[:-1]
    assert [number for number, _ in found] == list(range(1, len(expected) + 1))
    for (_, line), whole in zip(found, expected, strict=True):
        assert line.removesuffix(b"\n") == whole[:11]


def test_a_json_object_or_an_error() -> None:
    assert load_line(b'{"a": [1]}\r\n') == {"a": [1]}
    for line in (b"", b"{", b'"a"', b"null", b"\xff", b'{"a":' * 50_000, b"1" * 9000):
        with pytest.raises(ValueError, match="not"):
            load_line(line)


def test_a_line_that_is_too_long() -> None:
    with pytest.raises(ValueError, match="longer than 8 MB"):
        load_line(b" " * (jsonl.MAX_LINE + 1))


def test_a_file_is_not_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b"a\n" + b"x" * (3 * jsonl.MAX_LINE) + b"\nb")
    sizes = [(number, len(line)) for number, line in numbered_lines(path)]
    assert sizes == [(1, 2), (2, jsonl.MAX_LINE + 1), (3, 1)]
