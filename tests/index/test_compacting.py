"""What ``compact`` deletes, and those who read meanwhile."""

from pathlib import Path

import pytest

from cupl.errors import InputError
from cupl.index.lance import LanceStore
from tests.index.photo_files import content_of, opened, put
from tests.processes import forked

ROUNDS = 4


def photos_in(folder: Path, number: int) -> Path:
    for one in range(number):
        put(folder / f"{one:02}.ppm", one, at=1000 + one)
    return folder


def add_and_compact(place: Path, photos: Path) -> None:
    index = opened(place)
    for number in range(ROUNDS):
        put(photos / f"more{number}.ppm", 100 + number, at=3000 + number)
        index.add(photos, image_cache=False)
        index.compact()


def test_old_versions_go(tmp_path: Path) -> None:
    index = opened(tmp_path / "i.lance").add(photos_in(tmp_path / "photos", 40))
    for number in range(5):
        put(tmp_path / "photos" / f"more{number}.ppm", 100 + number, at=3000)
        index.add(tmp_path / "photos", image_cache=False)
    content = content_of(index)
    index.compact()
    data = [file for file in (tmp_path / "i.lance").rglob("data/*") if file.is_file()]
    versions = [
        file for file in (tmp_path / "i.lance").rglob("_versions/*.manifest") if file.is_file()
    ]
    assert (len(data), len(versions)) == (1, 1)
    assert content_of(opened(tmp_path / "i.lance")) == content


@pytest.mark.parametrize("queries", [1, 6])
def test_searches_go_on_while_another_compacts(tmp_path: Path, queries: int) -> None:
    place, photos = tmp_path / "i.lance", photos_in(tmp_path / "photos", 40)
    index = opened(place).add(photos, image_cache=False)
    store = index.store
    assert isinstance(store, LanceStore)
    wanted = next(store.scan(["vector"])).column("vector").combine_chunks().flatten().to_numpy()
    wanted = wanted.reshape(-1, store.metadata.dim)[:queries].astype("float32")
    process = forked(add_and_compact, (place, photos))
    process.start()
    counts = []
    while process.is_alive():
        counts.append(len(store.search(wanted, 100)[-1]))
        assert store.count() >= 40
    process.join()
    assert process.exitcode == 0
    assert counts == sorted(counts)
    assert len(store.search(wanted, 100)[-1]) == 40 + ROUNDS


def test_a_read_that_cannot_go_on_asks_to_be_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "i.lance"
    index = opened(place).add(photos_in(tmp_path / "photos", 40), image_cache=False)
    monkeypatch.setattr("cupl.index.lance._SCANNED", 4)
    reading = index.store.scan(["id"])
    next(reading)
    put(tmp_path / "photos" / "more.ppm", 99, at=3000)
    opened(place).add(tmp_path / "photos", image_cache=False)
    with pytest.raises(InputError, match="compacted by another program .* run the same again"):
        reading.throw(OSError("LanceError(IO): Object at location data/1.lance not found"))  # type: ignore[attr-defined]
