"""Columns of a Parquet file as arrays: lists of numbers are the rows of a matrix."""

from __future__ import annotations

from collections import Counter
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

_LONGEST = 2**16
"""Bytes of a text: 1,024 paths of any system are far shorter."""


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
                wide = _usual_width(path, field.name)
            blocks = partial(_blocks, path, field.name, wide)
            yield StoredArray(field.name, (rows, wide), kind, str(field.type), blocks)
        else:
            kind = _kind(field.type)
            blocks = partial(_blocks, path, field.name, None, text=kind == "text")
            yield StoredArray(field.name, (rows,), kind, str(field.type), blocks)


@contextmanager
def _opened(path: Path, texts: str | None = None) -> Iterator[Any]:
    """A file of which only the footer is read: by a stream and one thread, see ``image_tables``.

    A column of texts stays as the dictionary of the file, where one of many rows is there once.
    """
    with (
        path.open("rb") as stream,
        pq.ParquetFile(
            stream,
            pre_buffer=False,
            page_checksum_verification=True,
            read_dictionary=[] if texts is None else [texts],
        ) as table,
    ):
        yield table


def _usual_width(path: Path, name: str) -> int | None:
    """Of most rows in the first block that has any: one odd row does not speak for all others."""
    for column in _columns(path, name):
        lengths = pc.drop_null(pc.list_value_length(column)).to_pylist()
        widths = Counter(one for one in lengths if one)
        if widths:
            return int(widths.most_common(1)[0][0])
    return None


def _blocks(
    path: Path, name: str, width: int | None, number: int, *, text: bool = False
) -> Iterator[Any]:
    return skipped(_all_blocks(path, name, width, text), number)


def _all_blocks(path: Path, name: str, width: int | None, text: bool) -> Iterator[Any]:
    for column in _columns(path, name, text):
        if _is_list(column.type):
            yield _matrix(column, width or 0)
        else:
            yield [None if one is None else _text(one) for one in column.to_pylist()]


def _columns(path: Path, name: str, text: bool = False) -> Iterator[Any]:
    """A column, :data:`ROWS` rows at a time, whatever the groups of the file are."""
    with _opened(path, name if text else None) as table:
        _check_widths(name, table.metadata)
        waiting: list[Any] = []
        for batch in table.iter_batches(ROWS, columns=[name], use_threads=False):
            waiting.append(_decoded(batch.column(0)))
            while sum(map(len, waiting)) >= ROWS:
                whole = _joined(waiting)
                yield whole[:ROWS]
                waiting = [whole[ROWS:]]
        if sum(map(len, waiting)):
            yield _joined(waiting)


def _check_widths(name: str, metadata: Any) -> None:
    """A few bytes of a file can stand for rows without end."""
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        for leaf in map(group.column, range(group.num_columns)):
            numbers = leaf.num_values // max(group.num_rows, 1)
            if leaf.path_in_schema.startswith(f"{name}.") and numbers > MAX_DIM:
                raise NotReadError(f"rows of {numbers:,} numbers are no vectors")


def _decoded(column: Any) -> Any:
    """The texts of rows, not of a dictionary, which may be long for many rows at once."""
    if not pa.types.is_dictionary(column.type):
        return column
    texts = column.dictionary
    if _kind(texts.type) == "text" and (pc.max(pc.binary_length(texts)).as_py() or 0) > _LONGEST:
        raise NotReadError(f"texts of over {_LONGEST:,} letters are no names")
    return column.dictionary_decode()


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
