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
from cupl.evaluation.ranking import ScoreChunks, confusion_matrix
from cupl.evaluation.records import PREDICTION_COLUMNS, prediction_records
from cupl.io.atomic import keep_old, make_folder, open_atomically, staging, write_atomically
from cupl.io.file_kinds import CLASS_VECTORS, kind_of_file
from cupl.report.examples import Example
from cupl.report.old_reports import candidate_files, keep_others, set_aside
from cupl.report.paper import to_latex, to_markdown
from cupl.report.paper_tables import evaluation_table
from cupl.report.sheets import confusion_sheet, sheet_lines

MOST_CONFUSED = 2000
"""Classes of a whole confusion matrix; the file has the square of it."""
_EXAMPLES = 12
"""Wrong and right images in the gallery, of each."""
_TOP, _PROMPTS = 5, 3


def write_evaluation(
    run: EvaluationRun,
    encoder: Encoder,
    directory: Path,
    text_cache: TextCache = None,
    *,
    scores: bool = False,
) -> None:
    """Write ``report.html``, figures, numbers and ``predictions.csv`` into a directory.

    Args:
        run: what was found out.
        encoder: that of the evaluation.
        directory: made where it is missing.
        text_cache: that of the evaluation.
        scores: write those of all images and classes, too; see :func:`write_scores`.

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
        written += _for_papers(run, folder, scores)
        keep_others(directory, [str(path.relative_to(folder)) for path in written])
        set_aside(directory, folder / "old")
        for path in [*written[1:], written[0]]:  # the page at last: where it is, all is
            target = _real(directory / path.relative_to(folder))
            make_folder(target.parent)
            path.replace(target)


def _for_papers(run: EvaluationRun, folder: Path, scores: bool) -> list[Path]:
    """Tables, confusion matrices and scores: what is read by other programs."""
    table, labels = evaluation_table(run.evaluation), [entry.label for entry in run.bank]
    files = {"summary.md": to_markdown(table), "summary.tex": to_latex(table)}
    targets = np.array(run.data.targets)
    names = candidate_files([entry.name for entry in run.entries])
    for (name, _), entry in zip(names, run.entries, strict=True):
        if len(labels) <= MOST_CONFUSED:
            matrix = confusion_matrix(entry.runs[0], targets, len(labels))
            files[name] = confusion_sheet(matrix, labels)
    for name, data in files.items():
        write_atomically(folder / name, data)
    written = [folder / name for name in files]
    for (_, name), entry in zip(names, run.entries if scores else [], strict=scores):
        written.append(folder / name)
        write_scores(written[-1], entry.scores, len(labels))
    return written


def write_scores(path: Path, scores: ScoreChunks, classes: int) -> None:
    """Scores of the first draw as ``numpy.load`` reads them, float32 ``[images, classes]``.

    The rows are the images in the order of ``predictions.csv``, the columns the classes in the
    order of the bank, as in the confusion matrix.
    """
    shape = (len(scores.images), classes)
    header = {"descr": "<f4", "fortran_order": False, "shape": shape}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for part in scores:
            file.write(part.numpy().astype("<f4").tobytes())


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
    if _holds_others(path, entry.vectors) and (aside := keep_old(path, b"")):
        warnings.warn(f"{path} held something else: kept as {aside}", stacklevel=2)
    entry.vectors.with_temperature(temperature).save(path)  # keeps what is no class vectors
    return temperature


def _holds_others(path: Path, vectors: ClassVectors) -> bool:
    try:
        held, ours = ClassVectors.load(path).tensors(), vectors.tensors()
    except CuplError:
        return kind_of_file(path) == CLASS_VECTORS  # damaged, or of a later cupl
    return held.keys() != ours.keys() or not all(
        torch.equal(held[name], ours[name]) for name in ours
    )


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
