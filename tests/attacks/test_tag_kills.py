"""SIGKILL, full disks and read-only ones, at moments spread over what tagging changes on disk.

Whatever happens a photo has its old or its new content; the same command again ends in the same
state as one that nothing happened to, and taking the tags away in the state before.
"""

import shutil
import signal
from pathlib import Path

import pytest

from tests.attacks.disks import free, small_disk
from tests.processes import Limits, run

MOMENTS = 3
"""Of each way; times ``--attacks``, so that 7 are 21."""
TAG = ("tag", "photos", "--vectors", "v.safetensors", "--encoder", "model", "--embedding-cache",
       "none", "--top", "1")  # fmt: skip
UNTAG = ("tag", "photos", "--untag")
PLACES = pytest.mark.parametrize("place", ["xmp", "exif"])


def tree(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "filler"
    }


def moment(changes: int, kill: int, moments: int) -> int:
    return 1 + changes * kill // (moments + 1)


@PLACES
def test_killed(work: Path, tmp_path: Path, times: int, place: str) -> None:
    photos, scratch, words = work / "photos", tmp_path / "scratch", [*TAG, "--write", place]
    before = tree(photos)
    done = run(words, scratch, Limits(watched=photos))
    assert done.code == 0, done.err
    after = tree(photos)
    assert len(after) == 2 * len(before)
    undone = run(UNTAG, scratch, Limits(watched=photos))
    assert undone.code == 0, undone.err
    assert tree(photos) == before
    for kill in range(1, MOMENTS * times + 1):
        at = moment(done.changes, kill, MOMENTS * times)
        assert run(words, scratch, Limits(watched=photos, at=at)).code == -signal.SIGKILL
        whole(photos, before, after)
        if kill % 2:
            again = run(words, scratch)
            assert again.code == 0, again.err
            assert tree(photos) == after
            at = moment(undone.changes, kill, MOMENTS * times)
            assert run(UNTAG, scratch, Limits(watched=photos, at=at)).code == -signal.SIGKILL
            whole(photos, before, after)
        assert run(UNTAG, scratch).code == 0
        assert tree(photos) == before


def whole(photos: Path, before: dict[str, bytes], after: dict[str, bytes]) -> None:
    """Every photo is there, old or new; so is whatever else has a name that people look at."""
    left = tree(photos)
    for name, content in before.items():
        assert left[name] in (content, after[name])
    for name, content in left.items():
        assert ".cupl-unfinished-" in name or content in (before.get(name), after[name])


@PLACES
def test_a_full_disk(work: Path, tmp_path: Path, place: str) -> None:
    scratch, words = tmp_path / "scratch", [*TAG, "--write", place]
    shutil.move(work / "photos", work / "all")
    (work / "photos").mkdir()
    with small_disk(work / "photos", 2**19):
        shutil.copytree(work / "all", work / "photos", dirs_exist_ok=True)
        before = tree(work / "photos")
        with (work / "photos" / "more-filler").open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                pass
        full = run(words, scratch)
        (work / "photos" / "more-filler").unlink()
        assert full.code == 3
        assert "space" in full.err
        assert tree(work / "photos") == before
        free(work / "photos")
        assert run(words, scratch).code == 0
        assert run(UNTAG, scratch).code == 0
        assert tree(work / "photos") == before
