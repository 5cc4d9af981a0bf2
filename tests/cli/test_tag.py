"""``cupl tag`` with a CLIP of random weights: what it says, what it writes, what it refuses."""

import csv
import json
from pathlib import Path

import pyarrow as pa
import pytest

from cupl.index.keywords import read_keywords
from cupl.index.photo_index import PhotoIndex
from cupl.index.rows import COLUMNS, rows_of, vector_matrix
from tests.cli.conftest import Cupl
from tests.models import draw, save_clip

CLASSES = ("-c", "cat", "-c", "dog", "--encoder", "model", "--embedding-cache", "none")


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    save_clip(tmp_path / "model")
    for number in range(10):
        for folder in ("photos", f"examples/{'cat' if number % 2 else 'dog'}"):
            path = tmp_path / folder / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            if folder != "photos" or number < 4:
                draw(40, 30, seed=number).save(path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def files(folder: str = "photos") -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def test_tables(world: Path, cupl: Cupl) -> None:
    shown = cupl("tag", "photos", *CLASSES, "--top", 1)
    assert shown.code == 0
    assert shown.out.count("photos/") == 4
    written = cupl("tag", "photos", *CLASSES, "--top", 2, "-o", "tags.csv")
    assert "wrote tags.csv: 4 photos" in written.err
    assert written.out == ""
    with Path("tags.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["path"] for row in rows] == [f"photos/{number}.png" for number in range(4)]
    assert all(sorted(row["labels"].split("|")) == ["cat", "dog"] for row in rows)
    assert cupl("tag", "photos", *CLASSES, "--top", 2, "-o", "tags.jsonl").code == 0
    lines = [json.loads(line) for line in Path("tags.jsonl").read_text("utf-8").splitlines()]
    assert all(len(line["labels"]) == 2 and line["labels"][0]["score"] for line in lines)
    assert cupl("tag", "photos", *CLASSES, "--top", 2, "-o", "tags.parquet").code == 0


def test_thresholds_of_examples_and_of_their_file_are_the_same(world: Path, cupl: Cupl) -> None:
    words = ("--examples", "examples", "--keep", 0.8, "--fitted", "t.csv", "-o", "one.csv")
    fitted = cupl("tag", "photos", *CLASSES, *words)
    assert fitted.code == 0, fitted.err
    assert "thresholds of 2 classes fitted on 10 examples: about 0.8" in fitted.err
    assert cupl("tag", "photos", *CLASSES, "--class-thresholds", "t.csv", "-o", "two.csv").code == 0
    assert Path("one.csv").read_bytes() == Path("two.csv").read_bytes()


@pytest.mark.parametrize("place", ["xmp", "exif"])
def test_keywords_come_and_go(world: Path, cupl: Cupl, place: str) -> None:
    before = files()
    words = ("tag", "photos", *CLASSES, "--top", 1, "--write", place)
    dry = cupl(*words, "--dry-run")
    assert dry.code == 0
    assert "nothing was written" in dry.err
    assert files() == before
    written = cupl(*words)
    assert written.code == 0, written.err
    assert "keywords written into" in written.err
    assert "next: cupl tag photos --untag" in written.err
    tags = {path: read_keywords(path).ours for path in Path("photos").glob("*.png")}
    assert all(one in {("cat",), ("dog",)} for one in tags.values())
    there = files()
    assert len(there) == 8
    again = cupl(*words)
    assert "0 photos; as they were: 4" in again.err
    assert files() == there
    assert "would be taken from 4 photos of 4" in cupl("tag", "photos", "--untag", "--dry-run").err
    taken = cupl("tag", "photos", "--untag")
    assert taken.code == 0
    assert "were taken from 4 photos of 4" in taken.err
    assert files() == before


def test_what_cannot_be_written_is_told_and_the_rest_is_done(world: Path, cupl: Cupl) -> None:
    draw(40, 30).save("photos/a.gif")
    Path("photos/b.png").write_bytes(b"no photo")
    outcome = cupl("tag", "photos", *CLASSES, "--top", 1, "--write", "exif")
    assert outcome.code == 3
    assert "1 image of 6 could not be read" in outcome.err
    assert "photos/a.gif: keywords are not written into GIF" in outcome.err
    assert "keywords written into the files of 4 photos" in outcome.err
    Path("photos/b.png").write_bytes(b"\x89PNG\r\n\x1a\ncut off")
    taken = cupl("tag", "photos", "--untag")
    assert taken.code == 3
    assert "keywords and captions were taken from 4 photos of 6, 4 of them as before" in taken.err
    assert "photos/b.png: its metadata cannot be read" in taken.err  # PNG may hide it


def test_an_index(world: Path, cupl: Cupl) -> None:
    before = files()
    assert cupl("index", "add", "photos", "--index", "l.lance", "--encoder", "model").code == 0
    words = ("tag", "--index", "l.lance", *CLASSES, "--top", 1)
    assert cupl(*words, "--dry-run").out.count(".png") == 4
    tagged = cupl(*words, "--write", "xmp", "-o", "tags.csv")
    assert tagged.code == 0, tagged.err
    assert "wrote the tags into l.lance" in tagged.err
    assert len(files()) == 8
    taken = cupl("tag", "--index", "l.lance", "--untag")
    assert taken.code == 0, taken.err
    assert "l.lance: the tags of 4 photos were taken out of the index" in taken.err
    assert files() == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("photos", *CLASSES), "--examples, --class-thresholds, --reject, --top 1"),
        ((*CLASSES,), "name the images"),
        (("photos", "--index", "x", *CLASSES), "name the images to tag, or"),
        (("photos",), "name the classes in one way"),
        (("photos", *CLASSES, "--keep", "0.5"), "are for thresholds that are fitted"),
        (("photos", *CLASSES, "--examples", "e", "--class-thresholds", "t"), "leave out"),
        (("photos", *CLASSES, "--examples", "e", "--fitted", "t.txt"), "name it .csv"),
        (("photos", *CLASSES, "-o", "x.txt"), "does not say what to write"),
        (("photos", *CLASSES, "--untag"), "--untag takes images or --index, and nothing else"),
        (("--untag",), "--untag takes images"),
        (("photos", *CLASSES, "--top", "1", "-o", "photos/0.png"), "does not say"),
        (("--index", "none.lance", *CLASSES, "--top", "1"), "there is no such index"),
        (("photos", *CLASSES, "--class-thresholds", "none.csv"), "none.csv"),
    ],
)
def test_refused_before_anything_is_done(
    world: Path, cupl: Cupl, words: tuple[str, ...], message: str
) -> None:
    before = files()
    outcome = cupl("tag", *words)
    assert outcome.code in (1, 2)
    assert message in " ".join(outcome.err.split())
    assert files() == before
    assert not Path("none.lance").exists()


def rows_of_index() -> dict[str, tuple[str, tuple[str, ...], bytes]]:
    table = pa.concat_tables(PhotoIndex.open("l.lance").store.scan([*COLUMNS, "vector"]))
    vectors = vector_matrix(table)
    return {
        Path(row.path).name: (row.sha256, row.tags, vector.tobytes())
        for row, vector in zip(rows_of(table), vectors, strict=True)
    }


def indexed(cupl: Cupl) -> tuple[str | int, ...]:
    Path("photos/link.png").symlink_to("0.png")
    assert cupl("index", "add", "photos", "--index", "l.lance", "--encoder", "model").code == 0
    return ("tag", "--index", "l.lance", *CLASSES, "--top", 1)


def test_what_is_written_into_photos_is_no_change_to_their_index(world: Path, cupl: Cupl) -> None:
    words = indexed(cupl)
    assert cupl(*words).code == 0
    before = rows_of_index()
    edited = Path("photos/3.png")
    draw(40, 30, seed=99).save(edited)  # after the index was updated: it is to be read again
    assert cupl(*words, "--write", "exif").code == 0
    updated = cupl("index", "update", "--index", "l.lance")
    assert "1 photo changed" in updated.err, updated.err
    after = rows_of_index()
    assert {name for name in after if after[name][1:] != before[name][1:]} == {"3.png"}
    assert cupl(*words).code == 0
    assert cupl("tag", "--index", "l.lance", "--untag").code == 0
    assert {name: row[0] for name, row in rows_of_index().items() if name != "3.png"} == {
        name: row[0] for name, row in before.items() if name != "3.png"
    }
    assert "nothing has changed" in cupl("index", "update", "--index", "l.lance").err


def test_untag_looks_at_all_photos_and_goes_on_where_it_failed(world: Path, cupl: Cupl) -> None:
    before = files()
    assert cupl("index", "add", "photos", "--index", "l.lance", "--encoder", "model").code == 0
    words = ("tag", "--index", "l.lance", *CLASSES)
    assert cupl(*words, "--top", 1, "--write", "xmp").code == 0
    Path("none.csv").write_text("class,cosine\ncat,1\ndog,1\n", "utf-8")
    Path("photos").rename("away")
    away = cupl("tag", "--index", "l.lance", "--untag")
    assert away.code == 3
    assert "another run" not in away.err
    assert "No such file" in away.err
    assert all(row[1] for row in rows_of_index().values())
    Path("away").rename("photos")
    assert cupl(*words, "--class-thresholds", "none.csv").code == 0
    assert not any(row[1] for row in rows_of_index().values())
    assert cupl("tag", "--index", "l.lance", "--untag").code == 0
    assert files() == before


@pytest.mark.parametrize("by_index", [False, True])
def test_links_out_of_what_was_named_are_not_written_to(
    world: Path, cupl: Cupl, by_index: bool
) -> None:
    private = Path("private/p.png")
    private.parent.mkdir()
    draw(40, 30, seed=50).save(private)
    Path("photos/out").symlink_to("../private")
    Path("photos/named.png").symlink_to("../private/p.png")
    before = private.read_bytes()
    named: tuple[str, ...] = ("photos",)
    if by_index:
        added = cupl("index", "add", "photos", "--index", "l.lance", "--encoder", "model")
        assert added.code == 0
        named = ("--index", "l.lance")
    outcome = cupl("tag", *named, *CLASSES, "--top", 1, "--write", "exif")
    assert outcome.code == 0
    assert "2 photos are reached by links out of what was named" in outcome.err
    assert "the files of 4 photos" in outcome.err
    assert private.read_bytes() == before
    assert len(files("private")) == 1
    if not by_index:
        words = ("tag", "photos/named.png", *CLASSES, "--top", 1, "--write", "exif")
        assert "the files of 1 photo" in cupl(*words).err


def test_older_keywords_are_told(world: Path, cupl: Cupl) -> None:
    words = ("tag", "photos", *CLASSES, "--write", "xmp")
    assert "before" not in cupl(*words, "--top", 2).err
    assert "4 photos had keywords of cupl before" in cupl(*words, "--top", 1).err
