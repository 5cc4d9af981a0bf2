"""Another program that changes what is kept of a run while it is written, or between runs."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from cupl.classification.resumable import classify_to_file
from cupl.errors import InputError
from tests.classification.runs import classifier_of, stop_at


def cut(partial: Path) -> None:
    data = partial.read_bytes()
    os.truncate(partial, len(data) * 2 // 3)


def cut_to_nothing(partial: Path) -> None:
    os.truncate(partial, 0)


def append(partial: Path) -> None:
    with partial.open("ab") as file:
        file.write(b"something else\n")


def append_a_row(partial: Path) -> None:
    last = partial.read_bytes().splitlines(keepends=True)[-1]
    with partial.open("ab") as file:
        file.write(last)


CHANGES = [cut, cut_to_nothing, append, append_a_row]


@pytest.mark.parametrize("format", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("at", [1, 5, 10])
@pytest.mark.parametrize("change", CHANGES)
def test_during_the_run(
    tmp_path: Path,
    photos: list[Path],
    expected: dict[str, bytes],
    format: str,
    at: int,
    change: Callable[[Path], None],
) -> None:
    target, partial = tmp_path / "out", tmp_path / "out.part"

    def progress(done: int, total: int) -> None:
        if done == at:
            change(partial)

    with pytest.raises(InputError, match="another program has changed .*out.part") as caught:
        classify_to_file(classifier_of(), photos, target, format, 2, progress=progress)
    assert caught.value.arguments == {"resume": True}
    assert not target.exists()
    classify_to_file(classifier_of(), photos, target, format, 2, resume=True)
    assert target.read_bytes() == expected[format]


def test_a_row_in_the_place_of_another(tmp_path: Path, photos: list[Path]) -> None:
    target, partial = tmp_path / "out", tmp_path / "out.part"

    def progress(done: int, total: int) -> None:
        if done == total:
            lines = partial.read_bytes().splitlines(keepends=True)
            lines[1], lines[2] = lines[2], lines[1]
            partial.write_bytes(b"".join(lines))

    with pytest.raises(InputError, match="another program .*; delete it to begin again"):
        classify_to_file(classifier_of(), photos, target, "csv", 2, progress=progress)
    assert not target.exists()


@pytest.mark.parametrize("change", [cut, append, append_a_row])
def test_between_runs(
    tmp_path: Path,
    photos: list[Path],
    expected: dict[str, bytes],
    change: Callable[[Path], None],
) -> None:
    target = tmp_path / "out"
    partial = stop_at(6, photos, target)
    change(partial)
    if change is append_a_row:
        with pytest.raises(InputError, match="is of another list of images"):
            classify_to_file(classifier_of(), photos, target, "csv", 2, resume=True)
        assert not target.exists()
    else:
        classify_to_file(classifier_of(), photos, target, "csv", 2, resume=True)
        assert target.read_bytes() == expected["csv"]


def test_what_took_its_place_is_not_removed(
    tmp_path: Path, photos: list[Path], expected: dict[str, bytes]
) -> None:
    target, partial = tmp_path / "out", tmp_path / "out.part"

    def progress(done: int, total: int) -> None:
        if done == 5:
            partial.unlink()
            partial.write_text(json.dumps("mine"))

    classify_to_file(classifier_of(), photos, target, "csv", 2, progress=progress)
    assert target.read_bytes() == expected["csv"]
    assert partial.read_text() == '"mine"'
