"""Embeddings on disk by their keys: what the caches of prompts and of images have in common.

All of it can be computed again: the oldest go when there are too many, and where the cache cannot
be used, nothing is kept.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import diskcache

from cupl.errors import InputError
from cupl.io.reasons import reason
from cupl.io.sqlite import DATABASE, PlainDisk, checksum, database_address, select_many

_OF_THE_PLACE = tuple(
    f"SQLITE_{name}" for name in ("FULL", "IOERR", "BUSY", "LOCKED", "READONLY", "CANTOPEN")
)
"""What SQLite calls faults that are not the database's own."""
_SETTINGS = {
    "eviction_policy": "least-recently-stored",
    "cull_limit": 2,  # for each that is added: space comes free only when all of them are
    "disk_min_file_size": 1 << 30,  # no files beside the database
    "sqlite_mmap_size": 0,
    "sqlite_synchronous": 1,
}
_TIMEOUT = 10
"""Seconds that another process may write before it is given up."""


class _BytesDisk(PlainDisk):
    cache, value, value_name = "the cache of embeddings", bytes, "bytes"


@dataclass(frozen=True)
class CacheSize:
    """How much a cache holds."""

    entries: int
    bytes: int
    """On disk."""


class VectorCache:
    """Bytes by key in a folder that only its owner may open, each with a checksum.

    It only saves time: what fails in it is told in a warning, and from then on nothing is looked
    up, or nothing kept. It is opened at the first use; many threads may read from it.

    Args:
        folder: made where it is missing; None for no cache.
        what: what it holds, for the warning.
        most: bytes on disk.

    """

    def __init__(self, folder: Path | None, what: str, most: int) -> None:
        self.folder, self._what, self._most = folder, what, most
        self._lock = threading.Lock()
        self._read: sqlite3.Connection | None = None
        self._written: Any = None
        self._readable = self._writable = folder is not None

    def close(self) -> None:
        """Let go of the files; from then on nothing is there."""
        with self._lock, contextlib.suppress(sqlite3.Error):
            if self._read is not None:
                self._read.close()
            if self._written is not None:
                self._written.close()
            self._readable = self._writable = False

    def fetch(self, keys: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        """Those of the keys that are there, and are what was kept."""
        for key, data, seal in self._select(keys):
            if isinstance(data, bytes) and seal == checksum(key, data):
                yield key, data

    def keep(self, rows: Sequence[tuple[str, bytes]]) -> None:
        """Keep some, all at once."""
        if not rows or not self._writable or self.folder is None:
            return
        self._writable = False  # unless all goes well
        with self._lenient(self.folder):
            if self._written is None and not self._open(self.folder):
                return
            with self._written.transact():
                for key, data in rows:
                    self._written.set(key, data, tag=checksum(key, data))
            self._writable = True

    def _open(self, folder: Path) -> bool:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            return False
        self._written = diskcache.Cache(
            str(folder), disk=_BytesDisk, timeout=_TIMEOUT, size_limit=self._most, **_SETTINGS
        )
        return True

    def _select(self, keys: Sequence[str]) -> list[tuple[str, Any, object]]:
        with self._lock:
            if not self._readable or self.folder is None:
                return []
            if self._read is None and not os.path.isfile(self.folder / DATABASE):  # noqa: PTH113 (no error)
                return []
            self._readable = False  # unless all goes well
            with self._lenient(self.folder):
                self._read = self._read or _opened(self.folder)
                found = list(select_many(self._read, keys)) if self._read else []
                self._readable = True
                return found
        return []

    @contextlib.contextmanager
    def _lenient(self, folder: Path) -> Iterator[None]:
        """What fails costs the time that it would have saved."""
        try:
            yield
        except Exception as error:
            place = isinstance(error, OSError | diskcache.Timeout) or getattr(
                error, "sqlite_errorname", ""
            ).startswith(_OF_THE_PLACE)
            why = reason(error) if isinstance(error, OSError) else error
            warnings.warn(
                f"the cache of {self._what} {folder} "
                + (
                    f"cannot be used ({why}), so what it lacks is computed each time"
                    if place
                    else f"is damaged ({why}), so all is computed each time: delete it, and it is "
                    "made again"
                ),
                stacklevel=2,
            )


def _opened(folder: Path) -> sqlite3.Connection | None:
    """The database to read, by any thread; None where another process has yet to make its table."""
    database = sqlite3.connect(
        database_address(folder), _TIMEOUT, uri=True, check_same_thread=False
    )
    made = False
    try:
        query = "SELECT 1 FROM sqlite_master WHERE name = 'Cache'"
        made = database.execute(query).fetchone() is not None
    finally:
        if not made:
            database.close()
    return database if made else None


def cache_size(folder: Path) -> CacheSize:
    """How much the cache in a folder holds; nothing where there is none.

    Raises:
        InputError: it is damaged, or cannot be read.

    """
    if not os.path.isfile(folder / DATABASE):  # noqa: PTH113 (no error)
        return CacheSize(0, 0)
    try:
        address = database_address(folder)
        with contextlib.closing(sqlite3.connect(address, _TIMEOUT, uri=True)) as database:
            ((entries,),) = database.execute("SELECT COUNT(*) FROM Cache")
        files = list(folder.glob(f"{DATABASE}*"))
        return CacheSize(entries, sum(file.stat().st_size for file in files))
    except (OSError, sqlite3.Error, UnicodeError) as error:  # of a name that is no text any more
        raise InputError(
            f"the cache {folder} is damaged or cannot be read ({error}); clear it, and it is made "
            "again",
            arguments={"clear": True},
        ) from error


def clear_cache(folder: Path) -> None:
    """Remove all that the cache in a folder holds, also where it is damaged.

    Raises:
        InputError: it cannot be written.

    """
    if not os.path.isfile(folder / DATABASE):  # noqa: PTH113 (no error)
        return
    try:
        try:
            with diskcache.Cache(str(folder), disk=_BytesDisk, timeout=_TIMEOUT) as cache:
                cache.clear(retry=True)
        except (sqlite3.DatabaseError, UnicodeError) as error:
            if getattr(error, "sqlite_errorname", "").startswith(_OF_THE_PLACE):
                raise
            for file in folder.glob(f"{DATABASE}*"):
                file.unlink(missing_ok=True)
    except (OSError, sqlite3.Error, diskcache.Timeout) as error:
        why = reason(error) if isinstance(error, OSError) else error
        raise InputError(f"the cache {folder} cannot be cleared: {why}") from error
