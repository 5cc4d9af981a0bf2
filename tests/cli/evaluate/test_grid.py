import csv
import json
from pathlib import Path

import pytest

from tests.cli.conftest import Cupl
from tests.cli.evaluate.files import ANIMALS, add_images, files_in
from tests.models import bank_of, save_clip


@pytest.fixture
def two(work: Path, clip: Path) -> tuple[str, ...]:
    """Two data sets, each with a bank of its own."""
    for place, folder in enumerate(("cat", "dog")):
        add_images(work / "more" / folder, 5, 10 + place)
    (work / "banks").mkdir()
    bank_of(ANIMALS, "all").save(work / "banks" / "photos.yaml")
    bank_of({"dog": ["A dog."], "cat": ["A cat."]}, "few").save(work / "banks" / "more.yaml")
    return ("evaluate", "photos", "more", "--encoder", str(clip), "--controls", "names")


def test_two_data_sets_and_two_encoders_are_one_table(
    cupl: Cupl, two: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = save_clip(tmp_path_factory.mktemp("models") / "other", seed=5)
    outcome = cupl(*two, "--candidate", "own=banks/{}.yaml", "--encoder", other, "-o", "out")
    assert outcome.code == 0, outcome.err
    assert outcome.err.endswith("wrote out: open out/report.html\n")
    assert " on photos\n" in outcome.err
    header = outcome.out.splitlines()[2]
    assert header.split() == ["encoder", "photos", "more", "mean"]
    rows = list(csv.DictReader(Path("out/summary.csv").read_text().splitlines()))
    assert len(rows) == 2 * 2 * 2
    assert len({row["encoder"] for row in rows}) == 2
    cells = json.loads(Path("out/summary.json").read_bytes())["cells"]
    assert [cell["classes"] for cell in cells] == [3, 2, 3, 2]
    assert all(Path("out", cell["folder"], "report.html").is_file() for cell in cells)


def test_one_bank_for_all_data_sets(cupl: Cupl, two: tuple[str, ...]) -> None:
    outcome = cupl(*two, "--bank", "bank.yaml", "--classes", "cat,dog")
    assert outcome.code == 0, outcome.err
    assert "animals" in outcome.out
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--bank", "bank.yaml", "--calibrated", "v.safetensors"), 2, "one encoder and one data"),
        (("--bank", "bank.yaml", "--encoder", "./no-model"), 1, "no-model"),
        (("--bank", "banks/more.yaml"), 1, "photos: 1 label means no class"),
        (("--candidate", "banks/{}.yaml"), 1, "give it a name"),
        (("--candidate", "own=no/{}.yaml"), 1, "photos: no/photos.yaml"),
        (("--bank", "bank.yaml", "-o", "more/out"), 1, "it lies in more"),
        (("--bank", "bank.yaml", "--folds", "99"), 1, "folds"),
        (("--bank", "bank.yaml", "--reference", "x"), 1, "is called 'x'"),
        (("--bank", "bank.yaml", "--candidate", "a=b=c"), 1, "cannot read the candidate 'a=b=c'"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_encoded(
    cupl: Cupl, two: tuple[str, ...], work: Path, options: tuple[str, ...], code: int, message: str
) -> None:
    before = files_in(work)
    outcome = cupl(*two, *options)
    assert outcome.code == code
    assert message in " ".join(outcome.err.split())
    assert "images: " not in outcome.err
    assert files_in(work) == before


def test_images_that_cannot_be_read_are_counted_once(cupl: Cupl, two: tuple[str, ...]) -> None:
    Path("more/cat/0.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    outcome = cupl(*two, "--bank", "bank.yaml")
    assert outcome.code == 3
    assert "1 image of 31 could not" in outcome.err


def test_one_data_set_has_the_bank_of_its_name(cupl: Cupl, two: tuple[str, ...]) -> None:
    command = [word for word in two if word != "more"]
    outcome = cupl(*command, "--candidate", "own=banks/{}.yaml", "--scores", "-o", "out")
    assert outcome.code == 0, outcome.err
    assert "“own” gets" in outcome.out
    assert Path("out/scores-own.npy").is_file()
