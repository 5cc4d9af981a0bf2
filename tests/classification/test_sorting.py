"""Photos sorted by predictions that a test writes down, and taken back."""

import csv
import errno
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from cupl.classification import sorting
from cupl.classification.prediction import Prediction, Score
from cupl.classification.sort_journal import JOURNAL_NAME, How
from cupl.classification.sort_undo import undo_sort
from cupl.classification.sorting import outside, sort_images
from cupl.errors import CuplError, InputError
from cupl.io.locks import sole_writer
from cupl.io.placing import copy_new

EVERY_HOW = pytest.mark.parametrize("how", ["copy", "link", "move"])


def predicted(path: Path, label: str, id_: str | None = None, **more: Any) -> Prediction:
    return Prediction((Score(label, id_, 0.25, 0.75),), str(path), **more)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file that can be read through any name, but list and journal."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in (JOURNAL_NAME, "sorted.csv")
    }


@pytest.fixture
def photos(tmp_path: Path) -> dict[str, Path]:
    """Six photos, two of which are called the same but for the case."""
    found = {}
    for name in ("a/1.jpg", "a/2.jpg", "b/1.jpg", "b/3.jpg", "c/1.JPG", "c/caf\udce9.jpg"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(f"photo {name}".encode("utf-8", "surrogateescape"))
        found[name] = path
    return found


LABELS = {"a/1.jpg": "cat", "a/2.jpg": "dog", "b/1.jpg": "cat", "b/3.jpg": "cat",
          "c/1.JPG": "cat", "c/caf\udce9.jpg": "dog"}  # fmt: skip


def all_of(photos: Mapping[str, Path], labels: Mapping[str, str] = LABELS) -> Sequence[Prediction]:
    return [predicted(path, labels[name]) for name, path in photos.items() if path.exists()]


@EVERY_HOW
def test_sorted_and_taken_back(tmp_path: Path, photos: dict[str, Path], how: How) -> None:
    before, out = contents(tmp_path / "photos"), tmp_path / "out"
    report = sort_images(all_of(photos), out, how)
    assert (report.placed, report.there, report.errors) == (6, 0, [])
    assert report.counts == {"cat": 4, "dog": 2}
    assert sorted(contents(out)) == ["cat/1 (2).jpg", "cat/1 (3).JPG", "cat/1.jpg", "cat/3.jpg",
                                     "dog/2.jpg", "dog/caf\udce9.jpg"]  # fmt: skip
    assert sorted(contents(out).values()) == sorted(before.values())
    assert contents(tmp_path / "photos") == ({} if how == "move" else before)
    with (out / "sorted.csv").open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["to"] for row in rows][:2] == ["cat/1.jpg", "dog/2.jpg"]
    assert rows[0]["path"] == str(photos["a/1.jpg"])
    assert (rows[0]["label"], rows[0]["probability"]) == ("cat", "0.75")
    assert {row["done"] for row in rows} == {{"copy": "copied", "link": "linked"}.get(how, "moved")}
    undone = undo_sort(out)
    assert (undone.left, undone.lost) == ([], [])
    assert contents(tmp_path / "photos") == before
    assert not out.exists()
    with pytest.raises(CuplError, match="has not sorted into it"):
        undo_sort(out)


@EVERY_HOW
def test_a_second_run_doubles_nothing(tmp_path: Path, photos: dict[str, Path], how: How) -> None:
    out = tmp_path / "out"
    sort_images(all_of(photos), out, how)
    names = sorted(contents(out))
    again = sort_images(all_of(photos), out, how)
    assert again.placed == 0
    assert again.there == (0 if how == "move" else 6)
    more = tmp_path / "photos" / "a" / "new.jpg"
    more.write_bytes(b"new")
    report = sort_images([*all_of(photos), predicted(more, "cat")], out, how)
    assert report.placed == 1
    assert sorted(contents(out)) == sorted([*names, "cat/new.jpg"])


def test_another_label_leaves_a_photo_where_it_is(tmp_path: Path, photos: dict[str, Path]) -> None:
    out = tmp_path / "out"
    sort_images(all_of(photos), out)
    report = sort_images(all_of(photos, dict.fromkeys(LABELS, "dog")), out)
    assert (report.placed, report.there, report.elsewhere) == (0, 6, 4)


def test_what_has_no_label_and_what_cannot_be_read(tmp_path: Path, photos: dict[str, Path]) -> None:
    one, two, three, four, *_ = photos.values()
    report = sort_images(
        [
            predicted(one, "cat", rejected="below the threshold 0.8: cat"),
            predicted(two, "cat", rejected="none of these: wall"),
            predicted(three, "unsure"),
            Prediction(path=str(four), error="not an image"),
        ],
        tmp_path / "out",
    )
    assert report.counts == {"unsure": 1, "none of these": 1, "unsure (2)": 1}
    assert report.errors == [(str(four), "not an image")]
    assert "left" in (tmp_path / "out" / "sorted.csv").read_text()
    assert four.exists()


@EVERY_HOW
def test_what_others_put_there_is_never_lost(
    tmp_path: Path, photos: dict[str, Path], how: How
) -> None:
    out = tmp_path / "out"
    (out / "cat").mkdir(parents=True)
    (out / "cat" / "1.jpg").write_bytes(b"mine")
    (out / "sorted.csv").write_bytes(b"my list")
    report = sort_images(all_of(photos), out, how)
    assert (out / "cat" / "1.jpg").read_bytes() == b"mine"
    assert report.aside == out / "sorted.csv.old"
    assert (out / "sorted.csv.old").read_bytes() == b"my list"
    undo_sort(out)
    assert contents(out) == {"cat/1.jpg": b"mine", "sorted.csv.old": b"my list"}


def test_undo_leaves_what_was_changed(tmp_path: Path, photos: dict[str, Path]) -> None:
    out = tmp_path / "out"
    sort_images(all_of(photos), out)
    (out / "cat" / "3.jpg").write_bytes(b"edited")
    (out / "cat" / "added.txt").write_bytes(b"note")
    photos["a/2.jpg"].unlink()  # its copy is the only one now
    (out / "sorted.csv").write_bytes(b"my notes")
    report = undo_sort(out)
    assert report.removed == 4
    assert sorted(contents(out)) == ["cat/3.jpg", "cat/added.txt", "dog/2.jpg", "sorted.csv.old"]
    assert [why.split(":")[0] for _, why in report.left] == [
        "it was changed since", "it is the only one"
    ]  # fmt: skip
    assert (out / "sorted.csv.old").read_bytes() == b"my notes"
    shutil.copy(out / "dog" / "2.jpg", photos["a/2.jpg"])
    assert undo_sort(out).removed == 1


def test_undo_of_moves(tmp_path: Path, photos: dict[str, Path]) -> None:
    out = tmp_path / "out"
    sort_images(all_of(photos), out, "move")
    (out / "cat" / "3.jpg").write_bytes(b"edited")
    (out / "dog" / "2.jpg").unlink()
    photos["a/1.jpg"].write_bytes(b"another")
    shutil.rmtree(tmp_path / "photos" / "c")
    report = undo_sort(out)
    assert report.lost == [str(photos["a/2.jpg"])]
    assert [path for path, _ in report.left] == [str(out / "cat" / "1.jpg")]
    assert photos["a/1.jpg"].read_bytes() == b"another"
    assert photos["b/3.jpg"].read_bytes() == b"edited"
    assert photos["c/1.JPG"].read_bytes() == b"photo c/1.JPG"
    assert sorted(contents(out)) == ["cat/1.jpg"]


def test_undo_finds_what_was_moved_by_hand(tmp_path: Path, photos: dict[str, Path]) -> None:
    before, out = contents(tmp_path / "photos"), tmp_path / "out"
    sort_images(all_of(photos), out, "move")
    (out / "cat" / "3.jpg").rename(out / "dog" / "better name.jpg")
    (out / "mine" / "deep").mkdir(parents=True)
    (out / "dog" / "2.jpg").rename(out / "mine" / "deep" / "2.jpg")
    (out / "mine" / "another.jpg").write_bytes(b"of no one")
    first, second = out / "cat" / "1.jpg", out / "cat" / "1 (2).jpg"
    first.rename(out / "x")  # each under the name of the other
    second.rename(first)
    (out / "x").rename(second)
    report = undo_sort(out)
    assert (report.left, report.lost, report.restored) == ([], [], 6)
    assert contents(tmp_path / "photos") == before
    assert contents(out) == {"mine/another.jpg": b"of no one"}
    assert not (out / JOURNAL_NAME).exists()


def test_a_journal_that_was_cut_is_not_all_there_was(
    tmp_path: Path, photos: dict[str, Path]
) -> None:
    out = tmp_path / "sorted"
    sort_images(all_of(photos), out, "move")
    journal = out / JOURNAL_NAME
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:3]))  # two of the photos
    listed = (out / "sorted.csv").read_bytes()
    report = undo_sort(out)
    assert report.restored == 2
    assert len(report.left) == len(photos) - 2
    for path, why in report.left:
        assert Path(path).is_file()
        assert "has lost it; it was " in why
    assert (out / "sorted.csv").read_bytes() == listed  # it alone knows the others


def test_undo_keeps_the_record_of_what_is_not_back(tmp_path: Path, photos: dict[str, Path]) -> None:
    before, out = contents(tmp_path / "photos"), tmp_path / "out"
    sort_images(all_of(photos), out, "move")
    (out / "dog" / "2.jpg").rename(tmp_path / "2.jpg")
    more = tmp_path / "photos" / "new.jpg"
    more.write_bytes(b"new")
    sort_images([predicted(more, "cat")], out, "move")  # forgets nothing either
    more_before = {**before, "new.jpg": b"new"}
    for _ in range(2):
        report = undo_sort(out)
        assert (report.left, report.lost) == ([], [str(photos["a/2.jpg"])])
        assert str(photos["a/2.jpg"]) in (out / "sorted.csv").read_text()
    assert len((out / "sorted.csv").read_text().splitlines()) == 2
    (tmp_path / "2.jpg").rename(out / "found.jpg")
    report = undo_sort(out)
    assert (report.restored, report.left, report.lost) == (1, [], [])
    assert contents(tmp_path / "photos") == more_before
    assert not out.exists()


def test_a_folder_of_results_among_the_photos(tmp_path: Path, photos: dict[str, Path]) -> None:
    out = tmp_path / "photos" / "sorted"
    sort_images(all_of(photos), out)
    inside = [predicted(path, "dog") for path in sorted(out.rglob("*.jpg"))]
    report = sort_images([*all_of(photos), *inside], out)
    assert (report.placed, report.there) == (0, 6)
    assert outside([str(one.path) for one in inside], out) == []
    (tmp_path / "way").symlink_to(out)
    assert outside([str(tmp_path / "way" / "cat" / "1.jpg"), "out.jpg"], out) == ["out.jpg"]


@EVERY_HOW
def test_links_to_photos(tmp_path: Path, photos: dict[str, Path], how: How) -> None:
    link = tmp_path / "photos" / "link.jpg"
    link.symlink_to("a/1.jpg")
    report = sort_images([predicted(link, "cat")], tmp_path / "out", how)
    assert link.is_symlink()
    if how == "move":
        assert "it is a link" in report.errors[0][1]
        assert not (tmp_path / "out" / "cat").exists() or not contents(tmp_path / "out")
    else:
        assert (tmp_path / "out" / "cat" / "link.jpg").read_bytes() == b"photo a/1.jpg"


def test_links_are_relative(tmp_path: Path, photos: dict[str, Path]) -> None:
    sort_images(all_of(photos), tmp_path / "out", "link")
    assert (tmp_path / "out" / "cat" / "3.jpg").readlink() == Path("../../photos/b/3.jpg")


def test_a_photo_that_is_gone_stops_nothing(tmp_path: Path, photos: dict[str, Path]) -> None:
    predictions = all_of(photos)
    photos["a/1.jpg"].unlink()
    for how in ("copy", "move"):
        report = sort_images(predictions, tmp_path / how, how)
        assert report.errors[0][0] == str(photos["a/1.jpg"])
    assert len(contents(tmp_path / "copy")) == len(contents(tmp_path / "move")) == 5


def test_a_disk_that_is_full_halfway(
    tmp_path: Path, photos: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    before, out, copy = contents(tmp_path / "photos"), tmp_path / "out", copy_new
    done: list[Path] = []

    def full(source: Path, target: Path, *more: Any) -> str:
        if len(done) == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))
        done.append(source)
        return copy(source, target, *more)

    monkeypatch.setattr(sorting, "copy_new", full)
    with pytest.raises(InputError, match="3 of 6 photos are done: the same again goes on"):
        sort_images(all_of(photos), out)
    monkeypatch.undo()
    assert len(contents(out)) == 3
    assert sort_images(all_of(photos), out).placed == 3
    undo_sort(out)
    assert contents(tmp_path / "photos") == before
    assert not out.exists()


def test_two_at_once(tmp_path: Path, photos: dict[str, Path]) -> None:
    out = tmp_path / "out"
    with sole_writer(out), pytest.raises(InputError, match="another run is writing"):
        sort_images(all_of(photos), out)
    sort_images(all_of(photos), out)
    with sole_writer(out), pytest.raises(InputError, match="another run is writing"):
        undo_sort(out)


def test_what_would_be_done(tmp_path: Path, photos: dict[str, Path]) -> None:
    (tmp_path / "photos" / "a" / "1.xmp").touch()
    (tmp_path / "photos" / "a" / "1.jpg.xmp").touch()
    (tmp_path / "photos" / "b" / "3.MOV").touch()
    (tmp_path / "photos" / "b" / "other.xmp").touch()
    report = sort_images(all_of(photos), tmp_path / "out", dry_run=True)
    assert report.counts == {"cat": 4, "dog": 2}
    assert report.beside == {".xmp": 2, ".mov": 1}
    assert not (tmp_path / "out").exists()


def test_nothing_to_sort_makes_no_folder(tmp_path: Path) -> None:
    report = sort_images([Prediction(path="x.jpg", error="gone")], tmp_path / "out")
    assert report.errors == [("x.jpg", "gone")]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "line",
    [
        b"[]\n", b"{}\n", b'{"format": "cupl-sorted/2"}\n', b"no json\n",
        b'{"format": "cupl-sorted/1"}\n{"path": "/x"}\n',
        b'{"format": "cupl-sorted/1"}\n{"path": "/x", "to": "../../etc/x", "how": "copy", "sha256":'
        b' "", "link": null, "label": "a", "id": null, "score": 0, "probability": 0}\n',
        b'{"format": "cupl-sorted/1"}\n{"path": "x", "to": "a/x", "how": "move", "sha256":'
        b' "", "link": null, "label": "a", "id": null, "score": 0, "probability": 0}\n',
    ],
)  # fmt: skip
def test_a_journal_that_somebody_else_wrote(
    tmp_path: Path, photos: dict[str, Path], line: bytes
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / JOURNAL_NAME).write_bytes(line)
    for act in (lambda: undo_sort(out), lambda: sort_images(all_of(photos), out)):
        with pytest.raises(InputError, match="line"):
            act()
    assert (out / JOURNAL_NAME).read_bytes() == line


def test_a_line_that_was_half_written(tmp_path: Path, photos: dict[str, Path]) -> None:
    out = tmp_path / "out"
    sort_images(all_of(photos), out)
    with (out / JOURNAL_NAME).open("ab") as file:
        file.write(b'{"path": "/ha')
    assert sort_images(all_of(photos), out).there == 6
    assert undo_sort(out).removed == 6
