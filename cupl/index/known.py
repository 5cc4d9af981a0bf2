"""What an index knows of its photos, as arrays: a million of them take 100 MB."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cupl.index.rows import ID, VECTOR, path_id
from cupl.index.store import PhotoStore
from cupl.index.unusable import are_usable

_DIGITS = "S16"
"""So much of a content's digest is kept, to leave out those that are surely new."""
_AT_ONCE = 100_000
NOT_THERE = (-1, -1)
_UNUSABLE = -2


class KnownPhotos:
    """Keys, sizes, times and contents of the photos in an index, as they were when a run began."""

    def __init__(self, store: PhotoStore, *, vectors: bool = False) -> None:
        """Read what the index has.

        Args:
            store: of the index.
            vectors: take photos whose vectors are damaged for changed, and their contents for new.

        """
        columns = [ID, "size", "mtime_ns", "sha256", *([VECTOR] if vectors else [])]
        ids, states, contents = list[Any](), list[Any](), list[Any]()
        for part in store.scan(columns):
            usable = are_usable(part) if vectors else np.ones(len(part), bool)
            ids += part.column(ID).chunks
            both = (part.column(name).to_numpy() for name in ("size", "mtime_ns"))
            states.append(np.where(usable[:, None], np.stack(list(both), axis=1), _UNUSABLE))
            contents.append(_digits(part.column("sha256").to_pylist())[usable])
        self._ids = pa.chunked_array(ids, pa.string())
        self._states = np.concatenate([np.empty((0, 2), np.int64), *states])
        self._contents = np.unique(np.concatenate([_digits([]), *contents]))

    def are_known(self, paths: Sequence[str]) -> npt.NDArray[np.bool_]:
        """Which of some photos are in it: bool ``[paths]``."""
        return self._places(paths) >= 0

    def are_unchanged(
        self, paths: Sequence[str], states: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.bool_]:
        """Which of some photos are in it with the same size and time: bool ``[paths]``.

        Args:
            paths: of the photos.
            states: ``[paths, 2]``, of :func:`states_of`.

        """
        places = self._places(paths)
        found = places >= 0
        found[found] = (self._states[places[found]] == states[found]).all(axis=1)
        return found

    def may_have(self, digest: str) -> bool:
        """Whether a photo of that content may be in it; if not, none is."""
        digits = _digits([digest])
        place = np.searchsorted(self._contents, digits)[0]
        return bool(place < len(self._contents) and self._contents[place] == digits[0])

    def learn(self, digests: Iterable[str]) -> None:
        """Note contents that it has now."""
        new = np.unique(_digits(list(digests)))
        self._contents = np.insert(self._contents, np.searchsorted(self._contents, new), new)

    def _places(self, paths: Sequence[str]) -> npt.NDArray[np.int64]:
        """Where each is among those that were known; -1 where it is not."""
        found = [
            pc.fill_null(pc.index_in(ids_of(paths[i : i + _AT_ONCE]), value_set=self._ids), -1)
            for i in range(0, len(paths), _AT_ONCE)
        ]
        return np.concatenate([np.empty(0, np.int64), *(part.to_numpy() for part in found)])


def ids_of(paths: Iterable[str]) -> Any:
    """The keys of some photos' rows, as an array of pyarrow."""
    return pa.array(map(path_id, paths), pa.string())


def states_of(paths: Sequence[str]) -> npt.NDArray[np.int64]:
    """Size in bytes and time of the last change in ns of files: ``[paths, 2]``.

    Both are -1 of what is not there.
    """
    states = np.empty((len(paths), 2), np.int64)
    for place, path in enumerate(paths):
        states[place] = state_of(path)
    return states


def state_of(path: str) -> tuple[int, int]:
    """The same of one file."""
    try:
        status = os.stat(path)  # noqa: PTH116 (of a million files)
    except (OSError, ValueError):
        return NOT_THERE
    return status.st_size, status.st_mtime_ns


def _digits(digests: Sequence[str | None]) -> npt.NDArray[np.bytes_]:
    return np.array([(one or "").encode()[:16] for one in digests], _DIGITS)
