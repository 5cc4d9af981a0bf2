"""Photos that are searched with: the vector that the index has of them, or else a new one."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cupl.embedding.image_cache import ImageCache
from cupl.embedding.image_sources import ImageSource, url_scheme
from cupl.embedding.image_stream import encode_sources
from cupl.encoders.protocol import Encoder
from cupl.errors import InputError
from cupl.index.lookup import rows_by_id
from cupl.index.rows import ID, VECTOR, absolute, path_id, vector_matrix
from cupl.index.store import PhotoStore

Vector = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class ExamplePhoto:
    """A photo that others are to be like, or unlike.

    Attributes:
        id: the key that it has in the index, if it is there; None of what is no file.
        vector: float32 ``[dim]`` at length 1; None where it cannot be read.
        error: why not.

    """

    id: str | None
    vector: Vector | None
    error: str = ""


def photo_examples(
    store: PhotoStore,
    encoder: Callable[[], Encoder],
    images: Sequence[ImageSource],
    image_cache: ImageCache = None,
) -> list[ExamplePhoto]:
    """The vectors of photos.

    A file that is in the index, and was not changed since, is not read; one that is gone neither.

    Args:
        store: of the index.
        encoder: called where a photo has to be encoded.
        images: the photos.
        image_cache: see :data:`~cupl.embedding.image_cache.ImageCache`.

    Returns:
        One a photo, in order.

    """
    paths = [_whole(one) for one in images]
    ids = [None if path is None else path_id(path) for path in paths]
    kept = _kept(store, {id: path for id, path in zip(ids, paths, strict=True) if id and path})
    found = [ExamplePhoto(id, kept.get(id) if id else None) for id in ids]
    others = [place for place, one in enumerate(found) if one.vector is None]
    if others:
        sources = [images[place] for place in others]
        with closing(encode_sources(sources, encoder(), image_cache=image_cache)) as encoded:
            for place, one in zip(others, encoded, strict=True):
                vector = None if one.vector is None else unit_vector(one.vector.numpy())
                found[place] = ExamplePhoto(ids[place], vector, one.error or "")
    return found


def _whole(image: ImageSource) -> str | None:
    """The path of a file as the index has it."""
    if not isinstance(image, str | os.PathLike):
        return None
    name = os.fspath(image)
    return None if url_scheme(name) else absolute(name)


def _kept(store: PhotoStore, paths: dict[str, str]) -> dict[str, Vector]:
    """The vectors that an index has of files, by their keys."""
    vectors: dict[str, Vector] = {}
    columns = [ID, "size", "mtime_ns", VECTOR]
    for table in rows_by_id(store, columns, list(paths)):
        facts = (table.column(name).to_pylist() for name in columns[:3])
        for id, size, changed, row in zip(*facts, vector_matrix(table), strict=True):
            if _is_as_it_was(paths[id], size, changed):
                vectors[id] = unit_vector(row)
    return vectors


def _is_as_it_was(path: str, size: int, changed: int) -> bool:
    try:
        status = os.stat(path)  # noqa: PTH116 (a name of any bytes)
    except (OSError, ValueError):
        return True  # the index is what is known of it
    return (status.st_size, status.st_mtime_ns) == (size, changed)


def unit_vector(vector: npt.ArrayLike) -> Vector:
    """A vector at length 1.

    Raises:
        InputError: it is zero or not finite.

    """
    values = np.asarray(vector, np.float64)
    length = np.linalg.norm(values)
    if not (length > 0 and np.isfinite(length)):
        raise InputError("the vector is zero or not finite, and has no direction to search in")
    unit: Vector = (values / length).astype(np.float32)
    return unit
