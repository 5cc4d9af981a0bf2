"""From class names to a report, with every kind of file in between."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from cupl.bank.model import PromptBank
from tests.cli.conftest import Cupl
from tests.faults import fault_server
from tests.models import draw, save_clip, save_siglip

CLASSES = ("tree frog", "newt")


@pytest.mark.parametrize("save", [save_clip, save_siglip])
def test_the_whole_way(
    cupl: Cupl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, save: Callable[[Path], Path]
) -> None:
    monkeypatch.chdir(tmp_path)
    save(Path("model"))
    for number, name in enumerate(CLASSES * 2):
        Path("photos", name).mkdir(parents=True, exist_ok=True)
        draw(80, 60, seed=number).save(Path("photos", name, f"{number}.jpg"))
    with fault_server() as server:
        names = [word for name in CLASSES for word in ("-c", name)]
        asked = ("--model", "m", "--base-url", server.url, "--samples", 4)
        steps: list[tuple[object, ...]] = [
            ("generate", *names, "-o", "bank.yaml", *asked),
            ("bank", "check", "bank.yaml"),
            ("encode", "bank.yaml", "-o", "vectors.safetensors", "--encoder", "model"),
            ("classify", "photos", "--vectors", "vectors.safetensors", "-o", "labels.csv"),
            ("classify", "photos", "--vectors", "vectors.safetensors", "-o", "labels.parquet"),
            ("embed", "photos", "-o", "vectors", "--encoder", "model"),
            ("evaluate", "photos", "--bank", "bank.yaml", "--encoder", "model", "-o", "report"),
        ]
        for step in steps:
            outcome = cupl(*step)
            assert outcome.code == 0, (step, outcome.err)
    bank = PromptBank.load("bank.yaml")
    assert [entry.name for entry in bank] == list(CLASSES)
    rows = list(csv.DictReader(Path("labels.csv").read_text().splitlines()))
    assert {row["label"] for row in rows} <= set(CLASSES)
    assert len(rows) == 4
    assert json.loads(Path("report/evaluation.json").read_text())
    assert "<svg" in Path("report/report.html").read_text()
