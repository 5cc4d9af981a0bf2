import os
from pathlib import Path

import pytest

from cupl.errors import InputError, MissingFileError
from cupl.staging import settle, staging


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
