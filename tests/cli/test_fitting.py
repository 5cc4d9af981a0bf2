import csv
import json
from pathlib import Path

import pytest

from tests.cli.conftest import Cupl
from tests.models import bank_of, draw, save_clip

NAMES = ("cat", "dog", "frog")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ImageFolder of noise, seven images a class."""
    root = tmp_path_factory.mktemp("photos")
    for number, name in enumerate(NAMES):
        (root / name).mkdir()
        for image in range(7):
            draw(20, 20, 10 * number + image).save(root / name / f"{image}.png")
    return root


@pytest.fixture
def vectors(cupl: Cupl, clip: Path, tmp_path: Path) -> Path:
    bank_of({name: [f"a {name}"] for name in NAMES}).save(tmp_path / "bank.yaml")
    made = tmp_path / "v.safetensors"
    outcome = cupl("encode", tmp_path / "bank.yaml", "--encoder", clip, "-o", made)
    assert outcome.code == 0, outcome.err
    return made


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_threshold_is_fitted_used_and_kept(
    cupl: Cupl, vectors: Path, photos: Path, tmp_path: Path
) -> None:
    fitted, first, second = (tmp_path / name for name in ("f.safetensors", "1.csv", "2.csv"))
    command = ["classify", photos, "--vectors"]
    outcome = cupl(
        *command, vectors, "--keep", 0.9, "--examples", photos, "--fitted", fitted, "-o", first
    )
    assert outcome.code == 0, outcome.err
    assert "threshold fitted on 21 examples: about 90.9% of photos of the classes" in outcome.err
    assert f"wrote {fitted}" in outcome.err.replace("\n  ", " ")
    reasons = [row["rejected"] for row in rows(first)]
    assert reasons.count("") == 20  # s_(2) of 21 is the threshold
    assert "less like a class than 90% of the examples" in "".join(reasons)
    outcome = cupl(*command, fitted, "-o", second)
    assert "have a threshold that 90% of photos of the classes pass" in outcome.err
    assert second.read_bytes() == first.read_bytes()
    outcome = cupl(*command, fitted, "--threshold", 0, "-o", second)
    assert [row["rejected"] for row in rows(second)] == [""] * 21


def test_embedded_examples_fit_the_same(
    cupl: Cupl, vectors: Path, clip: Path, photos: Path, tmp_path: Path
) -> None:
    embedded, first, second = (tmp_path / name for name in ("e", "1.csv", "2.csv"))
    assert cupl("embed", photos, "--encoder", clip, "-o", embedded).code == 0
    command = ["classify", photos, "--vectors", vectors, "--keep", 0.8, "--coverage", 0.7]
    for examples, output in ((photos, first), (embedded, second)):
        outcome = cupl(*command, "--examples", examples, "-o", output)
        assert outcome.code == 0, outcome.err
    assert second.read_bytes() == first.read_bytes()


def test_coverage_adds_the_labels_that_cannot_be_ruled_out(
    cupl: Cupl, vectors: Path, photos: Path, tmp_path: Path
) -> None:
    fitted, output = tmp_path / "f.safetensors", tmp_path / "p.jsonl"
    outcome = cupl(
        "classify", photos, "--vectors", vectors, "--coverage", 0.9, "--examples", photos,
        "--fitted", fitted, "-o", output, "--top-k", 1,
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    assert "coverage fitted on 21 examples: in about 90.9% of photos" in outcome.err
    found = [json.loads(line) for line in output.read_text().splitlines()]
    held = [Path(one["path"]).parent.name in {s["label"] for s in one["labels"]} for one in found]
    assert sum(held) >= 20
    outcome = cupl("classify", photos, "--vectors", fitted, "-o", tmp_path / "p.csv")
    assert "sets of labels of coverage 0.9" in outcome.err
    assert [row["labels"] for row in rows(tmp_path / "p.csv")] == [
        "|".join(score["label"] for score in one["labels"]) for one in found
    ]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--keep", 0.9], "--keep is fitted to photos: add --examples PHOTOS"),
        (["--examples", "x"], "--examples are what a threshold is fitted to: add --keep 0.95 or"),
        (["--fitted", "x"], "--fitted goes with --keep or --coverage"),
        (["--keep", 0.9, "--examples", "x", "--labels", "y"], "--labels are of the --examples of"),
        (["--keep", 0.9, "--examples", "x", "--threshold", 0.5], "leave out --threshold"),
        (["--coverage", 0.9, "--examples", "x", "--multi-label"], "leave out --multi-label"),
    ],
)
def test_options_that_do_not_go_together(
    cupl: Cupl, vectors: Path, photos: Path, options: list[object], why: str
) -> None:
    outcome = cupl("classify", photos, "--vectors", vectors, *options)
    assert outcome.code == 2
    assert why in outcome.err


def test_too_few_examples_name_the_options(cupl: Cupl, vectors: Path, photos: Path) -> None:
    command = ["classify", photos, "--vectors", vectors, "--examples", photos]
    outcome = cupl(*command, "--keep", 0.99)
    assert outcome.code == 1
    assert "keep=0.99 needs at least 99 examples, and there are 21" in outcome.err
    assert "(--examples, --keep)" in outcome.err
    outcome = cupl(*command, "--coverage", 1.5)
    assert outcome.code == 1
    assert "coverage is 1.5: give a share between 0 and 1" in outcome.err


def test_words_are_negatives_and_a_file_of_that_name_is_a_bank(
    cupl: Cupl, vectors: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wonderwords")
    monkeypatch.chdir(tmp_path)
    bank_of({"tree": ["the tree"]}).save(Path("words"))
    command = ["classify", photos, "--vectors", vectors, "-o", "p.csv"]
    found = {}
    for reject in (None, "words", "./words"):
        outcome = cupl(*command, *(["--reject", reject] if reject else []))
        assert outcome.code == 0, outcome.err
        assert ("words of a list, far from all classes" in outcome.err) == (reject == "words")
        found[reject] = rows(tmp_path / "p.csv")
    assert "rejected" not in found[None][0]
    assert all("rejected" in row for row in found["words"])
    # A bank has its share of the probabilities; words only say what is none of the classes.
    probabilities = {name: [row["probability"] for row in found[name]] for name in found}
    assert probabilities["words"] == probabilities[None] != probabilities["./words"]


def test_too_few_examples_are_refused_before_they_are_read_and_broken_ones_are_told(
    cupl: Cupl, vectors: Path, tmp_path: Path, photos: Path
) -> None:
    few = tmp_path / "few"
    few.mkdir()
    for number in range(9):
        draw(20, 20, number).save(few / f"{number}.png")
    (few / "broken.png").write_bytes(b"no image")
    command = ["classify", photos, "--vectors", vectors, "--examples", few]
    outcome = cupl(*command, "--keep", 0.95)
    assert outcome.code == 1
    assert "keep=0.95 needs at least 19 examples, and there are 10" in outcome.err
    assert "broken.png" not in outcome.err
    outcome = cupl(*command, "--keep", 0.9)
    assert outcome.code == 0, outcome.err
    assert "1 image of 10 could not be read" in outcome.err
    assert "threshold fitted on 9 examples: about 90.0% of photos" in outcome.err


def test_coverage_by_vectors_of_a_flat_folder_and_their_labels(
    cupl: Cupl, vectors: Path, clip: Path, photos: Path, tmp_path: Path
) -> None:
    flat, labels = tmp_path / "flat", tmp_path / "labels.csv"
    flat.mkdir()
    lines = ["path,label"]
    for image in sorted(photos.rglob("*.png")):
        copy = flat / f"{image.parent.name} {image.name}"
        copy.write_bytes(image.read_bytes())
        lines.append(f"{copy},{image.parent.name}")
    labels.write_text("\n".join(lines))
    assert cupl("embed", flat, "-o", tmp_path / "e", "--encoder", clip).code == 0
    command = ["classify", flat, "--vectors", vectors, "--coverage", 0.9, "--examples"]
    outcome = cupl(*command, tmp_path / "e", "--labels", labels, "-o", tmp_path / "by vectors.csv")
    assert outcome.code == 0, outcome.err
    assert "coverage fitted on 21 examples" in outcome.err
    outcome = cupl(*command, photos, "-o", tmp_path / "by folders.csv")
    assert rows(tmp_path / "by vectors.csv") == rows(tmp_path / "by folders.csv")


def test_how_many_have_no_label_is_told(
    cupl: Cupl, vectors: Path, photos: Path, tmp_path: Path
) -> None:
    outcome = cupl(
        "classify", photos, "--vectors", vectors, "--threshold", 1, "-o", tmp_path / "p.csv"
    )
    assert f"wrote {tmp_path / 'p.csv'}: 21 images\nno label 21\n" in outcome.err
