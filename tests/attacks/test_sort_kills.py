"""SIGKILL at moments spread over all that sorting and taking back change on disk.

At each of them every photo is there at least once; then taking back restores all, and going on
sorts the rest.
"""

import os
import signal
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from cupl.classification.sort_journal import JOURNAL_NAME
from tests.attacks.disks import small_disk
from tests.processes import Limits, run

MOMENTS = 7
"""Of each way, three of which are 21; times ``--attacks``."""
SORT = ("sort", "photos", "--vectors", "v.safetensors", "--encoder", "model", "--embedding-cache",
        "none")  # fmt: skip
WAYS = pytest.mark.parametrize("way", ["--copy", "--link", "--move"])


def photos(folder: Path) -> Counter[bytes]:
    """The contents of all photos, however they are called."""
    return Counter(
        path.read_bytes() for path in folder.rglob("*") if path.is_file() and is_photo(path)
    )


def is_photo(path: Path) -> bool:
    return path.suffix == ".png"


def tree(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def killed(
    words: Sequence[object], work: Path, scratch: Path, kill: int, moments: int, changes: int
) -> None:
    at = 1 + changes * kill // (moments + 1)
    done = run(words, scratch, Limits(watched=work, at=at))
    assert done.code == -signal.SIGKILL, done.err


def attack(work: Path, out: Path, scratch: Path, way: str, moments: int) -> None:
    before, every = tree(work / "photos"), set(photos(work / "photos"))
    words, undo = [*SORT, way, "-o", out], ["sort", "--undo", out]
    done = run(words, scratch, Limits(watched=out.parent))
    assert done.code == 0, done.err
    sorted_tree = {path for path in tree(out) if path.endswith(".png")}
    undone = run(undo, scratch, Limits(watched=work))
    assert undone.code == 0, undone.err
    assert tree(work / "photos") == before
    for kill in range(1, moments + 1):
        killed(words, out.parent, scratch, kill, moments, done.changes)
        assert set(photos(work)) == every
        if kill % 2:
            again = run(words, scratch)
            # After a move of the last one there is no image any more.
            assert again.code == 0 or "holds no image" in again.err, again.err
            assert {path for path in tree(out) if path.endswith(".png")} == sorted_tree
            killed(undo, work, scratch, kill, moments, undone.changes)
            assert set(photos(work)) == every
        if (out / JOURNAL_NAME).exists():
            assert run(undo, scratch).code == 0
        assert tree(work / "photos") == before
        assert not out.exists() or tree(out) == {}


@WAYS
def test_killed_while_sorting(work: Path, tmp_path: Path, times: int, way: str) -> None:
    attack(work, work / "out", tmp_path / "scratch", way, MOMENTS * times)


def test_killed_while_moving_to_another_disk(work: Path, tmp_path: Path, times: int) -> None:
    if os.geteuid():
        pytest.skip("only root can mount")
    (work / "place").mkdir()
    with small_disk(work / "place", 2**20):
        attack(work, work / "place" / "out", tmp_path / "scratch", "--move", MOMENTS * times)
