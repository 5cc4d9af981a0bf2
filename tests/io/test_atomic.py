import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cupl.errors import InputError, MissingFileError
from cupl.io.atomic import (
    check_file,
    keep_old,
    name_beside,
    open_atomically,
    settle,
    staging,
    write_atomically,
    write_keeping_old,
)


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def test_a_file_appears_and_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "bank.yaml"
    write_atomically(path, b"one")
    write_atomically(path, b"two")
    assert path.read_bytes() == b"two"
    assert names_in(tmp_path) == ["bank.yaml"]


def test_a_failure_leaves_the_old_content_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.write_bytes(b"old")

    def fail() -> None:
        with open_atomically(path) as file:
            file.write(b"new")
            assert path.read_bytes() == b"old"
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert path.read_bytes() == b"old"
    assert names_in(tmp_path) == ["out.csv"]


def test_an_error_of_the_caller_is_not_called_a_write_error(tmp_path: Path) -> None:
    with (
        pytest.raises(MissingFileError, match="photo is gone"),
        open_atomically(tmp_path / "out.csv"),
    ):
        raise MissingFileError("photo is gone")


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="the folder .*nowhere does not exist"):
        write_atomically(tmp_path / "nowhere" / "bank.yaml", b"")


def test_a_folder_in_the_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "bank.yaml").mkdir()
    with pytest.raises(InputError, match=r"cannot write .*bank\.yaml"):
        write_atomically(tmp_path / "bank.yaml", b"")
    assert names_in(tmp_path) == ["bank.yaml"]


def test_rights_are_those_of_any_new_file_and_stay_as_they_were_set(tmp_path: Path) -> None:
    path, other = tmp_path / "bank.yaml", tmp_path / "other"
    other.touch()
    write_atomically(path, b"one")
    assert path.stat().st_mode == other.stat().st_mode
    path.chmod(0o600)
    write_atomically(path, b"two")
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    target, link = tmp_path / "target.yaml", tmp_path / "link.yaml"
    target.write_bytes(b"old")
    link.symlink_to(target)
    write_atomically(link, b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"


def test_a_device_is_written_and_not_replaced() -> None:
    write_atomically(Path(os.devnull), b"gone")
    assert Path(os.devnull).is_char_device()


def test_a_long_name_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("ß" * 120 + ".yaml")
    write_atomically(path, b"x")
    assert path.read_bytes() == b"x"


def test_an_edited_file_is_kept_under_a_free_name(tmp_path: Path) -> None:
    path = tmp_path / "bank.yaml"
    assert keep_old(path, b"new") is None
    path.write_bytes(b"same")
    assert keep_old(path, b"same") is None
    assert keep_old(path, b"new") == tmp_path / "bank.yaml.old"
    path.write_bytes(b"edited")
    assert keep_old(path, b"new") == tmp_path / "bank.yaml.old1"
    assert (tmp_path / "bank.yaml.old").read_bytes() == b"same"
    assert (tmp_path / "bank.yaml.old1").read_bytes() == b"edited"


def test_what_a_killed_run_has_kept_is_not_kept_twice(tmp_path: Path) -> None:
    path = tmp_path / "bank.yaml"
    path.write_bytes(b"edited")
    assert keep_old(path, b"new") == keep_old(path, b"new") == tmp_path / "bank.yaml.old"
    assert sorted(names_in(tmp_path)) == ["bank.yaml", "bank.yaml.old"]


@pytest.mark.parametrize("length", [251, 252, 255])
@pytest.mark.parametrize("letter", ["x", "ß"])
def test_what_has_a_long_name_is_kept_too(tmp_path: Path, length: int, letter: str) -> None:
    size = len(letter.encode())
    path = tmp_path / (letter * (length // size) + "y" * (length % size))
    for text in (b"one", b"two"):
        path.write_bytes(text)
        aside = keep_old(path, b"new")
        assert aside is not None
        assert aside.read_bytes() == text
    assert len(names_in(tmp_path)) == 3


def test_files_appear_at_the_end_and_whole(tmp_path: Path) -> None:
    target = tmp_path / "a.jsonl"
    with staging(target) as folder:
        (folder / "0").write_text("new")
        assert not target.exists()
        assert folder.parent == tmp_path  # a rename is possible only inside a file system
        assert settle([(folder / "0", target)]) == []
    assert target.read_text() == "new"
    assert list(tmp_path.iterdir()) == [target]


def test_old_files_are_kept_under_other_names(tmp_path: Path) -> None:
    target, stale = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    stale.write_text("stale")
    names = []
    for text in ("one", "two", "two", "three"):
        with staging(target) as folder:
            (folder / "0").write_text(text)
            kept = settle([(folder / "0", target)], stale=[stale] if stale.exists() else [])
            names.append([new.name for _, new in kept])
    assert names == [["b.jsonl.old"], ["a.jsonl.old"], [], ["a.jsonl.old1"]]
    assert (tmp_path / "a.jsonl.old").read_text() == "one"
    assert (tmp_path / "a.jsonl.old1").read_text() == "two"
    assert target.read_text() == "three"


def test_a_link_is_kept_and_what_it_points_to_untouched(tmp_path: Path) -> None:
    target, real = tmp_path / "a.jsonl", tmp_path / "real"
    real.write_text("real")
    target.symlink_to(real)
    with staging(target) as folder:
        (folder / "0").write_text("new")
        settle([(folder / "0", target)])
    assert (target.read_text(), real.read_text()) == ("new", "real")


def test_an_error_leaves_everything_as_it_was(tmp_path: Path) -> None:
    target = tmp_path / "a.jsonl"
    target.write_text("old")

    def fail(error: Exception) -> None:
        with staging(target) as folder:
            (folder / "0").write_text("half")
            raise error

    with pytest.raises(InputError, match="^it broke"):
        fail(InputError("it broke"))
    with pytest.raises(InputError, match="cannot write.*No space"):
        fail(OSError(28, os.strerror(28)))
    assert [path.name for path in tmp_path.iterdir()] == ["a.jsonl"]
    assert target.read_text() == "old"


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="does not exist"), staging(tmp_path / "no" / "a"):
        pass


@given(st.text(st.sampled_from("aü漢😀"), min_size=1, max_size=255))
def test_a_name_is_cut_between_letters(name: str) -> None:
    beside = name_beside(Path("folder") / name, ".part").name
    beside.encode()  # is still text
    assert len(os.fsencode(beside)) <= 255
    assert name.startswith(beside.removesuffix(".part"))


@pytest.mark.parametrize("letter", ["ü", "漢", "😀", "n"])
@pytest.mark.parametrize("size", range(251, 256))
def test_a_long_name_in_any_script(tmp_path: Path, letter: str, size: int) -> None:
    name = letter * (size // len(letter.encode()))
    target = tmp_path / (name + "n" * (size - len(name.encode())))
    check_file(target)
    write_atomically(target, b"new")
    assert write_keeping_old(target, b"other") is not None
    assert target.read_bytes() == b"other"
    assert all(os.fsencode(path.name).decode() for path in tmp_path.iterdir())
