"""The rows of photos in whose files cupl writes: they stay those of the photos, with all they say.

An index knows a photo by its content. Keywords change that and nothing that is seen, so that the
row gets the new content's digest, size and time, and keeps its vector, its label and its tags.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from cupl.index.reading import WRITTEN_AT_ONCE
from cupl.index.rewriting import real_file
from cupl.index.rows import COLUMNS, VECTOR, paths_of, with_columns
from cupl.index.store import PhotoStore
from cupl.index.where import where_in


@dataclass(frozen=True, slots=True)
class _Rewritten:
    """A file's content before (its digest) and after (digest, size, time)."""

    before: str
    after: str
    size: int
    mtime_ns: int


class RewrittenRows:
    """Brings rows to what was written into the files of their photos.

    Rows of other contents stay as they are: the photos have been changed since the index was
    updated, and its next update is to read them.

    Args:
        store: of the index; None where the photos are of none.

    """

    def __init__(self, store: PhotoStore | None) -> None:
        self._store = store
        self._written: dict[Path, _Rewritten] = {}

    def note(self, path: Path, old: bytes, new: bytes, status: os.stat_result) -> None:
        """Note what was written into a file.

        Args:
            path: no link.
            old: its content before.
            new: its content now.
            status: of that.

        """
        if self._store is None:
            return
        before, after = (hashlib.sha256(one).hexdigest() for one in (old, new))
        one = _Rewritten(before, after, status.st_size, status.st_mtime_ns)
        had = self._written.get(path)
        if had is not None and had.after == before:
            one = replace(one, before=had.before)
        self._written[path] = one

    def save(self, at_least: int = WRITTEN_AT_ONCE) -> None:
        """Put what was noted into the rows, once it is of so many files."""
        if self._store is None or len(self._written) < max(1, at_least):
            return
        written, self._written = self._written, {}
        contents = sorted({one.before for one in written.values()})
        for table in self._store.scan([*COLUMNS, VECTOR], where_in("sha256", contents)):
            digests = table.column("sha256").to_pylist()
            of_row = [written.get(real_file(path)) for path in paths_of(table)]
            kept = [
                (place, one)
                for place, (one, digest) in enumerate(zip(of_row, digests, strict=True))
                if one is not None and one.before == digest
            ]
            if kept:
                rows = table.take(pa.array([place for place, _ in kept], pa.int64()))
                values: dict[str, list[Any]] = {
                    "sha256": [one.after for _, one in kept],
                    "size": [one.size for _, one in kept],
                    "mtime_ns": [one.mtime_ns for _, one in kept],
                }
                self._store.add(with_columns(rows, values))
