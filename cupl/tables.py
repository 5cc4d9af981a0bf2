"""Predictions as a table to read, or as CSV, JSON lines or Parquet for a program."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from cupl.errors import InputError
from cupl.files import open_atomically

if TYPE_CHECKING:
    from cupl.classifier import Prediction

TABLE_ROWS = 100
"""Images in one table: its columns can only be measured when all of its rows are there."""
ROW_GROUP = 10_000
"""Images in one row group of a Parquet file."""
EXAMPLES = 3

Writer = Callable[["Iterable[Prediction]", int], Iterator[str]]
"""Predictions and the number of classes named for each, to pieces of text."""


def csv_rows(predictions: Iterable[Prediction], top_k: int) -> Iterator[str]:
    """A row an image; the second best and further classes in numbered columns."""
    further = [
        f"{column}_{rank}"
        for rank in range(2, top_k + 1)
        for column in ("label", "id", "score", "probability")
    ]
    buffer = io.StringIO(newline="")
    rows = csv.writer(buffer)  # its CR LF makes it quote a name with either
    rows.writerow(["path", "label", "id", "score", "probability", "error", *further])
    yield _drain(buffer)
    for prediction in predictions:
        cells = [
            [score.label, score.id or "", f"{score.score:.6f}", f"{score.probability:.6f}"]
            for score in prediction.top[:top_k]
        ]
        first, *rest = cells + [[""] * 4] * (top_k - len(cells))
        row = [prediction.path or "", *first, prediction.error or ""]
        rows.writerow(row + [cell for score in rest for cell in score])
        yield _drain(buffer)


def json_lines(predictions: Iterable[Prediction], top_k: int) -> Iterator[str]:
    """A JSON object an image, ASCII, so that names which are not valid text survive."""
    for prediction in predictions:
        yield json.dumps(_record(prediction)) + "\n"


def _record(prediction: Prediction) -> dict[str, Any]:
    return {
        "path": prediction.path,
        "label": prediction.label,
        "id": prediction.id,
        "score": prediction.score,
        "probability": prediction.probability,
        "error": prediction.error,
        "top": [asdict(score) for score in prediction.top],
    }


def write_parquet(predictions: Iterable[Prediction], file: BinaryIO) -> None:
    r"""The columns of the JSON lines, in row groups of ``ROW_GROUP`` images.

    Parquet's text is UTF-8: a file name that is not has its odd bytes spelled out, as ``\xff``.
    """
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    best = {"label": pa.string(), "id": pa.string(), "score": pa.float32(),
            "probability": pa.float32()}  # fmt: skip
    top = pa.list_(pa.struct(best))
    schema = pa.schema({"path": pa.string(), **best, "error": pa.string(), "top": top})
    rows = iter(predictions)
    with ParquetWriter(file, schema) as writer:
        while group := [_record(prediction) for prediction in islice(rows, ROW_GROUP)]:
            for record in group:
                record["path"] = record["path"] and _spelled_out(record["path"])
            writer.write_table(pa.Table.from_pylist(group, schema), row_group_size=ROW_GROUP)


def _spelled_out(name: str) -> str:
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def table(predictions: Iterable[Prediction], top_k: int) -> Iterator[str]:
    """A table for a person, a new one every ``TABLE_ROWS`` images.

    The best class with its numbers, then the others.
    """
    rows = iter(predictions)
    part = list(islice(rows, TABLE_ROWS))
    yield _grid(part, top_k)
    while part := list(islice(rows, TABLE_ROWS)):
        yield _grid(part, top_k)


def _grid(predictions: list[Prediction], top_k: int) -> str:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    grid = Table("image", "label", box=box.SIMPLE_HEAD)
    grid.add_column("probability", justify="right")
    grid.add_column("cosine", justify="right")
    if top_k > 1:
        grid.add_column("then")
    for prediction in predictions:
        if prediction.error is not None:
            cells = [f"error: {prediction.error}", "", "", ""]
        else:
            best, *others = prediction.top
            then = ", ".join(f"{score.label} {score.probability:.1%}" for score in others)
            cells = [best.label, f"{best.probability:.1%}", f"{best.score:.3f}", then]
        style = "red" if prediction.error is not None else ""
        texts = [prediction.path or "", *cells[: len(grid.columns) - 1]]
        # Text, not str: square brackets in a name are not markup.
        grid.add_row(*(Text(printable(text), style=style) for text in texts))
    terminal = sys.stdout.isatty()
    console = Console(file=io.StringIO(), force_terminal=terminal, width=None if terminal else 200)
    with console.capture() as capture:
        console.print(grid)
    return capture.get()


WRITERS: dict[str, Writer] = {"table": table, "csv": csv_rows, "jsonl": json_lines}
FORMATS = (*WRITERS, "parquet")


@dataclass
class Failures:
    """The images that have an error in place of a label."""

    count: int = 0
    first: list[Prediction] = field(default_factory=list)
    """At most ``EXAMPLES`` of them."""

    def watch(self, predictions: Iterable[Prediction]) -> Iterator[Prediction]:
        """The predictions as they are, the errors among them noted."""
        for prediction in predictions:
            if prediction.error is not None:
                self.count += 1
                self.first += [prediction][: EXAMPLES - len(self.first)]
            yield prediction


def printable(text: str) -> str:
    """The text with control characters spelled out, so that no name can repaint a terminal."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def check_format(format: str, path: Path | None) -> None:
    """Refuse what cannot be written, before the work.

    Raises:
        InputError: there is no such format, or it needs a file (``path`` None is standard output).

    """
    if format not in FORMATS:
        raise InputError(f"no format is called {format!r}: use {', '.join(FORMATS)}")
    if path is None and format not in WRITERS:
        raise InputError(f"{format} is not for printing; name a file with -o")
    if path is None and sys.stdout is None:
        raise InputError("standard output is closed; name a file with -o")


def write_predictions(
    predictions: Iterable[Prediction], top_k: int, format: str, path: Path | None
) -> Failures:
    """Write predictions as they come, in memory that does not grow with them.

    Args:
        predictions: read once.
        top_k: the number of classes that each names.
        format: one of ``FORMATS``.
        path: the file to write, whole or not at all; None for standard output.

    Returns:
        Those that are errors.

    Raises:
        InputError: see :func:`check_format`; or the file cannot be written.

    """
    check_format(format, path)
    failures = Failures()
    watched = failures.watch(predictions)
    if path is None:
        for piece in WRITERS[format](watched, top_k):
            sys.stdout.write(piece)
            sys.stdout.flush()
        return failures
    with open_atomically(path) as file:
        if format in WRITERS:
            for piece in WRITERS[format](watched, top_k):
                # File names that are not valid text keep their bytes.
                file.write(piece.encode("utf-8", "surrogateescape"))
        else:
            write_parquet(watched, file)
    return failures


def _drain(buffer: io.StringIO) -> str:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text.removesuffix("\r\n") + "\n"
