"""The Parquet table of a shard: the path of each image, and its row of the vectors or its error."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cupl.errors import InputError

_MAX_BYTES = 2**28
"""Of what a table says: 2,700 for each image of the largest shard."""
_SCHEMA = pa.schema(
    {"path": pa.string(), "path_bytes": pa.binary(), "row": pa.int32(), "error": pa.string()}
)
_TEXTS = ("path", "path_bytes", "error")


def write_image_table(
    paths: Sequence[str],
    errors: Sequence[str | None],
    metadata: Mapping[str, str],
    file: BinaryIO,
) -> None:
    """Write a table of images, of which those without an error have the next row each.

    Raises:
        InputError: a path is no name that a file can have.

    """
    names = [_stored(path) for path in paths]
    rows = iter(range(len(paths)))
    columns = {
        "path": [name for name, _ in names],
        "path_bytes": [raw for _, raw in names],
        "row": [next(rows) if error is None else None for error in errors],
        "error": [error and error.encode(errors="backslashreplace") for error in errors],
    }
    table = pa.table(columns, _SCHEMA).replace_schema_metadata(dict(metadata))
    pq.write_table(table, file, write_page_checksum=True)


@contextlib.contextmanager
def open_image_table(file: Path) -> Iterator[Any]:
    """A table of images of which only the footer has been read and checked.

    Raises:
        InputError: cupl did not write it, or it says more than images can.
        OSError, ValueError, pyarrow.ArrowException: it is no Parquet file, or damaged.

    """
    # A stream, because Arrow wants a name that is UTF-8. And no threads of Arrow's: one that still
    # ends while a short process exits aborts it ("terminate called without an active exception").
    # As dictionaries, because a long text may be stored once for all rows.
    with file.open("rb") as stream, contextlib.ExitStack() as opened:
        try:
            table = pq.ParquetFile(
                stream, pre_buffer=False, read_dictionary=_TEXTS, page_checksum_verification=True
            )
        except KeyError as error:  # a column of these is missing
            raise InputError("cupl did not write it") from error
        opened.enter_context(table)
        footer = table.metadata
        groups = [footer.row_group(i) for i in range(footer.num_row_groups)]
        # Nothing is asked of their columns: what is damaged there ends the process in pyarrow.
        if not _plain(table.schema_arrow).equals(_SCHEMA):
            raise InputError("cupl did not write it")
        _check_size(sum(group.total_byte_size for group in groups))
        yield table


def read_image_table(table: Any) -> tuple[list[str], list[str | None]]:
    """Path and error of each image.

    Raises:
        InputError: what it says is not what cupl writes.

    """
    read = table.read(use_threads=False)
    _check_size(sum(map(_text_bytes, map(read.column, _TEXTS))))
    columns = read.to_pydict()
    errors = columns["error"]
    rows = iter(range(len(errors)))
    if columns["row"] != [next(rows) if error is None else None for error in errors]:
        raise InputError("its rows and errors do not fit together")
    paths = [
        name if raw is None else os.fsdecode(raw)
        for name, raw in zip(columns["path"], columns["path_bytes"], strict=True)
    ]
    if None in paths:
        raise InputError("an image without a path")
    if any("\0" in path for path in paths):
        raise InputError("a path with a NUL, which no file has")
    return paths, errors


def _check_size(size: int) -> None:
    if size > _MAX_BYTES:
        raise InputError(f"larger than {_MAX_BYTES // 2**20} MiB")


def _plain(schema: Any) -> Any:
    """The types of the texts themselves, where they are read as dictionaries."""
    return pa.schema(
        [f.with_type(getattr(f.type, "value_type", f.type)) for f in schema], schema.metadata
    )


def _text_bytes(column: Any) -> int:
    """What the texts take once each row has its own."""
    sizes = (pc.binary_length(chunk.dictionary).take(chunk.indices) for chunk in column.chunks)
    return sum(pc.sum(part).as_py() or 0 for part in sizes)


def _stored(path: str) -> tuple[str, bytes | None]:
    """The path as text, and its bytes where these are not UTF-8."""
    if "\0" in path:
        raise InputError(f"{path!r:.200} is no name that a file can have")
    try:
        path.encode()
    except UnicodeEncodeError:
        try:
            raw = os.fsencode(path)
        except UnicodeEncodeError as error:
            raise InputError(f"{path!r:.200} is no name that a file can have") from error
        return raw.decode(errors="backslashreplace"), raw
    return path, None
