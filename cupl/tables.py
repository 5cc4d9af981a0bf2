"""Predictions as a table to read, or as CSV or JSON lines for a program."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cupl.errors import InputError
from cupl.files import open_atomically

if TYPE_CHECKING:
    from cupl.classifier import Prediction

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
        record: dict[str, Any] = {
            "path": prediction.path,
            "label": prediction.label,
            "id": prediction.id,
            "score": prediction.score,
            "probability": prediction.probability,
            "error": prediction.error,
            "top": [asdict(score) for score in prediction.top],
        }
        yield json.dumps(record) + "\n"


def table(predictions: Iterable[Prediction], top_k: int) -> Iterator[str]:
    """A table for a person: the best class with its numbers, then the others."""
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
    yield capture.get()


WRITERS: dict[str, Writer] = {"table": table, "csv": csv_rows, "jsonl": json_lines}


def printable(text: str) -> str:
    """The text with control characters spelled out, so that no name can repaint a terminal."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def write_predictions(
    predictions: Iterable[Prediction], top_k: int, format: str, path: Path | None
) -> int:
    """Write predictions as they come.

    Args:
        predictions: read once.
        top_k: the number of classes that each names.
        format: a name in ``WRITERS``.
        path: the file to write, whole or not at all; None for standard output.

    Returns:
        How many of them are errors.

    Raises:
        InputError: there is no such format, or the file cannot be written.

    """
    if format not in WRITERS:
        raise InputError(f"no format is called {format!r}: use {', '.join(WRITERS)}")
    failed = 0

    def counted() -> Iterator[Prediction]:
        nonlocal failed
        for prediction in predictions:
            failed += prediction.error is not None
            yield prediction

    pieces = WRITERS[format](counted(), top_k)
    if path is None and sys.stdout is None:
        raise InputError("standard output is closed; name a file with -o")
    if path is None:
        for piece in pieces:
            sys.stdout.write(piece)
        sys.stdout.flush()
    else:
        with open_atomically(path) as file:
            for piece in pieces:
                # File names that are not valid text keep their bytes.
                file.write(piece.encode("utf-8", "surrogateescape"))
    return failed


def _drain(buffer: io.StringIO) -> str:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text.removesuffix("\r\n") + "\n"
