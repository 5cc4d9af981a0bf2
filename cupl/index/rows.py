"""A photo in the library: what is kept of it beside its vector, and how a table holds it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cupl.embedding.image_sources import url_scheme
from cupl.embedding.tar_files import SEPARATOR, tar_and_member
from cupl.errors import InputError

Numbers: TypeAlias = Literal["float16", "float32"]
"""Types of number that vectors are kept as."""
ID, VECTOR, SCORE = "id", "vector", "score"
_COLUMNS = {
    ID: pa.string(),
    "path": pa.string(),
    "raw_path": pa.string(),
    "sha256": pa.string(),
    "size": pa.int64(),
    "mtime_ns": pa.int64(),
    "root": pa.int32(),
    "width": pa.int32(),
    "height": pa.int32(),
    "date": pa.string(),
    "latitude": pa.float64(),
    "longitude": pa.float64(),
    "label": pa.string(),
    "probability": pa.float32(),
    "tags": pa.list_(pa.string()),
}
COLUMNS = tuple(_COLUMNS)
"""All but the vector."""


@dataclass(frozen=True, slots=True)
class PhotoRow:
    """What the library knows of a photo.

    Attributes:
        path: of the file, absolute; as Python names files, whatever its bytes are.
        sha256: of the file's content, in hexadecimal.
        size: of the file, in bytes.
        mtime_ns: when the file was changed last, in nanoseconds.
        width: in pixels, upright.
        height: likewise.
        root: how many characters of the path are the folder that was named when it was added,
            which an update goes over; 0 of a file that was named itself.
        date: when it was taken, as the photo says: ``2024-05-31 14:03:59``.
        latitude: where, in degrees north.
        longitude: in degrees east.
        label: its class, where it was tagged.
        probability: of that class.
        tags: all classes that it was tagged with.

    """

    path: str
    sha256: str
    size: int
    mtime_ns: int
    width: int | None
    height: int | None
    root: int = 0
    date: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    label: str | None = None
    probability: float | None = None
    tags: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """The key of its row: of its path."""
        return path_id(self.path)


def absolute(path: str) -> str:
    """A path from the root on, without following links; a URL as it is.

    Of a member of a tar its own name is kept, which means nothing to a file system.
    """
    if url_scheme(path):
        return path
    if (inside := tar_and_member(path)) is not None:
        return os.path.abspath(inside[0]) + SEPARATOR + inside[1]  # noqa: PTH100
    return os.path.abspath(path)  # noqa: PTH100


def path_id(path: str) -> str:
    """The key of a photo's row: 32 hexadecimal digits that a path decides."""
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:32]


def table_schema(dim: int, numbers: Numbers) -> Any:
    """The columns of a table of photos with vectors of a width."""
    number = pa.float16() if numbers == "float16" else pa.float32()
    key = pa.field(ID, _COLUMNS[ID], nullable=False)
    others = [(name, kind) for name, kind in _COLUMNS.items() if name != ID]
    return pa.schema([key, *others, (VECTOR, pa.list_(number, dim))])


def rows_table(
    rows: Sequence[PhotoRow], vectors: npt.NDArray[np.floating[Any]], numbers: Numbers
) -> Any:
    """Photos and their vectors as a table.

    Args:
        rows: the photos.
        vectors: ``[photos, dim]``; they are made unit vectors, none may be zero.
        numbers: as which they are kept.

    """
    unit = np.array(vectors, np.float32)
    unit /= np.sqrt(np.einsum("ij,ij->i", unit, unit))[:, None]
    stored = [_stored_path(row.path) for row in rows]
    columns: dict[str, list[Any]] = {
        ID: [row.id for row in rows],
        "path": [path for path, _ in stored],
        "raw_path": [raw for _, raw in stored],
    }
    for name in COLUMNS[len(columns) :]:
        columns[name] = list(map(attrgetter(name), rows))
    arrays = [pa.array(columns[name], _COLUMNS[name]) for name in COLUMNS]
    return pa.table([*arrays, vector_column(unit, numbers)], table_schema(unit.shape[1], numbers))


def vector_column(matrix: npt.NDArray[np.floating[Any]], numbers: Numbers) -> Any:
    """Vectors, ``[photos, dim]``, as a column of a table."""
    flat = pa.array(np.ascontiguousarray(matrix, numbers).ravel())
    return pa.FixedSizeListArray.from_arrays(flat, matrix.shape[1])


def rows_elsewhere(
    table: Any, paths: Sequence[str], roots: Sequence[int], mtimes_ns: Sequence[int]
) -> Any:
    """The rows of a table, of all columns, as those of other files with the same content."""
    stored = [_stored_path(path) for path in paths]
    columns: dict[str, list[Any]] = {
        ID: list(map(path_id, paths)),
        "path": [text for text, _ in stored],
        "raw_path": [raw for _, raw in stored],
        "root": list(roots),
        "mtime_ns": list(mtimes_ns),
    }
    return with_columns(table, columns)


def with_columns(table: Any, columns: Mapping[str, Sequence[Any]]) -> Any:
    """A table with other values in some of its columns."""
    for name, values in columns.items():
        place = table.schema.get_field_index(name)
        field = table.schema.field(place)
        table = table.set_column(place, field, pa.array(values, field.type))
    return table


def rows_of(table: Any) -> Iterator[PhotoRow]:
    """The photos of a table that has all columns but perhaps the vector.

    Raises:
        InputError: a path in it cannot be one.

    """
    for record in table.select(COLUMNS).to_pylist():
        record["path"] = _real_path(record["path"], record.pop("raw_path"))
        record["tags"] = tuple(record["tags"] or ())
        record.pop(ID)
        yield PhotoRow(**record)


def paths_of(table: Any) -> list[str]:
    """The paths of a table's photos, as Python names files."""
    columns = (table.column(name).to_pylist() for name in ("path", "raw_path"))
    return [_real_path(path, raw) for path, raw in zip(*columns, strict=True)]


def vector_matrix(table: Any) -> npt.NDArray[np.float32]:
    """The vectors of a table: ``[photos, dim]``."""
    column = table.column(VECTOR).combine_chunks()
    flat = column.flatten().to_numpy(zero_copy_only=False)
    matrix: npt.NDArray[np.float32] = flat.reshape(len(column), column.type.list_size).astype(
        np.float32
    )
    return matrix


def _stored_path(path: str) -> tuple[str, str | None]:
    """The path as text, and its bytes in base64 where these are no text."""
    raw = os.fsencode(path)
    try:
        return raw.decode(), None
    except UnicodeDecodeError:
        return raw.decode(errors="backslashreplace"), base64.b64encode(raw).decode()


def _real_path(path: str | None, raw: str | None) -> str:
    try:
        found = os.fsdecode(base64.b64decode(raw, validate=True)) if raw else path
    except binascii.Error:
        found = None
    if not found or "\0" in found:
        raise InputError(f"the index holds a photo without a path that can be used: {path!r:.100}")
    return found
