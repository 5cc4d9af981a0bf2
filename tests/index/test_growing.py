"""A large index gets its approximate index without anyone's doing."""

from pathlib import Path

import pytest

from cupl.index import lance, store
from tests.index.photo_files import opened, put


def write(photos: Path, numbers: range) -> None:
    for number in numbers:
        put(photos / f"{number}.ppm", number, at=1000 + number)


def test_it_is_compacted_where_a_fifth_is_in_no_approximate_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (store, lance):
        monkeypatch.setattr(module, "APPROXIMATE_FROM", 300)
    photos, told = tmp_path / "photos", list[int]()

    def before() -> None:
        told.append(len(index))

    write(photos, range(290))
    index = opened(tmp_path / "i.lance")
    index.add(photos, image_cache=False, before_compact=before)
    assert (told, index.info().ann) == ([], None)
    write(photos, range(290, 310))
    index.update(image_cache=False, before_compact=before, dry_run=True)
    assert told == []
    index.update(image_cache=False, before_compact=before)
    info = index.info()
    assert (told, info.ann is None, info.unindexed) == ([310], False, 0)
    write(photos, range(310, 350))
    index.add(photos, image_cache=False, before_compact=before)
    assert (told, index.info().unindexed) == ([310], 40)
    write(photos, range(350, 400))
    index.add(photos, image_cache=False, before_compact=before)
    assert (told, index.info().unindexed) == ([310, 400], 0)
    index.add(photos, image_cache=False, before_compact=before)
    assert len(told) == 2


def test_a_build_that_was_stopped_is_done_by_the_same_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (store, lance):
        monkeypatch.setattr(module, "APPROXIMATE_FROM", 300)
    write(tmp_path / "photos", range(310))
    index = opened(tmp_path / "i.lance")

    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        index.add(tmp_path / "photos", image_cache=False, before_compact=stop)
    assert (len(index), index.info().ann) == (310, None)
    index.add(tmp_path / "photos", image_cache=False)
    assert index.info().ann is not None
