"""Columns of a Parquet file as arrays: lists of numbers are the rows of a matrix."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cupl.embedding.array_files import ROWS, Kind, NotReadError, StoredArray, skipped
from cupl.embedding.vectors_file import MAX_DIM


def open_parquet(path: Path) -> Iterator[StoredArray]:
    """The columns of a file; those of any other type are left out."""
    with _opened(path) as table:
        rows, schema = table.metadata.num_rows, table.schema_arrow
        if rows < 0:
            raise ValueError(f"it says that it has {rows} rows")
    for field in schema:
        if _is_list(field.type):
            kind, wide = _kind(field.type.value_type), getattr(field.type, "list_size", None)
            if wide is None and rows and kind == "real":
                wide = _first_width(path, field.name)
            blocks = partial(_blocks, path, field.name, wide)
            yield StoredArray(field.name, (rows, wide), kind, str(field.type), blocks)
        else:
            kind, blocks = _kind(field.type), partial(_blocks, path, field.name, None)
            yield StoredArray(field.name, (rows,), kind, str(field.type), blocks)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """A file of which only the footer is read: by a stream and one thread, see ``image_tables``."""
    with (
        path.open("rb") as stream,
        pq.ParquetFile(stream, pre_buffer=False, page_checksum_verification=True) as table,
    ):
        yield table


def _first_width(path: Path, name: str) -> int | None:
    """Of the first vector that there is."""
    for column in _columns(path, name):
        widths = pc.drop_null(pc.list_value_length(column))
        if len(widths):
            return int(widths[0].as_py())
    return None


def _blocks(path: Path, name: str, width: int | None, number: int) -> Iterator[Any]:
    return skipped(_all_blocks(path, name, width), number)


def _all_blocks(path: Path, name: str, width: int | None) -> Iterator[Any]:
    for column in _columns(path, name):
        if _is_list(column.type):
            yield _matrix(column, width or 0)
        else:
            yield [None if one is None else _text(one) for one in column.to_pylist()]


def _columns(path: Path, name: str) -> Iterator[Any]:
    """A column, :data:`ROWS` rows at a time, whatever the groups of the file are."""
    with _opened(path) as table:
        waiting: list[Any] = []
        for batch in table.iter_batches(ROWS, columns=[name], use_threads=False):
            waiting.append(batch.column(0))
            while sum(map(len, waiting)) >= ROWS:
                whole = _joined(waiting)
                yield whole[:ROWS]
                waiting = [whole[ROWS:]]
        if sum(map(len, waiting)):
            yield _joined(waiting)


def _joined(parts: list[Any]) -> Any:
    whole = pa.chunked_array(parts).combine_chunks()
    return whole.chunk(0) if isinstance(whole, pa.ChunkedArray) else whole


def _matrix(column: Any, width: int) -> npt.NDArray[Any]:
    """Rows of one width; NaN is what has none, or another."""
    if width > MAX_DIM:
        raise NotReadError(f"rows of {width:,} numbers are no vectors")
    lengths = pc.fill_null(pc.list_value_length(column), -1).to_numpy(zero_copy_only=False)
    whole = lengths == width
    matrix = np.full((len(column), width), np.nan, np.float64)
    flat = pc.list_flatten(column.filter(pa.array(whole)))
    numbers = flat.cast(pa.float64()) if flat.type != pa.float16() else flat
    values = numbers.to_numpy(zero_copy_only=False).astype(np.float64)
    matrix[whole] = values.reshape(-1, width) if width else values.reshape(int(whole.sum()), 0)
    return matrix


def _is_list(kind: Any) -> bool:
    lists = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    return any(is_list(kind) for is_list in lists)


def _kind(kind: Any) -> Kind:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_floating(kind):
        return "real"
    if pa.types.is_integer(kind):
        return "whole"
    texts = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    return "text" if any(is_text(kind) for is_text in texts) else "other"


def _text(value: Any) -> Any:
    return value if isinstance(value, str | int) else str(value)
