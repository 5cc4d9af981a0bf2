import csv
from pathlib import Path

import pytest

from cupl.bank.model import PromptBank
from cupl.embedding.class_vectors import ClassVectors
from cupl.evaluation.demo import PHOTOS
from tests.cli.conftest import Cupl


def test_the_demo_on_real_photographs(
    cupl: Cupl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real mini models, over real HTTP, on the photographs of an installed package."""
    monkeypatch.setattr("cupl.evaluation.demo.SAMPLES", 2)  # of 5, to save time
    outcome = cupl("demo", "-o", tmp_path / "cupl-demo")
    assert outcome.code == 0, outcome.err
    for name, truth in PHOTOS.items():
        assert name in outcome.out
        assert truth in outcome.out
    folder = tmp_path / "cupl-demo"
    bank = PromptBank.load(folder / "bank.yaml")
    assert [entry.name for entry in bank] == list(PHOTOS.values())
    assert len(ClassVectors.load(folder / "vectors.safetensors").labels) == len(PHOTOS)
    with (folder / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {Path(row["path"]) for row in rows} == {
        folder / "photos" / truth / name for name, truth in PHOTOS.items()
    }
    found = {Path(row["path"]).name: row["label"] for row in rows}
    # Chance finds one of eight; these three are what the network was trained on.
    for name in ("chelsea.png", "coffee.png", "rocket.jpg"):
        assert found[name] == PHOTOS[name]


def test_missing_photographs_are_named(
    cupl: Cupl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cupl.evaluation.demo.find_spec", lambda name: None)
    outcome = cupl("demo", "-o", tmp_path / "cupl-demo")
    assert outcome.code == 1
    assert "pip install 'cupl[mini]'" in outcome.err
    assert not list(tmp_path.iterdir())
