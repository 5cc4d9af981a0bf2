"""Photos of an index whose files are on the disk as it knows them, each file under one name."""

from __future__ import annotations

import os

from cupl.embedding.elsewhere import is_elsewhere
from cupl.index.rows import ID, PhotoRow, paths_of
from cupl.index.store import PhotoStore
from cupl.index.where import Where

_File = tuple[int, int] | str
"""Device and number of a file: all its names have the same, links and hard links too. Of what is in
a store or a tar its path."""


class FilesNow:
    """Looks for files, and counts the photos that are passed over.

    Attributes:
        gone: photos that are not there, or cannot be seen.
        changed: photos whose file has another size or time than the index knows.
        links: further names of a file.

    """

    def __init__(self) -> None:
        self.gone = self.changed = self.links = 0

    def keys(self, store: PhotoStore, where: Where | None = None) -> set[str]:
        """Keys of the photos that are as the index knows them, one of each file.

        Of several names it is one that leads over no link.
        """
        names: dict[_File, tuple[str, str]] = {}
        for table in store.scan([ID, "path", "raw_path", "size", "mtime_ns"], where):
            facts = (table.column(name).to_pylist() for name in (ID, "size", "mtime_ns"))
            for path, id, size, mtime_ns in zip(paths_of(table), *facts, strict=True):
                file = self._file(path, size, mtime_ns)
                if file is None:
                    continue
                name = (path, id)
                if file in names:
                    self.links += 1
                    name = min(name, names[file], key=lambda one: (is_link(one[0]), one[0]))
                names[file] = name
        return {id for _, id in names.values()}

    def is_known(self, row: PhotoRow) -> bool:
        """Whether the file of a photo is there, with the size and the time of its row."""
        return self._file(row.path, row.size, row.mtime_ns) is not None

    def _file(self, path: str, size: int, mtime_ns: int) -> _File | None:
        if is_elsewhere(path):  # taken to be as it was: to ask would be a request a photo
            return path
        try:
            status = os.stat(path)  # noqa: PTH116 (of a million files)
        except (OSError, ValueError):
            self.gone += 1
            return None
        if (status.st_size, status.st_mtime_ns) != (size, mtime_ns):
            self.changed += 1
            return None
        return status.st_dev, status.st_ino


def is_link(path: str) -> bool:
    """Whether a path leads over a link."""
    return os.path.realpath(path) != path
