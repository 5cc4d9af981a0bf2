"""``cupl label`` and what ``cupl evaluate`` makes of its file, with a CLIP of random weights."""

import csv
import json
from pathlib import Path

import pytest

from cupl.evaluation.label_sample import FEWEST_TO_LABEL
from tests.cli.conftest import Cupl
from tests.models import draw, save_clip

BANK = """name: b
classes:
- {name: cat, prompts: [a cat]}
- {name: dog, prompts: [a dog]}
"""
CLASSES = ("-c", "cat", "-c", "dog", "--encoder", "model")
TOO_FEW = str(FEWEST_TO_LABEL - 1)
JUDGED = ("--bank", "bank.yaml", "--encoder", "model", "--controls", "names")


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    save_clip(tmp_path / "model")
    (tmp_path / "photos").mkdir()
    for number in range(60):
        draw(24, 24, seed=number).save(tmp_path / "photos" / f"{number:02}.png")
    (tmp_path / "bank.yaml").write_text(BANK)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def label(file: str, *labels: str) -> None:
    """Write labels from the top down."""
    with Path(file).open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    for row, name in zip(rows, labels, strict=False):
        row["label"] = name
    with Path(file).open("w", newline="") as lines:
        writer = csv.DictWriter(lines, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def test_from_photos_to_an_accuracy_on_all(world: Path, cupl: Cupl) -> None:
    outcome = cupl("label", "photos", *CLASSES, "--sample", "40", "-o", "labels.csv")
    assert outcome.code == 0, outcome.err
    assert "wrote labels.csv: 40 photos of 60 to label" in outcome.err
    assert "next: cupl evaluate labels.csv --bank BANK.yaml --encoder model" in outcome.err
    outcome = cupl("evaluate", "labels.csv", *JUDGED)
    assert outcome.code == 1
    assert "no row has a label yet" in outcome.err
    label("labels.csv", *["cat"] * 20, *["dog"] * 8, "none of these", "Cannot tell", "?")
    outcome = cupl("evaluate", "labels.csv", *JUDGED, "-o", "report")
    assert outcome.code == 0, outcome.err
    said = " ".join(outcome.err.split())
    assert "a sample of 60 photos: every share is over these, from 28" in said
    assert "9 of the sample's 40 photos have no label yet" in said
    assert "2 images nobody could tell" in said
    assert "are of none of the classes" in said
    found = json.loads(Path("report/evaluation.json").read_text())
    assert found["images"] == 28
    assert (found["sample"]["photos"], found["sample"]["labelled"]) == (60, 28)
    assert 0 < found["sample"]["none_of_these"]["value"] < 0.2
    bank = found["contenders"][0]
    assert bank["top1"]["low"] < bank["top1"]["value"] < bank["top1"]["high"]
    assert bank["calibration"] is None
    assert "60 photos" in " ".join(outcome.out.split())
    assert "ECE" not in outcome.out.split("\n\n")[1]
    assert "60 photos" in Path("report/report.html").read_text()
    for file in ("report.html", "summary.md", "summary.tex"):
        written = Path("report", file).read_text()
        assert "bootstrap" not in written
        assert "(Wilson" in written


def test_the_way_on_says_what_made_the_labels(world: Path, cupl: Cupl) -> None:
    made = cupl("encode", "bank.yaml", "-o", "v.safetensors", "--encoder", "model")
    assert made.code == 0, made.err
    how = ("--sample", "40", "--device", "cpu", "-o", "l.csv")
    by_vectors = cupl("label", "photos", "--vectors", "v.safetensors", *how)
    model = world / "model"  # as the vectors say
    said = f"next: cupl evaluate l.csv --bank BANK.yaml --encoder {model} --device cpu\n"
    assert said in by_vectors.err
    by_bank = cupl(
        "label", "photos", "--bank", "bank.yaml", "--encoder", "model", *how[:-1], "m.csv"
    )
    said = "next: cupl evaluate m.csv --bank bank.yaml --encoder model --device cpu\n"
    assert said in by_bank.err
    assert "made for these names" not in by_bank.err
    by_names = cupl("label", "photos", *CLASSES, *how[:-1], "n.csv")
    assert "BANK.yaml is a bank that is made for these names" in by_names.err


def test_more_photos_to_label(world: Path, cupl: Cupl) -> None:
    cupl("label", "photos", *CLASSES, "--sample", "20", "-o", "labels.csv")
    label("labels.csv", *["cat"] * 20)
    outcome = cupl("label", "photos", *CLASSES, "--sample", "50", "-o", "labels.csv")
    assert outcome.code == 0, outcome.err
    assert "50 photos of 60 to label, 20 labels kept" in outcome.err
    assert Path("labels.csv").read_text().count(",cat,") == 20
    assert Path("labels.csv.old").exists()
    fewer = cupl("label", "photos", *CLASSES, "--sample", "30", "-o", "labels.csv")
    assert fewer.code == 0, fewer.err
    assert "it held more than the 30 of --sample: all are kept" in fewer.err
    other = cupl("label", "photos", *CLASSES, "--seed", "1", "-o", "labels.csv")
    assert other.code == 1
    assert "but not be made larger" in other.err


def test_all_looked_at_is_all_that_is_known(world: Path, cupl: Cupl) -> None:
    cupl("label", "photos", *CLASSES, "--sample", "100", "-o", "labels.csv")
    label("labels.csv", *["cat", "dog"] * 30)
    assert cupl("evaluate", "labels.csv", *JUDGED, "-o", "report").code == 0
    bank = json.loads(Path("report/evaluation.json").read_text())["contenders"][0]
    assert bank["top1"]["low"] == bank["top1"]["value"] == bank["top1"]["high"]
    with Path("labels.csv").open(newline="") as lines:
        pairs = [f"{row['path']},{row['label']}" for row in csv.DictReader(lines)]
    Path("plain.csv").write_text("\n".join(["path,label", *pairs]) + "\n")
    assert cupl("evaluate", "plain.csv", *JUDGED, "-o", "plain").code == 0
    plain = json.loads(Path("plain/evaluation.json").read_text())["contenders"][0]
    assert plain["top1"]["value"] == pytest.approx(bank["top1"]["value"])
    assert [one["accuracy"] for one in plain["classes"]] == pytest.approx(
        [one["accuracy"] for one in bank["classes"]]
    )


def test_photos_that_were_encoded_before(world: Path, cupl: Cupl) -> None:
    assert cupl("embed", "photos", "-o", "vectors", "--encoder", "model").code == 0
    drawn = cupl("label", "vectors", "-c", "cat", "-c", "dog", "--sample", "30", "-o", "l.csv")
    assert drawn.code == 0, drawn.err
    label("l.csv", *["cat", "dog"] * 12)
    stored = cupl("evaluate", "vectors", "--labels", "l.csv", *JUDGED)
    assert stored.code == 0, stored.err
    direct = cupl("evaluate", "l.csv", *JUDGED)
    assert stored.out == direct.out
    hint = f"next: cupl evaluate l.csv --bank BANK.yaml --encoder {world / 'model'}"
    assert hint in drawn.err.splitlines()
    assert "60 photos" in " ".join(direct.out.split())


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("photos", *CLASSES, "-o", "labels.txt"), 2, "is no .csv"),
        (("photos", *CLASSES, "-o", "no/labels.csv"), 1, "the folder no does not exist"),
        (("photos", "-o", "labels.csv"), 2, "name the classes in one way"),
        (("photos", *CLASSES, "--sample", TOO_FEW, "-o", "labels.csv"), 2, "for '--sample'"),
        (("nowhere", *CLASSES, "-o", "labels.csv"), 1, "there is no file or folder nowhere"),
    ],
)
def test_what_is_refused(
    world: Path, cupl: Cupl, words: tuple[str, ...], code: int, said: str
) -> None:
    outcome = cupl("label", *words)
    assert outcome.code == code, outcome.err
    assert said in " ".join(outcome.err.replace("│", " ").split())
    assert not Path("labels.csv").exists()


@pytest.mark.parametrize("more", [(), ("--skip-unmatched",)])
@pytest.mark.parametrize("stored", [False, True])
def test_labels_that_all_mean_no_class(
    world: Path, cupl: Cupl, more: tuple[str, ...], stored: bool
) -> None:
    cupl("label", "photos", *CLASSES, "--sample", "20", "-o", "labels.csv")
    label("labels.csv", "catt")
    data: tuple[str, ...] = ("labels.csv",)
    if stored:
        assert cupl("embed", "photos", "-o", "vectors", "--encoder", "model").code == 0
        data = ("vectors", "--labels", "labels.csv")
    outcome = cupl("evaluate", *data, *JUDGED, *more)
    said = " ".join(outcome.err.split())
    assert outcome.code == 1
    assert "1 label means no class of the bank: 'catt', nearly 'cat' (1 image)" in said
    assert "rename these labels" in said


@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (["none of these"] * 20, "in all of the photos 100.0 % (88.0 to 100.0)"),
        (["none of these", "?"] * 10, "10 nobody could tell"),
        (["cannot tell"] * 20, "no photo of the sample has a class: 20 nobody could tell"),
    ],
)
def test_a_sample_without_a_class(
    world: Path, cupl: Cupl, labels: list[str], said: str, stored: bool
) -> None:
    cupl("label", "photos", *CLASSES, "--sample", "20", "-o", "labels.csv")
    label("labels.csv", *labels)
    data: tuple[str, ...] = ("labels.csv",)
    if stored:
        assert cupl("embed", "photos", "-o", "vectors", "--encoder", "model").code == 0
        data = ("vectors", "--labels", "labels.csv")
    outcome = cupl("evaluate", *data, *JUDGED)
    assert outcome.code == 1
    assert said in " ".join(outcome.err.split())


@pytest.mark.parametrize("name", ["none of these", "Cannot tell"])
def test_a_class_that_a_sample_could_not_name(world: Path, cupl: Cupl, name: str) -> None:
    classes = ("-c", "cat", "-c", name, "--encoder", "model")
    outcome = cupl("label", "photos", *classes, "--sample", "40", "-o", "labels.csv")
    assert (outcome.code, f"a class is called {name!r}" in outcome.err) == (1, True)
    assert not Path("labels.csv").exists()
