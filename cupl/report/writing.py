"""An evaluation on disk: the report, the raw predictions, calibrated class vectors."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cupl.classification.classifier import ZeroShotClassifier
from cupl.encoders.protocol import Encoder
from cupl.errors import InputError
from cupl.evaluation.metrics import FEWEST_TO_CALIBRATE, halves
from cupl.evaluation.pipeline import EvaluationRun
from cupl.io.atomic import open_atomically
from cupl.io.csv import Cell, csv_lines

if TYPE_CHECKING:
    from cupl.report.examples import Example

_EXAMPLES = 12
"""Wrong and right images in the gallery, of each."""
_TOP, _PROMPTS = 5, 3


def write_evaluation(outcome: EvaluationRun, encoder: Encoder, directory: Path) -> None:
    """Write ``report.html``, figures, numbers and ``predictions.csv`` into a directory.

    Raises:
        InputError: a file cannot be written.

    """
    from cupl.report.files import write_report  # matplotlib takes half a second

    write_report(outcome.evaluation, examples(outcome, encoder), directory)
    _write_predictions(outcome, directory / "predictions.csv")


def save_calibrated(outcome: EvaluationRun, path: Path) -> float:
    """Save the first bank's class vectors with its temperature, and return that.

    Raises:
        InputError: there were too few images to fit one, or the file cannot be written.

    """
    entry = outcome.entries[0]
    if entry.calibration is None:
        raise InputError(f"too few images to fit a temperature: {FEWEST_TO_CALIBRATE} are needed")
    temperature = entry.calibration.temperature
    entry.vectors.with_temperature(temperature).save(path)
    return temperature


def examples(outcome: EvaluationRun, encoder: Encoder) -> list[Example]:
    """Images that the first bank has wrong, the surest first, and some that it has right."""
    entry, data = outcome.entries[0], outcome.data
    run = entry.runs[0]
    wrong = np.flatnonzero(run.ranks != 1)
    wrong = wrong[np.argsort(-run.confidence[wrong], kind="stable")][:_EXAMPLES]
    right = np.random.default_rng(0).permutation(np.flatnonzero(run.ranks == 1))[:_EXAMPLES]
    chosen = [*wrong.tolist(), *sorted(right.tolist())]
    if not chosen or data.vectors is None:
        return []
    from cupl.report.examples import Example

    classifier = ZeroShotClassifier(entry.vectors, encoder, bank=outcome.bank)
    labels = _labels(outcome)
    predictions = classifier.predict_vectors(data.vectors[chosen], _TOP, explain=_PROMPTS)
    return [
        Example(replace(one, path=data.paths[i]), labels[data.targets[i]])
        for i, one in zip(chosen, predictions, strict=True)
    ]


def _write_predictions(outcome: EvaluationRun, file: Path) -> None:
    """A row for each image, contender and draw: all that the figures are made of."""
    with open_atomically(file) as binary:
        text = io.TextIOWrapper(binary, "utf-8", "surrogateescape", newline="")
        text.writelines(csv_lines(_rows(outcome), "\r\n"))
        text.flush()
        text.detach()


def _rows(outcome: EvaluationRun) -> Iterator[Sequence[Cell]]:
    """The header of ``predictions.csv``, then its rows."""
    yield (
        "path", "label", "contender", "draw", "predicted", "rank", "probability", "calibrated",
        "part",
    )  # fmt: skip
    fitted, labels, data = halves(len(outcome.data.targets)), _labels(outcome), outcome.data
    for entry in outcome.entries:
        for draw, run in enumerate(entry.runs):
            calibrated = entry.calibrated.tolist() if entry.calibrated is not None else []
            ranked = zip(
                run.predicted.tolist(), run.ranks.tolist(), run.confidence.tolist(), strict=True
            )
            for image, (predicted, rank, confidence) in enumerate(ranked):
                more: list[Cell] = ["", ""]
                if calibrated and draw == 0:
                    more = [calibrated[image], "fit" if fitted[image] else "measure"]
                yield (
                    data.paths[image], labels[data.targets[image]], entry.name, draw,
                    labels[predicted], rank, confidence, *more,
                )  # fmt: skip


def _labels(outcome: EvaluationRun) -> list[str]:
    """What each class is called."""
    return [str(entry.label) for entry in outcome.bank]
