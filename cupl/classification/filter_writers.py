"""Decisions of a filter as a table to read, or as CSV, JSON lines or Parquet for a program."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from cupl.classification.filter_decision import FilterDecision, NearestClass
from cupl.classification.writers import TABLE_ROWS, FailedImages, check_format
from cupl.io.csv import csv_lines
from cupl.io.file_kinds import DECISION_TABLE, DECISIONS, PARQUET, kind_of_file
from cupl.io.replacing import open_replacing
from cupl.io.tables import Column, draw_table
from cupl.io.terminal import terminal_width
from cupl.io.text import name_as_text

_NUMBERS = ("margin", "blocked_score", "allowed_score", "prompt_score")
_COLUMNS = tuple(FilterDecision("review").to_dict())
_ROW_GROUP = 10_000


def _csv(decisions: Iterable[FilterDecision]) -> Iterator[str]:
    def cells() -> Iterator[list[str]]:
        yield list(_COLUMNS)
        for one in decisions:
            yield [_cell(value) for value in one.to_dict().values()]

    return csv_lines(cells())


def _cell(value: str | float | None) -> str:
    return f"{value:.6f}" if isinstance(value, float) else value or ""


def _json_lines(decisions: Iterable[FilterDecision]) -> Iterator[str]:
    return (f"{json.dumps(one.to_dict())}\n" for one in decisions)


def _table(decisions: Iterable[FilterDecision], width: int | None = None) -> Iterator[str]:
    """A table for a person, a new one every ``TABLE_ROWS`` images."""
    rows = iter(decisions)
    columns = [
        Column("image", "path"), Column("decision", "whole"), Column("margin", "number"),
        Column("blocked", rank=1), Column("allowed", rank=1), Column("prompt", rank=2),
    ]  # fmt: skip
    part = list(islice(rows, TABLE_ROWS))
    while True:
        failed = {place for place, one in enumerate(part) if one.error is not None}
        yield draw_table(columns, list(map(_row, part)), width, failed)
        if not (part := list(islice(rows, TABLE_ROWS))):
            return


def _row(one: FilterDecision) -> list[str]:
    error = "" if one.error is None else f"error: {one.error}"
    margin = "" if one.margin is None else f"{one.margin:+.3f}"
    prompt = error or one.prompt or ""
    return [one.path or "", one.decision, margin, _named(one.blocked), _named(one.allowed), prompt]


def _named(side: NearestClass | None) -> str:
    return "" if side is None else f"{side.label} {side.score:.3f}"


def _write_parquet(decisions: Iterable[FilterDecision], file: BinaryIO) -> None:
    """Text is UTF-8: a file name that is not has its odd bytes spelled out."""
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    kinds = {name: pa.float32() if name in _NUMBERS else pa.string() for name in _COLUMNS}
    rows, schema = iter(decisions), pa.schema(kinds)
    with ParquetWriter(file, schema, store_schema=False) as writer:
        while group := [one.to_dict() for one in islice(rows, _ROW_GROUP)]:
            for row in group:
                row["path"] = row["path"] and name_as_text(row["path"])
            writer.write_table(pa.Table.from_pylist(group, schema=schema))


_WRITERS: dict[str, Callable[[Iterable[FilterDecision]], Iterator[str]]] = {
    "table": _table,
    "csv": _csv,
    "jsonl": _json_lines,
}


def write_decisions(
    decisions: Iterable[FilterDecision], format: str, path: Path | None
) -> FailedImages:
    """Write decisions as they come, in memory that does not grow with them.

    Args:
        decisions: read once.
        format: one of :data:`~cupl.classification.writers.FORMATS`.
        path: the file to write, whole or not at all; None for standard output. What is there and is
            no decisions is kept as ``PATH.old``.

    Returns:
        Those that are errors.

    Raises:
        InputError: the format cannot be written there, or the file cannot be written.

    """
    check_format(format, path)
    failures = FailedImages()
    watched = failures.watch(decisions)
    if path is None:
        writer = partial(_table, width=terminal_width()) if format == "table" else _WRITERS[format]
        for piece in writer(watched):
            sys.stdout.write(piece)
            sys.stdout.flush()
        return failures
    with open_replacing(path, _is_decisions) as file:
        if format == "parquet":
            _write_parquet(watched, file)
        else:
            for piece in _WRITERS[format](watched):
                # File names that are not valid text keep their bytes.
                file.write(piece.encode("utf-8", "surrogateescape"))
    return failures


def _is_decisions(path: Path) -> bool:
    kind = kind_of_file(path)
    if kind != PARQUET:
        return kind in (DECISIONS, DECISION_TABLE)
    from cupl.classification.parquet import begins_with

    return begins_with(path, list(_COLUMNS))
