"""Photos that were found as CSV, JSON lines or Parquet, and as a table to read."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from cupl.classification.writers import joined_names
from cupl.errors import InputError
from cupl.index.found import FoundPhoto
from cupl.index.rows import PhotoRow, table_schema
from cupl.io.csv import Cell, csv_lines
from cupl.io.file_kinds import FOUND, PARQUET, kind_of_file
from cupl.io.replacing import open_replacing
from cupl.io.tables import Column, draw_table
from cupl.io.terminal import printable, terminal_width
from cupl.io.text import name_as_text

FIELDS = (
    "score", "path", "date", "label", "probability", "tags", "width", "height", "size", "latitude",
    "longitude", "sha256",
)  # fmt: skip
"""Columns of a file, behind those that a list has of its own."""


@dataclass(frozen=True, slots=True, eq=False)
class FoundList:
    """Photos in the order of a file or a page.

    Attributes:
        rows: cells of the list's own columns, and the photo.
        columns: names of those; photos with the same value in the first are shown together.

    """

    rows: Sequence[tuple[tuple[Cell, ...], FoundPhoto]]
    columns: tuple[str, ...] = ()


def write_found(found: FoundList, format: str, path: Path | None) -> None:
    """Write photos to a file, or print them.

    Args:
        found: the photos.
        format: ``table`` (printed only), ``csv``, ``jsonl`` or ``parquet`` (to a file only).
        path: the file to write, whole or not at all; None for standard output. What is there and is
            no such list is kept as ``PATH.old``.

    Raises:
        InputError: the file cannot be written.

    """
    if path is None:
        for piece in found_text(found, format):
            sys.stdout.write(piece)
        sys.stdout.flush()
        return
    with open_replacing(path, _is_list) as file:
        if format == "parquet":
            import pyarrow.parquet as pq

            pq.write_table(_arrow(found), file)
            return
        for piece in found_text(found, format):
            # File names that are not valid text keep their bytes.
            file.write(piece.encode("utf-8", "surrogateescape"))


def write_paths(photos: Iterable[FoundPhoto], *, null: bool) -> None:
    """Print the paths alone, as bytes: one a line, or each with a NUL behind it."""
    end = b"\0" if null else b"\n"
    sys.stdout.flush()
    raw = getattr(sys.stdout, "buffer", None)
    for photo in photos:
        line = os.fsencode(photo.path) + end
        if raw is None:
            sys.stdout.write(line.decode("utf-8", "backslashreplace"))
        else:
            raw.write(line)
    sys.stdout.flush()


def pixels_in_words(photo: PhotoRow) -> str:
    """``4000 × 3000``; a dash where they are not known."""
    return f"{photo.width} × {photo.height}" if photo.width and photo.height else "-"


def found_text(found: FoundList, format: str) -> Iterator[str]:
    """Photos as ``csv``, ``jsonl`` or ``table``, piece by piece; file names keep their bytes.

    Raises:
        InputError: it is none of these.

    """
    if format == "csv":
        return csv_lines(_cells(found))
    if format == "jsonl":
        return (json.dumps(_record(found, row, photo)) + "\n" for row, photo in found.rows)
    if format == "table":
        return _tables(found, terminal_width())
    raise InputError(f"{format} is not for printing; name a file", arguments={"output": ...})


def _record(found: FoundList, row: tuple[Cell, ...], photo: FoundPhoto) -> dict[str, Any]:
    own = dict(zip(found.columns, row, strict=True))
    known = {name: getattr(photo.photo, name) for name in FIELDS if name != "score"}
    return {**own, "score": round(photo.score, 6), **known, "tags": list(photo.photo.tags)}


def _cells(found: FoundList) -> Iterator[list[Any]]:
    yield [*found.columns, *FIELDS]
    for row, photo in found.rows:
        record = _record(found, row, photo)
        record["score"] = f"{photo.score:.6f}"
        record["tags"] = joined_names(photo.photo.tags)
        yield [_plain(value) for value in record.values()]


def _plain(value: Cell) -> str | int | float:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else value


def _arrow(found: FoundList) -> Any:
    import pyarrow as pa

    known = table_schema(1, "float32")
    types = {name: known.field(name).type for name in FIELDS if name != "score"}
    types |= {"score": pa.float32(), "group": pa.int64(), "keep": pa.bool_(), "exact": pa.bool_()}
    names = [*found.columns, *FIELDS]
    records = [_record(found, *row) | {"path": name_as_text(row[1].path)} for row in found.rows]
    schema = pa.schema([(name, types.get(name, pa.string())) for name in names])
    return pa.Table.from_pylist(records, schema)


def _is_list(path: Path) -> bool:
    kind = kind_of_file(path)
    if kind != PARQUET:
        return kind == FOUND
    import pyarrow as pa
    from pyarrow.parquet import read_schema

    try:
        names: list[str] = read_schema(path).names
    except (OSError, pa.ArrowException):
        return False
    return tuple(names[-len(FIELDS) :]) == FIELDS


def _tables(found: FoundList, width: int | None) -> Iterator[str]:
    """One table, or one for each value of the first of the list's own columns."""
    if not found.columns:
        yield _table(found, width)
        return
    for number, (value, rows) in enumerate(groupby(found.rows, lambda row: row[0][0])):
        begin = "\n" if number else ""
        yield f"{begin}{printable(f'{found.columns[0]} {value}')}\n"
        yield _table(FoundList([*rows], found.columns), width)


def _table(found: FoundList, width: int | None) -> str:
    photos = [one for _, one in found.rows]
    keeps = "keep" in found.columns
    columns = [Column("score", "number")]
    columns += [Column("date", "whole", rank=2)] if any(one.photo.date for one in photos) else []
    columns += [Column("pixels", "number", 1), Column("", "whole")] if keeps else []
    tagged = any(one.photo.tags for one in photos) and not keeps
    columns += [Column("tags", "list", rank=3)] if tagged else []
    columns.append(Column("photo", "path"))
    rows = []
    for row, one in found.rows:
        photo = one.photo
        known = {
            "score": f"{one.score:.3f}", "date": (photo.date or "")[:16],
            "pixels": pixels_in_words(photo), "tags": ", ".join(photo.tags),
            "photo": one.path, "": "keep" if keeps and row[found.columns.index("keep")] else "",
        }  # fmt: skip
        rows.append([known[column.title] for column in columns])
    return draw_table(columns, rows, width)
