"""The report on banks that were adapted to the images."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from cupl.embedding.class_vectors import ClassVectors
from cupl.evaluation.schema import Evaluation
from cupl.report.evaluating import EvaluationResult, evaluate
from cupl.report.old_reports import REPORT_FILES
from tests.adaptation.pictures import Pictures, pictures
from tests.report.pages import parse, rows

NAMES = ["mine", "mine (adapted cross-fitted)", "mine (adapted in place)"]


@pytest.fixture(scope="module")
def made() -> Pictures:
    return pictures()


@pytest.fixture(scope="module")
def result(made: Pictures, tmp_path_factory: pytest.TempPathFactory) -> EvaluationResult:
    folder = made.save(tmp_path_factory.mktemp("photos"), by_class=True)
    return evaluate(
        folder, made.bank, encoder=made.encoder, controls="names", adapt=True, text_cache=False
    )


def test_every_file_knows_the_adapted_banks(result: EvaluationResult, tmp_path: Path) -> None:
    result.save_report(tmp_path)
    assert {path.name for path in tmp_path.iterdir() if not path.match("confusion-*.csv")} == {
        *REPORT_FILES,
        "figures",
    }
    written = Evaluation.model_validate_json((tmp_path / "evaluation.json").read_bytes())
    assert [one.plain for one in written.candidates] == [None, "mine", "mine", None]
    with (tmp_path / "predictions.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    for one in result.candidates:
        mine = [row for row in table if row["contender"] == one.name]
        assert np.mean([row["label"] == row["predicted"] for row in mine]) == pytest.approx(
            one.top1.value
        )
    with (tmp_path / "comparisons.csv").open(newline="") as file:
        pairs = [(row["bank"], row["control"]) for row in csv.DictReader(file)]
    assert pairs == [
        ("mine", "names"), (NAMES[1], "names"), (NAMES[1], "mine"), (NAMES[2], "names"),
        (NAMES[2], "mine"),
    ]  # fmt: skip


def test_the_page_has_a_row_and_a_verdict_for_each(
    result: EvaluationResult, tmp_path: Path
) -> None:
    result.save_report(tmp_path)
    page = parse((tmp_path / "report.html").read_bytes())
    summary, comparisons = page.section("accuracy").all("table")
    assert [cells[0].text for cells in rows(summary)] == [*NAMES, "names"]
    assert [[cell.text for cell in cells[:2]] for cells in rows(comparisons)][1:3] == [
        [NAMES[1], "names"],
        [NAMES[1], "mine"],
    ]
    assert [one.text for one in page.with_class("verdict")] == [
        verdict.sentence for verdict in result.verdicts
    ]
    assert all(one.text in str(result) for one in page.with_class("verdict"))


def test_what_is_saved_with_its_temperature_is_not_adapted(
    made: Pictures, result: EvaluationResult, tmp_path: Path
) -> None:
    result.save_calibrated(tmp_path / "v.safetensors")
    saved = ClassVectors.load(tmp_path / "v.safetensors")
    assert saved.adapter is None
    assert made.drawn.accuracy(saved) == pytest.approx(result.candidates[0].top1.value)
