"""``cupl index``: what it says, and how it ends."""

import json
import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import Cupl
from tests.models import draw, save_clip


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with five photos, and the place to work in."""
    (tmp_path / "photos").mkdir()
    for number in range(5):
        draw(40, 30, number).save(tmp_path / "photos" / f"{number}.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_library_from_its_first_photo_to_its_last(cupl: Cupl, clip: Path, work: Path) -> None:
    added = cupl("index", "add", "photos", "--index", "i.lance", "--encoder", clip)
    assert (added.code, added.out) == (0, "")
    assert "i.lance: 5 photos added; 5 photos in all\n" in added.err
    assert 'next: cupl search "WHAT IS TO BE SEEN" --index i.lance\n' in added.err
    again = cupl("index", "add", "photos", "--index", "i.lance")
    assert "i.lance: nothing new; 5 photos in all" in again.err

    (work / "photos" / "0.png").rename(work / "photos" / "new.png")
    (work / "photos" / "1.png").unlink()
    draw(40, 30, 9).save(work / "photos" / "2.png")
    would = cupl("index", "update", "--index", "i.lance", "--prune", "--dry-run")
    said = "i.lance: 1 photo changed, 1 moved, 1 removed, 2 unchanged"
    assert f"{said} (nothing was done)\n" in would.err
    kept = cupl("index", "update", "--index", "i.lance")
    assert "no longer in their folders, and still in the index: 1 photo\n" in kept.err
    assert "next: cupl index update --prune --index i.lance\n" in kept.err
    pruned = cupl("index", "update", "photos", "--prune", "--index", "i.lance")
    assert "i.lance: 1 photo removed, 4 unchanged\n" in pruned.err

    removed = cupl("index", "remove", "photos/new.png", "--index", "i.lance")
    assert "i.lance: 1 photo removed, 3 left; no file was touched\n" in removed.err
    assert (work / "photos" / "new.png").exists()
    assert "i.lance: 3 photos, " in cupl("index", "compact", "--index", "i.lance").err
    shown = cupl("index", "info", "--index", "i.lance").out
    assert "photos        3\n" in shown
    assert "16 numbers of float16" in shown
    info = json.loads(cupl("index", "info", "--json", "--index", "i.lance").out)
    assert (info["photos"], info["format"], info["tagged"]) == (3, "cupl-index/1", 0)


def test_what_cannot_be_read_is_named(cupl: Cupl, clip: Path, work: Path) -> None:
    (work / "photos" / "bad.png").write_bytes(b"no photo")
    for command in (["add", "photos", "--encoder", clip], ["update"]):
        done = cupl("index", *command, "--index", "i.lance")
        assert done.code == 3
        assert "1 image of 6 could not be read:\n" in done.err
        assert "the same command tries them again" in done.err


def test_vectors_that_embed_wrote(cupl: Cupl, clip: Path, work: Path) -> None:
    assert cupl("embed", "photos", "-o", "v", "--encoder", clip).code == 0
    added = cupl("index", "add", "v", "--index", "i.lance")
    assert "i.lance: 5 photos added; 5 photos in all\n" in added.err
    both = cupl("index", "add", "v", "photos", "--index", "i.lance")
    assert both.code == 1
    assert "name it alone" in both.err


def test_a_drive_that_is_not_there(cupl: Cupl, clip: Path, work: Path) -> None:
    cupl("index", "add", "photos", "--index", "i.lance", "--encoder", clip)
    shutil.rmtree(work / "photos")
    kept = cupl("index", "update", "--index", "i.lance")
    assert kept.code == 3
    assert "as if its drive was not there: what the index has of it was left" in kept.err
    pruned = cupl("index", "update", "--prune", "--index", "i.lance")
    assert pruned.code == 1
    assert "nothing was changed; name the folders to update" in pruned.err


def test_an_empty_folder_in_that_of_the_photos(cupl: Cupl, clip: Path, work: Path) -> None:
    stick = work / "photos" / "my stick"
    stick.mkdir()
    photo = next((work / "photos").glob("*.*"))
    photo.rename(stick / photo.name)
    cupl("index", "add", "photos", "--index", "i.lance", "--encoder", clip)
    (stick / photo.name).unlink()
    pruned = cupl("index", "update", "--prune", "--index", "i.lance")
    assert pruned.code == 3
    assert "my stick is empty, as the place of a drive that is not there: its 1 photo stays" in (
        pruned.err
    )
    assert f"next: cupl index remove '{stick}' --index i.lance\n" in pruned.err


def test_an_encoder_that_cannot_be_had_for_an_index_of_another(
    cupl: Cupl, clip: Path, work: Path
) -> None:
    cupl("index", "add", "photos", "--index", "i.lance", "--encoder", clip)
    other = cupl("index", "add", "photos", "--index", "i.lance", "--encoder", "./none")
    assert other.code == 1
    assert f"i.lance was made by {clip}, and not ./none: " in other.err


def test_wrong_words(cupl: Cupl, clip: Path, work: Path) -> None:
    missing = cupl("index", "info", "--index", "none.lance")
    assert missing.code == 1
    assert "error: none.lance: there is no such index" in missing.err
    cupl("index", "add", "photos", "--index", "photos/i.lance", "--encoder", clip)
    classified = cupl("classify", "photos/i.lance", "-c", "cat", "--encoder", clip)
    assert "photos/i.lance is an index of photos, as cupl index add makes, not images" in (
        classified.err
    )
    revised = cupl("index", "add", "photos", "--index", "photos/i.lance", "--revision", "x")
    assert revised.code == 2
    assert "--revision goes with --encoder" in revised.err
    nothing = cupl("index", "remove", "--index", "photos/i.lance")
    assert nothing.code == 1
    assert "say which photos to remove: files, folders, or a condition (--where)" in nothing.err


@pytest.mark.parametrize(
    "words",
    [
        ("search", "x"), ("similar", "--to", "x.jpg"), ("duplicates",), ("index", "info"),
        ("index", "update"), ("index", "compact"), ("index", "remove", "x"), ("tag", "--untag"),
        ("tag", "-c", "cat", "-c", "dog", "--top", "1"),
    ],
)  # fmt: skip
def test_the_way_to_an_index_that_is_not_there(
    cupl: Cupl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = cupl(*words, "--index", "none.lance")
    assert outcome.code == 1
    assert outcome.err == ("error: none.lance: there is no such index; cupl index add makes one\n")
