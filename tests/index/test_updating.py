"""An index after any history of its folders is the one that is made of them anew."""

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from cupl.errors import InputError, MissingFileError
from cupl.index.photo_index import PhotoIndex
from cupl.index.rows import COLUMNS, VECTOR, rows_of, rows_table, vector_matrix
from tests.index.photo_files import ColourEncoder, content_of, opened, put

NAMES = st.sampled_from(
    [f"{folder}{name}.ppm" for folder in ("", "a/", "a/b/", "c/") for name in ("x", "y", "z")]
)
CONTENTS = st.integers(0, 5)
New = Callable[[], PhotoIndex]


def fresh(photos: Path, place: Path) -> PhotoIndex:
    shutil.rmtree(place, ignore_errors=True)
    return opened(place).add(photos, image_cache=False)


class Library(RuleBasedStateMachine):
    """Files come, change, move and go; `update(prune=True)` follows."""

    folder: Path

    @initialize()
    def begin(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.photos, self.clock = self.folder / "photos", 1_000_000.0
        put(self.photos / "kept.ppm", 99, at=1)
        self.encoder = ColourEncoder()
        self.index = opened(self.folder / "i.lance", self.encoder)
        self.index.add(self.photos, image_cache=False)
        self.contents: set[bytes] = set()
        self.settled = True

    def files(self) -> list[Path]:
        return sorted(path for path in self.photos.rglob("*.ppm") if path.name != "kept.ppm")

    @rule(name=NAMES, number=CONTENTS)
    def write(self, name: str, number: int) -> None:
        self.clock += 1
        put(self.photos / name, number, at=self.clock)
        self.settled = False

    @precondition(lambda self: self.files())
    @rule(data=st.data(), name=NAMES)
    def move(self, data: st.DataObject, name: str) -> None:
        source = data.draw(st.sampled_from(self.files()))
        target = self.photos / name
        target.parent.mkdir(parents=True, exist_ok=True)
        source.replace(target)
        self.settled = False

    @precondition(lambda self: (self.photos / "a").is_dir())
    @rule()
    def move_folder(self) -> None:
        target = self.photos / "d"
        shutil.rmtree(target, ignore_errors=True)
        (self.photos / "a").rename(target)
        self.settled = False

    @precondition(lambda self: self.files())
    @rule(data=st.data())
    def touch(self, data: st.DataObject) -> None:
        self.clock += 1
        path = data.draw(st.sampled_from(self.files()))
        os.utime(path, (self.clock, self.clock))
        self.settled = False

    @precondition(lambda self: self.files())
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        path = data.draw(st.sampled_from(self.files()))
        path.unlink()
        while not any(path.parent.iterdir()):  # an empty folder may be the place of a drive
            path = path.parent
            path.rmdir()
        self.settled = False

    @rule()
    def add_again(self) -> None:
        self.index.add(self.photos, image_cache=False)

    @rule()
    def update(self) -> None:
        before = content_of(self.index)
        known = {row[0] for row in before.values()}
        encoded = self.encoder.encoded
        would = self.index.update(prune=True, dry_run=True)
        assert content_of(self.index) == before
        done = self.index.update(prune=True, image_cache=False)
        assert vars(would) == vars(done)
        new = {row[0] for row in content_of(self.index).values()} - known
        # A content that was overwritten in the same run may be made anew.
        assert self.encoder.encoded - encoded == len(new)
        self.settled = True

    @invariant()
    def is_as_if_made_anew(self) -> None:
        if self.settled and hasattr(self, "photos"):
            made = fresh(self.photos, self.folder / "fresh.lance")
            assert content_of(self.index) == content_of(made)
            again = self.index.update(prune=True, dry_run=True)
            assert (again.written, again.removed, again.failed) == (0, 0, 0)


def test_any_history(tmp_path: Path) -> None:
    class Here(Library):
        folder = tmp_path / "w"

    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=8, stateful_step_count=12, deadline=None, derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip


def plant(photos: Path, source: Random) -> dict[str, int]:
    """10,000 photos, of which some are copies."""
    made: dict[str, int] = {}
    for number in range(10_000):
        name = f"{number % 40:02}/{number:05}.ppm"
        made[name] = source.randrange(number) if number and number % 20 == 0 else number
        put(photos / name, made[name], at=1000 + number)
    return made


def test_ten_thousand_files_twice(tmp_path: Path) -> None:
    source, photos, encoder = Random(0), tmp_path / "photos", ColourEncoder()  # noqa: S311
    planted = plant(photos, source)
    index = opened(tmp_path / "i.lance", encoder).add(photos, image_cache=False)
    assert index.changes.added == len(index) == 10_000
    assert encoder.encoded == len(set(planted.values()))
    for turn in (1, 2):
        names = sorted(str(path.relative_to(photos)) for path in photos.rglob("*.ppm"))
        source.shuffle(names)
        gone, changed, moved, copied, touched = (names[i * 300 : (i + 1) * 300] for i in range(5))
        for name in gone:
            (photos / name).unlink()
        for number, name in enumerate(changed):
            put(photos / name, 1_000_000 * turn + number, at=10**6 * turn + number)
        for name in moved:
            target = photos / f"moved{turn}" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            (photos / name).rename(target)
        for name in copied:
            target = photos / f"copied{turn}" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(photos / name, target)
        for name in touched:
            os.utime(photos / name, (5 * turn, 5 * turn))
        before = encoder.encoded
        changes = index.update(prune=True, image_cache=False)
        # A new copy of a photo that was deleted elsewhere has moved, as far as anyone can tell.
        as_moved = changes.moved - 300
        assert 0 <= as_moved < 20
        assert (changes.changed, changes.failed, changes.gone) == (300, 0, 0)
        assert (changes.added, changes.removed) == (300 - as_moved, 300 - as_moved)
        assert encoder.encoded - before == 300
        made = fresh(photos, tmp_path / "fresh.lance")
        assert content_of(index) == content_of(made)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for number in range(6):
        put(tmp_path / "photos" / f"{number}.ppm", number, at=1000 + number)
    return tmp_path / "photos"


@pytest.fixture
def new(tmp_path: Path) -> New:
    return lambda: opened(tmp_path / "i.lance")


def test_nothing_is_removed_without_being_asked(photos: Path, new: New) -> None:
    index = new().add(photos)
    (photos / "0.ppm").unlink()
    changes = index.update()
    assert (changes.gone, changes.removed, len(index)) == (1, 0, 6)
    assert index.update(prune=True).removed == 1
    assert len(index) == 5


def test_a_drive_that_is_not_there_takes_nothing_along(
    photos: Path, tmp_path: Path, new: New
) -> None:
    index = new().add(photos)
    put(tmp_path / "more" / "7.ppm", 7)
    index.add(tmp_path / "more")
    photos.rename(tmp_path / "away")
    for state in ("missing", "empty"):
        with pytest.raises(InputError, match="as if a drive was not there: nothing was changed"):
            index.update(prune=True)
        assert index.update().absent == [str(photos)], state
        assert len(index) == 7
        photos.mkdir(exist_ok=True)
    assert index.update(tmp_path / "more", prune=True).removed == 0
    photos.rmdir()
    # Its photos elsewhere are copies, not moved ones.
    assert index.add(tmp_path / "away").changes.added == 6
    assert len(index) == 13
    (tmp_path / "away").rename(photos)
    assert index.update(photos, prune=True).removed == 0


def test_a_linked_folder_that_leads_nowhere_takes_nothing_along(
    photos: Path, tmp_path: Path, new: New
) -> None:
    put(tmp_path / "drive" / "deep" / "8.ppm", 8)
    (tmp_path / "drive" / "read.me").touch()
    (photos / "drive").symlink_to(tmp_path / "drive")
    index = new().add(photos)
    assert len(index) == 7
    (tmp_path / "drive").rename(tmp_path / "lost")
    assert index.update(prune=True).removed == 0
    (tmp_path / "lost").rename(tmp_path / "drive")
    shutil.rmtree(tmp_path / "drive" / "deep")
    assert index.update(prune=True).removed == 1


def test_an_empty_folder_within_takes_nothing_along(photos: Path, tmp_path: Path, new: New) -> None:
    stick = photos / "Stick"
    for number in range(8, 11):
        put(stick / "deep" / f"{number}.ppm", number)
    index = new().add(photos)
    stick.rename(tmp_path / "drive")
    put(stick / ".DS_Store", 1)
    for prune, dry_run in ((True, True), (False, False), (True, False)):
        changes = index.update(prune=prune, dry_run=dry_run)
        assert (changes.removed, changes.gone) == (0, 0)
        assert changes.empty == {str(stick): 3}
    # What has moved out of it is not missing.
    (tmp_path / "drive" / "deep" / "8.ppm").rename(photos / "8.ppm")
    would = index.update(prune=True, dry_run=True)
    done = index.update(prune=True)
    assert vars(would) == vars(done)
    assert (done.moved, done.empty) == (1, {str(stick): 2})
    shutil.rmtree(stick)
    assert index.update(prune=True).removed == 2


def test_only_some_folders(photos: Path, new: New) -> None:
    put(photos / "in" / "8.ppm", 8)
    index = new().add(photos)
    (photos / "0.ppm").unlink()
    (photos / "in" / "8.ppm").unlink()
    put(photos / "in" / "9.ppm", 9)
    put(photos / "later" / "1.ppm", 10)
    changes = index.update(photos / "in", prune=True)
    assert (changes.added, changes.removed, changes.gone) == (1, 1, 0)
    assert index.update([photos / "later"]).added == 1
    with pytest.raises(MissingFileError, match="there is no such folder: .*nosuch; and"):
        index.update(photos / "nosuch", prune=True)
    (photos.parent / "other").mkdir()
    with pytest.raises(InputError, match="the index has no photo in .*: cupl index add puts"):
        index.update(photos.parent / "other")


def test_files_that_were_named_themselves(photos: Path, tmp_path: Path, new: New) -> None:
    index = new().add([photos / "0.ppm", photos / "1.ppm"])
    put(photos / "0.ppm", 50)
    (photos / "1.ppm").unlink()
    changes = index.update(prune=True)
    assert (changes.added, changes.changed, changes.removed) == (0, 1, 1)


def test_moved_photos_keep_their_tags_and_changed_ones_lose_them(photos: Path, new: New) -> None:
    index = new().add(photos)
    (table,) = index.store.scan([*COLUMNS, VECTOR])
    rows = [
        replace(row, tags=(row.path[-5],), label="l", probability=0.5) for row in rows_of(table)
    ]
    index.store.add(rows_table(rows, vector_matrix(table), "float16"))
    (photos / "0.ppm").rename(photos / "new.ppm")
    shutil.copy(photos / "1.ppm", photos / "copy.ppm")
    os.utime(photos / "2.ppm", (7, 7))
    put(photos / "3.ppm", 77)
    index.update(prune=True)
    found = {row.path.rsplit("/", 1)[1]: row.tags
             for part in index.store.scan(COLUMNS) for row in rows_of(part)}  # fmt: skip
    assert found == {
        "new.ppm": ("0",), "1.ppm": ("1",), "copy.ppm": ("1",), "2.ppm": ("2",), "3.ppm": (),
        "4.ppm": ("4",), "5.ppm": ("5",),
    }  # fmt: skip
