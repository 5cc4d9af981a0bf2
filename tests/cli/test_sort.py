"""``cupl sort`` with a CLIP of random weights: what it says, and what it refuses."""

from pathlib import Path

import numpy
import pytest

from tests.cli.conftest import Cupl
from tests.models import draw, save_clip


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    save_clip(tmp_path / "model")
    for number in range(5):
        path = tmp_path / "photos" / "ab"[number % 2] / f"{number // 2}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        draw(40, 30, seed=number).save(path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


CLASSES = ("-c", "cat", "-c", "dog", "--encoder", "model")


def test_sorted_and_taken_back(world: Path, cupl: Cupl) -> None:
    names = sorted(path.name for path in world.rglob("*.png"))
    outcome = cupl("sort", "photos", *CLASSES, "-o", "photos/sorted", "--dry-run")
    assert outcome.code == 0
    assert "5 photos; nothing was done" in outcome.err
    assert not Path("photos/sorted").exists()
    counts = outcome.out
    outcome = cupl("sort", "photos", *CLASSES, "-o", "photos/sorted", "--move")
    assert outcome.code == 0
    assert outcome.out == counts
    assert "photos/sorted: 5 photos moved; see sorted.csv" in outcome.err
    assert "to take it back: cupl sort --undo photos/sorted" in outcome.err
    again = cupl("sort", "photos", *CLASSES, "-o", "photos/sorted", "--move")
    assert (again.code, again.out) == (0, "")  # what it has sorted is not sorted again
    outcome = cupl("sort", "--undo", "photos/sorted")
    assert outcome.code == 0
    assert "5 photos back in place" in outcome.err
    assert sorted(path.name for path in world.rglob("*.png")) == names
    assert not Path("photos/sorted").exists()
    outcome = cupl("sort", "--undo", "photos/sorted")
    assert outcome.code == 1
    assert "cupl sort has not sorted into it" in outcome.err


def test_moved_a_second_time(world: Path, cupl: Cupl) -> None:
    words = ("sort", "photos", *CLASSES, "-o", "out")
    assert cupl(*words, "--move").code == 0
    again = cupl(*words, "--move")
    assert again.code == 0, again.err
    assert "out: 0 photos moved; there already: 5; see sorted.csv" in again.err
    assert "to take it back: cupl sort --undo out" in again.err
    copied = cupl(*words)
    other = cupl(*words[:-1], "other", "--move")
    assert (copied.code, other.code) == (1, 1)
    assert "holds no image" in other.err
    taken = Path("out").rename("away")
    assert cupl(*words, "--move").code == 1
    next(taken.rglob("*.png")).rename("kept.png")
    undone = cupl("sort", "--undo", "away")
    assert undone.code == 3
    assert "nor anywhere in away" in undone.err
    assert "away/sorted.csv keeps where they came from" in " ".join(undone.err.split())


def test_what_is_left_is_said(world: Path, cupl: Cupl) -> None:
    Path("photos/a/0.xmp").touch()
    Path("photos/bad.png").write_bytes(b"no image")
    outcome = cupl("sort", "photos", *CLASSES, "-o", "out", "--link", "--threshold", "1")
    assert outcome.code == 3
    assert outcome.out.split() == ["unsure", "5"]
    assert "files of the same name: 1 .xmp" in outcome.err
    assert "1 image of 6 could not be sorted" in outcome.err
    assert Path("out/unsure/0.png").is_symlink()
    Path("out/unsure/1.png").unlink()
    Path("out/unsure/1.png").write_bytes(b"mine")
    outcome = cupl("sort", "--undo", "out")
    assert outcome.code == 3
    assert "left out/unsure/1.png: it is no longer the link that was made" in outcome.err


def test_photos_that_were_encoded_before(world: Path, cupl: Cupl) -> None:
    assert cupl("embed", "photos", "-o", "vectors", "--encoder", "model").code == 0
    direct = cupl("sort", "photos", *CLASSES, "-o", "out")
    stored = cupl("sort", "vectors", "-c", "cat", "-c", "dog", "-o", "other")
    assert stored.code == 0, stored.err
    assert stored.out == direct.out


def test_sorted_folders_are_no_labels(world: Path, cupl: Cupl) -> None:
    cupl("sort", "photos", *CLASSES, "-o", "out")
    Path("bank.yaml").write_text("name: b\nclasses:\n- {name: cat, prompts: [a cat]}\n"
                                 "- {name: dog, prompts: [a dog]}\n")  # fmt: skip
    for data in ("out", "out/sorted.csv"):
        outcome = cupl("evaluate", data, "--bank", "bank.yaml", "--encoder", "model")
        assert outcome.code == 1
        assert "predict" in outcome.err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("photos", *CLASSES), 2, "name the images and, with -o"),
        ((*CLASSES, "-o", "out"), 2, "name the images and, with -o"),
        (("photos", "--undo", "out"), 2, "takes the sorted folder alone"),
        (("photos", *CLASSES, "-o", "out", "--copy", "--move"), 2, "choose one of"),
        (("photos", "-o", "out"), 2, "name the classes in one way"),
        (("photos", *CLASSES, "-o", "photos"), 1, "it is also what is read"),
        (("photos", *CLASSES, "-o", "no/out"), 1, "the folder no does not exist"),
        (("nowhere", *CLASSES, "-o", "out"), 1, "there is no file or folder nowhere"),
        (("--undo", "nowhere"), 1, "has not sorted into it"),
    ],
)
def test_what_is_refused(
    world: Path, cupl: Cupl, words: tuple[str, ...], code: int, said: str
) -> None:
    outcome = cupl("sort", *words)
    assert outcome.code == code, outcome.err
    assert said in " ".join(outcome.err.replace("│", " ").split())
    assert not Path("out").exists()


def test_rows_without_files_are_not_taken_for_files(world: Path, cupl: Cupl) -> None:
    """Vectors of other programs are numbered where they have no paths; a file may be called so."""
    numpy.save("rows.npy", numpy.ones((3, 16), "f4"))
    Path("0").write_text("mine")
    for way in ("--move", "--copy", "--dry-run"):
        outcome = cupl("sort", "rows.npy", *CLASSES, "-o", "out", way)
        assert outcome.code == 1
        assert "rows.npy does not name the files of its images" in outcome.err
    assert Path("0").read_text() == "mine"
    assert not Path("out").exists()
