"""SIGKILL at moments spread over what a run writes, and programs that write at the same time.

The moments are told by the files of the index, which Lance writes with threads of its own.
"""

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cupl.index import adding
from tests.index.photo_files import ColourEncoder, content_of, opened, put
from tests.processes import forked

MOMENTS = {"add": 20, "update": 7, "compact": 3}


def add(place: Path, photos: Path) -> None:
    with in_small_steps():
        opened(place).add(photos, image_cache=False)


def update(place: Path, photos: Path) -> None:
    with in_small_steps():
        opened(place).update(prune=True, image_cache=False)


@contextmanager
def in_small_steps() -> Iterator[None]:
    """In this process or another one, and only so long."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(adding, "WRITTEN_AT_ONCE", 8)
        yield


def compact(place: Path, photos: Path) -> None:
    opened(place).compact()


def in_index(place: Path) -> int:
    return sum(len(files) for _, _, files in os.walk(place))


def killed(process: Any, place: Path, at: int) -> bool:
    """Whether it was killed before its end: once there are so many files."""
    process.start()
    while process.is_alive() and in_index(place) < at:
        process.join(0.001)
    if process.is_alive():
        os.kill(process.pid, signal.SIGKILL)
    process.join()
    return bool(process.exitcode)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for number in range(80):
        put(tmp_path / "photos" / f"{number:02}.ppm", number % 70, at=1000 + number)
    return tmp_path / "photos"


def change(photos: Path) -> None:
    for number in range(20):
        (photos / f"{number:02}.ppm").rename(photos / f"moved{number:02}.ppm")
    for number in range(20, 40):
        put(photos / f"{number:02}.ppm", 1000 + number, at=5000 + number)
    for number in range(40, 50):
        (photos / f"{number:02}.ppm").unlink()


def fresh(photos: Path, place: Path) -> dict[str, tuple[object, ...]]:
    return content_of(opened(place).add(photos, image_cache=False))


def attack(work: Callable[[Path, Path], None], before: Path, photos: Path, tmp_path: Path) -> None:
    wanted = fresh(photos, tmp_path / "fresh.lance")
    whole = tmp_path / "whole.lance"
    if before.exists():
        shutil.copytree(before, whole)
    begin = in_index(whole)
    process = forked(work, (whole, photos))
    process.start()
    process.join()
    assert process.exitcode == 0
    assert content_of(opened(whole)) == wanted or work is compact
    end, kills, moments = in_index(whole), 0, MOMENTS[work.__name__]
    for moment in range(moments):
        place = tmp_path / f"{moment}.lance"
        if before.exists():
            shutil.copytree(before, place)
        at = begin + 1 + (end - begin) * moment // moments
        kills += killed(forked(work, (place, photos)), place, at)
        work(place, photos)
        assert content_of(opened(place)) == content_of(opened(whole)), moment
        shutil.rmtree(place)
    assert kills > moments // 2


def test_killed_while_adding(photos: Path, tmp_path: Path) -> None:
    attack(add, tmp_path / "nothing", photos, tmp_path)


def test_killed_while_updating(photos: Path, tmp_path: Path) -> None:
    add(tmp_path / "i.lance", photos)
    change(photos)
    attack(update, tmp_path / "i.lance", photos, tmp_path)


def test_killed_while_compacting(photos: Path, tmp_path: Path) -> None:
    add(tmp_path / "i.lance", photos)
    attack(compact, tmp_path / "i.lance", photos, tmp_path)


def compact_and_prune(place: Path, photos: Path) -> None:
    for _ in range(5):
        opened(place).compact()
        opened(place).update(prune=True, image_cache=False)


def test_programs_that_write_at_once_lose_nothing(photos: Path, tmp_path: Path) -> None:
    place = tmp_path / "i.lance"
    for number in range(80):
        put(tmp_path / "more" / f"{number:02}.ppm", number + 40, at=2000 + number)
    put(tmp_path / "first" / "0.ppm", 200, at=1)
    opened(place).add(tmp_path / "first")
    folders = [photos, tmp_path / "more", photos, tmp_path]
    works = [add, add, add, compact_and_prune]
    running = [forked(work, (place, one)) for work, one in zip(works, folders, strict=True)]
    for process in running:
        process.start()
    for process in running:
        process.join()
    assert [process.exitcode for process in running] == [0, 0, 0, 0]
    wanted = opened(tmp_path / "fresh.lance", ColourEncoder())
    for folder in (tmp_path / "first", photos, tmp_path / "more"):
        wanted.add(folder, image_cache=False)
    index = opened(place)
    assert len(index) == 161
    assert content_of(index) == content_of(wanted)
