"""Damaged indexes, full disks and disks that cannot be written: a sentence, and nothing lost."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from cupl.errors import CuplError, InputError, MissingFileError
from cupl.index.photo_index import PhotoIndex
from tests.attacks.disks import fill, free, small_disk
from tests.index.photo_files import content_of, opened, put
from tests.processes import forked, read_only

WORKS: list[Callable[[PhotoIndex], object]] = [
    lambda index: index.info(), content_of, lambda index: index.search(vector=[1, 2, 3, 4], k=3),
    lambda index: index.update(prune=True, image_cache=False), lambda index: index.compact(),
]  # fmt: skip
DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "cut": lambda data: data[: len(data) // 2],
    "cleared": lambda data: data[: len(data) // 3] + bytes(len(data) // 3) + data[-20:],
    "flipped": lambda data: data[:-9] + bytes([data[-9] ^ 4]) + data[-8:],
}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for number in range(30):
        put(tmp_path / "photos" / f"{number}.ppm", number, at=1000 + number)
    return tmp_path / "photos"


def sentence(work: Callable[[], object]) -> str | None:
    """What is said where it does not work."""
    try:
        work()
    except CuplError as error:
        return str(error)
    return None


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_index_is_said_in_a_sentence(photos: Path, tmp_path: Path, damage: str) -> None:
    good = tmp_path / "good.lance"
    index = opened(good).add(photos, image_cache=False)
    (photos / "3.ppm").unlink()
    index.update(prune=True, image_cache=False)
    said: list[str | None] = []
    kinds = {path.suffix: path for path in good.rglob("*") if path.is_file()}
    for path in kinds.values():
        place = tmp_path / "bad.lance"
        shutil.copytree(good, place)
        broken = place / path.relative_to(good)
        broken.write_bytes(DAMAGE[damage](broken.read_bytes()))
        for work in WORKS:
            said.append(sentence(lambda work=work, place=place: work(opened(place))))  # type: ignore[misc]
        shutil.rmtree(place)
    sentences = {one for one in said if one is not None}
    assert all("damaged, or of another version" in one and len(one) < 400 for one in sentences)
    assert sentences or damage == "flipped"


def test_a_full_disk(photos: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    with small_disk(disk, 2**18):
        index = opened(disk / "i.lance").add(photos, image_cache=False)
        before = content_of(index)
        fill(disk, 0)
        put(photos / "new.ppm", 99)
        with pytest.raises(InputError, match="No space left on device; free space on its disk"):
            opened(disk / "i.lance").add(photos, image_cache=False)
        assert content_of(opened(disk / "i.lance")) == before
        with pytest.raises(InputError, match="space"):
            opened(disk / "other.lance")
        free(disk)
        assert opened(disk / "i.lance").add(photos, image_cache=False).changes.added == 1
        assert len(opened(disk / "other.lance")) == 0


def on_a_disk_that_cannot_be_written(place: Path, photos: Path) -> None:
    read_only(place)
    index = opened(place)
    assert len(index) == index.info().photos == 30
    assert len(index.search(vector=[1, 2, 3, 4], k=3)) == 3
    for work in (lambda: index.add(photos), lambda: index.remove(photos)):
        with pytest.raises(InputError, match="cannot be used: Read-only file system"):
            work()
    assert len(index) == 30


def test_a_disk_that_cannot_be_written(photos: Path, tmp_path: Path) -> None:
    opened(tmp_path / "i.lance").add(photos, image_cache=False)
    put(photos / "new.ppm", 99)
    process = forked(on_a_disk_that_cannot_be_written, (tmp_path / "i.lance", photos))
    process.start()
    process.join()
    assert process.exitcode == 0


def test_an_index_that_is_deleted_while_it_is_open(photos: Path, tmp_path: Path) -> None:
    index = opened(tmp_path / "x.lance").add(photos, image_cache=False)
    (tmp_path / "x.lance").rename(tmp_path / "y.lance")
    with pytest.raises(MissingFileError, match=r"x\.lance: the index is not there any more"):
        index.search(vector=[1, 2, 3, 4], k=3)
