"""What an evaluation leaves on disk: the report, the raw predictions, calibrated class vectors."""

from __future__ import annotations

import io
import os
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from cupl.classification.classifier import ZeroShotClassifier
from cupl.embedding.class_vectors import ClassVectors
from cupl.embedding.text_cache import TextCache
from cupl.encoders.protocol import Encoder
from cupl.errors import CuplError, InputError
from cupl.evaluation.judging import EvaluationRun
from cupl.evaluation.records import PREDICTION_COLUMNS, prediction_records
from cupl.io.atomic import keep_old, make_folder, open_atomically, staging
from cupl.io.file_kinds import EVALUATION, FIGURE_TABLE, JUDGED, REPORT_PAGE, kind_of_file
from cupl.report.examples import Example
from cupl.report.sheets import sheet_lines

REPORT_FILES = (
    "report.html",
    "evaluation.json",
    "summary.csv",
    "classes.csv",
    "comparisons.csv",
    "predictions.csv",
)
"""What :func:`write_evaluation` writes, beside the figures."""
_KINDS = {
    "report.html": REPORT_PAGE,
    "evaluation.json": EVALUATION,
    "summary.csv": FIGURE_TABLE,
    "classes.csv": FIGURE_TABLE,
    "comparisons.csv": FIGURE_TABLE,
    "predictions.csv": JUDGED,
}
_EXAMPLES = 12
"""Wrong and right images in the gallery, of each."""
_TOP, _PROMPTS = 5, 3


def write_evaluation(
    run: EvaluationRun, encoder: Encoder, directory: Path, text_cache: TextCache = None
) -> None:
    """Write ``report.html``, figures, numbers and ``predictions.csv`` into a directory.

    Args:
        run: what was found out.
        encoder: that of the evaluation.
        directory: made where it is missing.
        text_cache: that of the evaluation.

    Raises:
        InputError: a file cannot be written.

    """
    from cupl.report.files import write_report  # matplotlib takes half a second

    examples = choose_examples(run, encoder, text_cache)
    make_folder(directory)
    with staging(directory / "report.html") as folder:
        try:
            written = write_report(run.evaluation, examples, folder)
        except InputError as error:  # nobody knows the folder that is only for now
            raise InputError(str(error).replace(str(folder), str(directory))) from error
        written.append(folder / "predictions.csv")
        with open_atomically(written[-1]) as binary:
            text = io.TextIOWrapper(binary, "utf-8", "surrogateescape", newline="")
            text.writelines(sheet_lines(prediction_records(run), PREDICTION_COLUMNS, "\r\n"))
            text.flush()
            text.detach()
        _keep_others(directory)
        _set_aside(directory, folder / "old")
        for path in [*written[1:], written[0]]:  # the page at last: where it is, all is
            target = _real(directory / path.relative_to(folder))
            make_folder(target.parent)
            path.replace(target)


def _keep_others(directory: Path) -> None:
    """Set aside what has the name of a file of ours and is none, as predictions of classify."""
    for name, kind in _KINDS.items():
        path = _real(directory / name)
        if path.is_file() and path.stat().st_size and kind_of_file(path) != kind:
            warnings.warn(
                f"{path} held something else: kept as {keep_old(path, b'')}", stacklevel=2
            )


def _set_aside(directory: Path, aside: Path) -> None:
    """Take an older report away, its page first: it is never seen mixed with a new one."""
    from cupl.report.files import FIGURES

    figures = [f"figures/{name}.{kind}" for name in FIGURES for kind in ("svg", "png")]
    make_folder(aside)
    for number, name in enumerate((*REPORT_FILES, *figures)):
        if (old := _real(directory / name)).is_file():
            old.replace(aside / str(number))


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))


def save_calibrated(run: EvaluationRun, path: Path) -> float:
    """Save the first bank's class vectors with its temperature, and return that.

    A file in its place that holds something else than these vectors is kept, and a warning says so.

    Raises:
        InputError: none could be fitted, or the file cannot be written.

    """
    entry = run.entries[0]
    if entry.calibration is None:
        raise InputError(f"{entry.name!r:.100} has no temperature: {entry.uncalibrated}")
    temperature = entry.calibration.temperature
    if not _holds_vectors(path, entry.vectors) and (aside := keep_old(path, b"")):
        warnings.warn(f"{path} held something else: kept as {aside}", stacklevel=2)
    entry.vectors.with_temperature(temperature).save(path)
    return temperature


def _holds_vectors(path: Path, vectors: ClassVectors) -> bool:
    try:
        held, ours = ClassVectors.load(path).tensors(), vectors.tensors()
    except CuplError:
        return False
    return held.keys() == ours.keys() and all(torch.equal(held[name], ours[name]) for name in ours)


def choose_examples(
    run: EvaluationRun, encoder: Encoder, text_cache: TextCache = None
) -> list[Example]:
    """Images that the first bank has wrong, the surest first, and some that it has right."""
    entry, data = run.entries[0], run.data
    ranked = entry.runs[0]
    wrong = np.flatnonzero(~ranked.correct)
    wrong = wrong[np.argsort(-ranked.confidence[wrong], kind="stable")][:_EXAMPLES]
    right = np.random.default_rng(0).permutation(np.flatnonzero(ranked.correct))[:_EXAMPLES]
    chosen = [*wrong.tolist(), *sorted(right.tolist())]
    if not chosen or data.vectors is None:
        return []
    classifier = ZeroShotClassifier(entry.vectors, encoder, bank=run.bank, text_cache=text_cache)
    predictions = classifier.predict_vectors(data.vectors[chosen], _TOP, explain=_PROMPTS)
    return [
        Example(
            replace(one, path=data.paths[i] if data.has_files else None),
            str(run.bank.classes[data.targets[i]].label),
            data.paths[i],
        )
        for i, one in zip(chosen, predictions, strict=True)
    ]
