import csv
import os
import shutil
from pathlib import Path

import pytest
from PIL import ImageFilter

from cupl.index.photo_index import PhotoIndex
from tests.cli.conftest import Cupl
from tests.index.photo_files import damage_vector
from tests.models import draw, save_clip

INDEX = ("--index", "photos.lance", "--min-cosine", "0.3")


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cupl: Cupl) -> Path:
    monkeypatch.chdir(tmp_path)
    save_clip(tmp_path / "model")
    (tmp_path / "photos").mkdir()
    for number in range(5):
        image = draw(120, 90, seed=number).filter(ImageFilter.GaussianBlur(8))
        image.save(f"photos/{number}.png")
        if number == 0:
            image.resize((60, 45)).save("photos/0 small.png")
    shutil.copy("photos/1.png", "photos/1 copy.png")
    added = cupl("index", "add", "photos", *INDEX[:2], "--encoder", "model",
                 "--embedding-cache", "none")  # fmt: skip
    assert added.code == 0, added.err
    return tmp_path


def test_groups_with_one_to_keep_and_nothing_is_deleted(work: Path, cupl: Cupl) -> None:
    before = sorted(Path("photos").iterdir())
    outcome = cupl("duplicates", *INDEX)
    assert outcome.code == 0, outcome.err
    assert (
        "2 groups of duplicates: one photo to keep in each, and 2 others: 1 with the content of a "
        "photo above in the group, 1 nearly the same; nothing was deleted"
    ) in outcome.err
    assert outcome.out.count("group ") == 2
    assert outcome.out.count("  keep  ") == 2
    assert "120 × 90" in outcome.out
    assert sorted(Path("photos").iterdir()) == before


def test_copies_of_a_photo_that_is_not_the_best_are_counted(work: Path, cupl: Cupl) -> None:
    shutil.copy("photos/0 small.png", "photos/0 small copy.png")
    assert cupl("index", "add", "photos", *INDEX[:2], "--embedding-cache", "none").code == 0
    outcome = cupl("duplicates", *INDEX)
    assert "3 others: 2 with the content of a photo above in the group, 1 nearly" in outcome.err


def test_the_others_can_be_piped(work: Path, cupl: Cupl) -> None:
    names = {Path(path).name for path in cupl("duplicates", *INDEX, "-0").out.split("\0") if path}
    assert len(names) == 2
    assert "0 small.png" in names


def test_files_and_a_sheet(work: Path, cupl: Cupl) -> None:
    outcome = cupl("duplicates", *INDEX, "-o", "d.csv", "--sheet", "d.html")
    assert outcome.code == 0, outcome.err
    with Path("d.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["keep"] for row in rows] == ["yes", "no"] * 2
    assert {row["group"] for row in rows} == {"1", "2"}
    assert "yes" in [row["exact"] for row in rows if row["keep"] == "no"]
    page = Path("d.html").read_text()
    assert "<title>Duplicates</title>" in page
    assert "the same file as another" in page
    assert "nearly the same" in page
    for name in ("d.jsonl", "d.parquet", "d.csv", "d.html"):
        option = "--sheet" if name == "d.html" else "-o"
        assert cupl("duplicates", *INDEX, option, name).code == 0
        assert cupl("duplicates", *INDEX, option, name).code == 0
        assert not Path(f"{name}.old").exists()


def test_what_is_left_out_is_told(work: Path, cupl: Cupl) -> None:
    Path("photos/0.png").unlink()
    Path("photos/1.png").write_bytes(b"another")
    Path("photos/2 link.png").symlink_to("2.png")
    assert cupl("index", "add", "photos/2 link.png", *INDEX[:2]).code == 0
    outcome = cupl("duplicates", *INDEX, "-0")
    assert (outcome.code, outcome.out) == (3, "")
    for why in ("further names of files", "not there", "changed"):
        assert f"1 photo left out: {why}" in outcome.err
    assert "next: cupl index update --index photos.lance\n" in outcome.err


def test_damaged_vectors_are_told_and_made_anew(work: Path, cupl: Cupl) -> None:
    damage_vector(PhotoIndex.open("photos.lance"), str(work / "photos" / "4.png"), 0xFF)
    assert "unusable vectors  1 photo\n" in cupl("index", "info", *INDEX[:2]).out
    outcome = cupl("duplicates", *INDEX)
    assert "1 photo left out: damaged in the index" in outcome.err
    assert outcome.code == 3
    updated = cupl("index", "update", *INDEX[:2], "--embedding-cache", "none")
    assert "1 photo changed, 6 unchanged" in updated.err
    assert "unusable" not in cupl("index", "info", *INDEX[:2]).out


def test_photos_that_cannot_be_read_are_told(work: Path, cupl: Cupl) -> None:
    for path in Path("photos").glob("0*"):
        status = path.stat()
        path.write_bytes(bytes(status.st_size))
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    outcome = cupl("duplicates", *INDEX)
    assert outcome.code == 3
    assert "could not be read" in outcome.err
    assert "photos/0.png" in outcome.err


def test_none_is_no_error(work: Path, cupl: Cupl) -> None:
    outcome = cupl("duplicates", *INDEX, "--where", "path like '%/4.png'")
    assert (outcome.code, outcome.out) == (0, "")
    assert "0 groups of duplicates" in outcome.err
