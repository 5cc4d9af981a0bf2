"""Predictions as a table to read, or as CSV, JSON lines or Parquet for a program."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from json.encoder import encode_basestring_ascii
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from cupl.classification.ranked import RankedClasses, ranked
from cupl.embedding.image_errors import may_pass
from cupl.embedding.image_retries import ImageOutcome
from cupl.errors import InputError
from cupl.io.csv import csv_lines
from cupl.io.file_kinds import PARQUET, PREDICTION_TABLE, PREDICTIONS, kind_of_file
from cupl.io.replacing import open_replacing
from cupl.io.tables import Column, draw_table
from cupl.io.terminal import folded, printable, terminal_width

if TYPE_CHECKING:
    from cupl.classification.prediction import Prediction, Score

TABLE_ROWS = 100
"""Images in one table: its columns can only be measured when all of its rows are there."""
TABLE_CLASSES = 100
"""Classes of an image that a table names; files for programs have all of them."""
TABLE_CELLS = 10_000
"""Classes in one table at most, unless one image alone has more."""
_EXAMPLES = 3

_Outcome = TypeVar("_Outcome", bound=ImageOutcome)

REJECTED, LABELS, EXPLANATION = "rejected", "labels", "explanation"
"""Columns that are there only when they are asked for, in this order after all others.

``rejected`` says why an image that could be read has no label. ``labels`` are all labels of an
image: in CSV their names between ``|``, with a backslash before one that is part of a name (and
before a backslash); else objects as in ``top``. An explanation stands in a table and in JSON
lines; CSV and Parquet have no column for it.
"""

PredictionWriter = Callable[["Iterable[Prediction]", int, "Collection[str]"], Iterator[str]]
"""Predictions, the number of classes named for each and further columns, to pieces of text."""


def columns_of(*, rejected: bool, labels: bool, explanation: bool) -> list[str]:
    """The further columns, in order."""
    wanted = {REJECTED: rejected, LABELS: labels, EXPLANATION: explanation}
    return [name for name, is_wanted in wanted.items() if is_wanted]


def csv_rows(
    predictions: Iterable[Prediction], top_k: int, more: Collection[str] = ()
) -> Iterator[str]:
    """A row an image; the second best and further classes in numbered columns."""
    yield from csv_lines(_cells(predictions, top_k, more))


def _cells(
    predictions: Iterable[Prediction], top_k: int, more: Collection[str]
) -> Iterator[list[str]]:
    """The header, then the cells of each row."""
    further = [
        f"{column}_{rank}"
        for rank in range(2, top_k + 1)
        for column in ("label", "id", "score", "probability")
    ]
    last = [name for name in (REJECTED, LABELS) if name in more]
    yield ["path", "label", "id", "score", "probability", "error", *further, *last]
    for prediction in predictions:
        # One flat list: 20,000 small ones would take longer to count than to fill.
        cells = [
            text
            for label, score, probability in ranked(prediction.top[:top_k]).cells()
            for text in (label.name, label.id or "", f"{score:.6f}", f"{probability:.6f}")
        ]
        cells += [""] * (4 * top_k - len(cells))
        if prediction.rejected is not None:
            cells[:2] = "", ""
        row = [prediction.path or "", *cells[:4], prediction.error or "", *cells[4:]]
        texts = {
            REJECTED: prediction.rejected or "",
            LABELS: joined_names(one.label for one in prediction.labels),
        }
        yield row + [texts[name] for name in last]


def joined_names(names: Iterable[str]) -> str:
    """Names in one cell, between ``|``; a backslash stands before one that is part of a name."""
    return "|".join(re.sub(r"([|\\])", r"\\\1", name) for name in names)


def json_lines(
    predictions: Iterable[Prediction], top_k: int, more: Collection[str] = ()
) -> Iterator[str]:
    """A JSON object an image, ASCII, so that names which are not valid text survive."""
    left_out = {REJECTED, LABELS, EXPLANATION}.difference(more)
    for prediction in predictions:
        scores = {"top": prediction.top, LABELS: prediction.labels}
        record = replace(prediction, top=prediction.top[:1], labels=()).to_dict()
        pairs = (
            f'"{name}": {_scores_json(scores[name]) if name in scores else json.dumps(value)}'
            for name, value in record.items()
            if name not in left_out
        )
        yield f"{{{', '.join(pairs)}}}\n"


def _scores_json(scores: Sequence[Score]) -> str:
    """What ``json.dumps`` writes of them, of arrays in a third of the time."""
    if not isinstance(scores, RankedClasses) or not scores.is_finite:
        return json.dumps([score.to_dict() for score in scores])
    texts = (
        f'{{"label": {_quoted(label.name)}, "id": {_quoted(label.id)}, '
        f'"score": {score!r}, "probability": {probability!r}}}'
        for label, score, probability in scores.cells()
    )
    return f"[{', '.join(texts)}]"


def _quoted(text: str | None) -> str:
    return "null" if text is None else encode_basestring_ascii(text)


def table_text(
    predictions: Iterable[Prediction],
    top_k: int,
    more: Collection[str] = (),
    width: int | None = None,
    rows_at_once: int = TABLE_ROWS,
) -> Iterator[str]:
    """A table for a person, a new one every ``rows_at_once`` images, or fewer of many classes.

    The best class with its numbers, then the others; explanations below the table. ``width`` is
    that of the terminal, None where there is none.
    """
    rows, size = iter(predictions), max(1, min(rows_at_once, TABLE_CELLS // max(1, top_k)))
    part = list(islice(rows, size))
    told = EXPLANATION in more and any(one.explanation for one in part)
    note = folded(f"{_ON_SCORES}\n\n", width) if told else ""
    while True:
        yield _grid(part, top_k, more, width)
        if EXPLANATION in more:
            yield note
            note = ""
            yield folded("".join(map(_told, part)), width)
        if not (part := list(islice(rows, size))):
            return


def _grid(
    predictions: list[Prediction], top_k: int, more: Collection[str], width: int | None
) -> str:
    several = LABELS in more
    columns = [Column("image", "path"), Column("labels" if several else "label")]
    if not several:  # else each label is followed by its own
        columns.append(Column("probability", "number"))
    columns.append(Column("first score" if several else "score", "number", rank=1))
    if top_k > 1:
        columns.append(Column("then", "list", rank=2))
    rows = [[prediction.path or "", *_row(prediction, several)] for prediction in predictions]
    failed = {place for place, one in enumerate(predictions) if one.error is not None}
    return draw_table(columns, [row[: len(columns)] for row in rows], width, failed)


def _row(prediction: Prediction, several: bool) -> list[str]:
    """The cells after the path; every label stands beside its own probability."""
    if prediction.error is not None:
        return [f"error: {prediction.error}", *[""] * (2 if several else 3)]
    best = prediction.top[0]
    named = set(prediction.labels)
    first = prediction.top[: TABLE_CLASSES + len(named)]
    others = [score for score in first[0 if several else 1 :] if score not in named]
    then = _listed(others)
    if more_classes := len(prediction.top) - len(first):
        then += f", and {more_classes:,} more"
    label = _listed(prediction.labels) if several else prediction.label
    cells = [label or f"- ({prediction.rejected})"]
    if not several:
        cells.append(f"{best.probability:.1%}")
    return [*cells, f"{best.score:.3f}", then]


def _listed(scores: Iterable[Score]) -> str:
    return ", ".join(f"{score.label} {score.probability:.1%}" for score in scores)


_ON_SCORES = (
    "Before a prompt stand its cosine, the class that it is of and the one that it speaks for. The "
    "score of a class is the cosine with the mean of its prompts, in which what they say besides "
    "the class averages out: it may lie above each of theirs."
)


def _told(prediction: Prediction) -> str:
    """The prompts that decided, each on a line with its cosine."""
    explanation = prediction.explanation
    if explanation is None:
        return ""
    lines = [prediction.path or "image"]
    sides = explanation.winner, explanation.runner_up
    for side, other in zip(sides, reversed(sides), strict=True):
        if side is not None:
            lines.append(f"  {side.label}: {side.probability:.1%}, score {side.score:.3f}")
            spoke = [(side.label, one) for one in side.supporting]
            spoke += [(other.label, one) for one in side.opposing if other is not None]
            lines += [
                f"    {one.cosine:.3f} of {side.label}, for {label}: {one.text}"
                for label, one in spoke
            ]
    lines += [f"  {explanation.lead}"] if explanation.lead else []
    return "\n".join(map(printable, lines)) + "\n\n"


WRITERS: dict[str, PredictionWriter] = {"table": table_text, "csv": csv_rows, "jsonl": json_lines}
FORMATS = (*WRITERS, "parquet")


@dataclass
class FailedImages:
    """The images that have an error in place of a label."""

    count: int = 0
    may_pass: int = 0
    """Those of them that are no fault of the image: they may be read another time."""
    first: list[ImageOutcome] = field(default_factory=list)
    """At most ``_EXAMPLES`` of them."""

    def watch(self, images: Iterable[_Outcome]) -> Iterator[_Outcome]:
        """What became of images as it is, the errors among them noted."""
        for image in images:
            if image.error is not None:
                self.count += 1
                self.may_pass += may_pass(image.error)
                self.first += [image][: _EXAMPLES - len(self.first)]
            yield image


def check_format(format: str, path: Path | None) -> None:
    """Refuse what cannot be written, before the work.

    Raises:
        InputError: there is no such format, or it needs a file (``path`` None is standard output).

    """
    if format not in FORMATS:
        raise InputError(f"no format is called {format!r}: use {', '.join(FORMATS)}")
    if path is None and format not in WRITERS:
        raise InputError(f"{format} is not for printing; name a file", arguments={"output": ...})
    if path is None and sys.stdout is None:
        raise InputError("standard output is closed; name a file", arguments={"output": ...})


def write_predictions(
    predictions: Iterable[Prediction],
    top_k: int,
    format: str,
    path: Path | None,
    more: Collection[str] = (),
    *,
    rows_at_once: int = TABLE_ROWS,
) -> FailedImages:
    """Write predictions as they come, in memory that does not grow with them.

    Args:
        predictions: read once.
        top_k: the number of classes that each names.
        format: one of ``FORMATS``.
        path: the file to write, whole or not at all; None for standard output. What is there and is
            no predictions is kept as ``PATH.old``.
        more: further columns; see :func:`columns_of`.
        rows_at_once: images in one table that is printed.

    Returns:
        Those that are errors.

    Raises:
        InputError: see :func:`check_format`; or the file cannot be written.

    """
    check_format(format, path)
    failures = FailedImages()
    watched = failures.watch(predictions)
    if path is None:
        writer = WRITERS[format]
        if writer is table_text:
            writer = partial(table_text, width=terminal_width(), rows_at_once=rows_at_once)
        for piece in writer(watched, top_k, more):
            sys.stdout.write(piece)
            sys.stdout.flush()
        return failures
    with open_replacing(path, _is_predictions) as file:
        if format in WRITERS:
            for piece in WRITERS[format](watched, top_k, more):
                # File names that are not valid text keep their bytes.
                file.write(piece.encode("utf-8", "surrogateescape"))
        else:
            from cupl.classification.parquet import write_parquet  # pyarrow takes a while

            write_parquet(watched, file, more)
    return failures


def _is_predictions(path: Path) -> bool:
    kind = kind_of_file(path)
    if kind == PARQUET:
        from cupl.classification.parquet import is_predictions

        return is_predictions(path)
    return kind in (PREDICTIONS, PREDICTION_TABLE)
