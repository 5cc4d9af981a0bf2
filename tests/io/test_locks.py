"""What killed runs leave is removed by the next; what a living run writes is not."""

import os
import re
from pathlib import Path

import pytest

from cupl.io.atomic import open_atomically, staging, write_atomically
from cupl.io.locks import held, remove_dead

pytestmark = pytest.mark.skipif(os.name == "nt", reason="locks of POSIX")


@pytest.mark.parametrize("name", ["a.csv", "b" * 255, "c-\udcff.yaml", "\u00df" * 127, "[d].+*"])
def test_the_file_of_a_dead_run_goes_and_that_of_a_living_one_stays(
    tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    with open_atomically(path) as file:
        (living,) = tmp_path.iterdir()
        dead = living.with_name(".cupl-unfinished-01234567")  # that of another name, too
        dead.write_bytes(b"half")
        file.write(b"living")
        write_atomically(path, b"second")
        assert {path, living} == set(tmp_path.iterdir())
    assert path.read_bytes() == b"living"
    assert [path] == list(tmp_path.iterdir())


def test_the_folder_of_a_dead_run_goes_and_that_of_a_living_one_stays(tmp_path: Path) -> None:
    with staging(tmp_path / "a.jsonl") as living:
        (living / "0").write_bytes(b"living")
        dead = tmp_path / ".cupl-unfinished-dead_0ne"
        (dead / "figures").mkdir(parents=True)
        (dead / "figures" / "0").write_bytes(b"half")
        with staging(tmp_path / "b.jsonl"):
            assert not dead.exists()
        assert (living / "0").read_bytes() == b"living"
    assert list(tmp_path.iterdir()) == []


def test_names_of_others_are_left_alone(tmp_path: Path) -> None:
    others = [
        ".a.csv",
        ".a.csv.swp",
        ".cupl-unfinished-0123ABCD",
        ".cupl-unfinished-012345678",
        ".cupl-settings",
    ]
    for name in others:
        (tmp_path / name).touch()
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "photo.jpg").touch()
    (tmp_path / ".cupl-unfinished-aaaaaaaa").symlink_to(tmp_path / "real")
    os.mkfifo(tmp_path / ".cupl-unfinished-bbbbbbbb")
    with staging(tmp_path / "a.csv"):
        write_atomically(tmp_path / "a.csv", b"")
    left = {path.name for path in tmp_path.iterdir()}
    kept = {".cupl-unfinished-aaaaaaaa", ".cupl-unfinished-bbbbbbbb"}
    assert left == {*others, *kept, "a.csv", "real"}
    assert (tmp_path / "real" / "photo.jpg").exists()


def test_nothing_is_removed_where_locks_do_not_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(95, os.strerror(95))

    monkeypatch.setattr("fcntl.flock", refuse)
    (tmp_path / ".cupl-unfinished-01234567").touch()
    write_atomically(tmp_path / "a", b"")
    assert {path.name for path in tmp_path.iterdir()} == {".cupl-unfinished-01234567", "a"}


def test_what_is_removed_before_it_is_locked_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another run comes between the making and the locking."""
    came = 0

    def come_between(path: Path) -> object:
        nonlocal came
        came += 1
        if came == 1:
            remove_dead(tmp_path, re.compile(r"\.cupl-unfinished-.{8}"))
        return held(path)

    monkeypatch.setattr("cupl.io.atomic.held", come_between)
    write_atomically(tmp_path / "a", b"whole")
    assert came == 2
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_bytes() == b"whole"
