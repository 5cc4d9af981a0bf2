"""What a notebook shows of things that hold much is a line, and of results ``print`` a table."""

from typing import Any

import numpy as np
import pytest

import cupl
from cupl.evaluation.grid import EvaluationGrid, GridCell
from cupl.report.evaluating import EvaluationResult
from tests.models import HandMadeEncoder, bank_of

NAMES = [f"class {number}" for number in range(300)]
BANK = bank_of({name: [f"A {name}."] for name in NAMES})
ENCODER = HandMadeEncoder(
    {text: row.tolist() for name, row in zip(NAMES, np.eye(300), strict=True)
     for text in (name, f"A {name}.")}
)  # fmt: skip


@pytest.fixture(scope="module")
def result() -> EvaluationResult:
    return cupl.evaluate((np.eye(300), NAMES), BANK, encoder=ENCODER, controls="names")


def test_what_a_notebook_shows_is_a_line(result: EvaluationResult) -> None:
    grid = EvaluationGrid([GridCell("hand-made", "x", result.figures)])
    classifier = cupl.ZeroShotClassifier(cupl.ClassVectors.from_arrays(NAMES, np.eye(300)))
    shown: list[tuple[Any, str]] = [
        (BANK, "PromptBank('animals', 300 classes, 300 prompts)"),
        (BANK["class 7"], "ClassPrompts('class 7', 1 prompt)"),
        (result, "EvaluationResult(2 candidates, 300 images, 300 classes, 'hand-made')"),
        (result.figures, "Evaluation(2 candidates, 300 images, 300 classes, 'hand-made')"),
        (result.candidates[0], "CandidateResult('animals', top1=1.0000)"),
        (result.analyses[0], "Analysis('animals')"),
        (grid, "EvaluationGrid(1 encoder, 1 data set, 2 candidates)"),
        (classifier, "ZeroShotClassifier(300 classes, 'unknown')"),
        (classifier.vectors, "ClassVectors([300, 300], 'unknown')"),
    ]
    assert [repr(one) for one, _ in shown] == [line for _, line in shown]
    assert str(BANK) == repr(BANK)
    for table in (str(grid), str(result)):
        assert "animals" in table
        assert len(table) < 2000


def test_a_bank_that_was_spoiled_is_shown_all_the_same() -> None:
    bank = bank_of({"cat": ["A cat."]})
    bank["cat"].prompts = None  # type: ignore[assignment]
    assert repr(bank) == "PromptBank('animals', 1 class)"
    assert repr(bank["cat"]) == "ClassPrompts('cat')"
