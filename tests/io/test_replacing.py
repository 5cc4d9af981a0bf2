import warnings
from pathlib import Path

import pytest

from cupl.io.file_kinds import BANK
from cupl.io.replacing import of_kind, open_replacing, write_with_warning

OURS = b"format: cupl-bank/1\nname: mine\n"


def write(path: Path, data: bytes) -> None:
    with open_replacing(path, of_kind(BANK)) as file:
        file.write(data)


@pytest.mark.parametrize("old", [None, b"", OURS])
def test_what_is_ours_or_empty_is_replaced(tmp_path: Path, old: bytes | None) -> None:
    path = tmp_path / "bank.yaml"
    if old is not None:
        path.write_bytes(old)
    with warnings.catch_warnings(action="error"):
        write(path, b"new")
    assert {one.name: one.read_bytes() for one in tmp_path.iterdir()} == {"bank.yaml": b"new"}


@pytest.mark.parametrize("old", [b"\xff\xd8\xff a photo", b"path,label\n1.jpg,cat\n", b"notes"])
def test_all_else_is_kept_and_that_is_said(tmp_path: Path, old: bytes) -> None:
    path = tmp_path / "bank.yaml"
    path.write_bytes(old)
    with pytest.warns(UserWarning, match=r"held something else: kept as .*bank\.yaml\.old$"):
        write(path, OURS)
    assert path.read_bytes() == OURS
    assert (tmp_path / "bank.yaml.old").read_bytes() == old


def test_nothing_is_moved_where_writing_fails(tmp_path: Path) -> None:
    path = tmp_path / "bank.yaml"
    path.write_bytes(b"notes")
    with pytest.raises(ZeroDivisionError), open_replacing(path, of_kind(BANK)):
        raise ZeroDivisionError
    assert [one.name for one in tmp_path.iterdir()] == ["bank.yaml"]
    assert path.read_bytes() == b"notes"


def test_other_content_is_kept_with_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "bank.yaml"
    with warnings.catch_warnings(action="error"):
        write_with_warning(path, b"one")
        write_with_warning(path, b"one")
    with pytest.warns(UserWarning, match="kept as"):
        write_with_warning(path, b"two")
    assert (tmp_path / "bank.yaml.old").read_bytes() == b"one"
