"""How diskcache lays down what cupl caches: text and bytes as they are, and never a pickle."""

from __future__ import annotations

import os
import sqlite3
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import diskcache

DATABASE = "cache.db"
_KEYS = 500
"""In one question to the database, which takes at least 999."""


def database_address(folder: Path) -> str:
    """How SQLite is to open the database of a cache for reading."""
    file = (folder / DATABASE).absolute()
    log = file.with_name(f"{DATABASE}-wal")
    # Readers leave marks beside the database, so a folder without them and without permission to
    # write is read as what it is: a file that nobody can be writing to through this folder.
    still = not os.access(folder, os.W_OK) and not (log.exists() and log.stat().st_size)
    return f"{file.as_uri()}?{'immutable=1' if still else 'mode=ro'}"


def checksum(key: str, value: bytes) -> int:
    """What is kept beside a value, as its tag: a disk may change a bit, and say nothing."""
    return zlib.crc32(value, zlib.crc32(key.encode()))


def select_many(
    database: sqlite3.Connection, keys: Sequence[str]
) -> Iterator[tuple[str, Any, object]]:
    """Key, value and tag of those that are there: many at a time, which diskcache cannot."""
    for start in range(0, len(keys), _KEYS):
        part = keys[start : start + _KEYS]
        marks = ",".join("?" * len(part))
        select = f"SELECT key, value, tag FROM Cache WHERE raw = 1 AND key IN ({marks})"  # noqa: S608
        yield from database.execute(select, part).fetchall()


class PlainDisk(diskcache.Disk):  # type: ignore[misc]
    """Keys are text and values of one type; pickles are neither written nor read (CVE-2025-69872).

    A cache says in a subclass what it is called and what its values are.
    """

    cache: ClassVar[str]
    value: ClassVar[type]
    value_name: ClassVar[str]

    def put(self, key: Any) -> Any:
        if not isinstance(key, str):
            raise TypeError(f"keys of {self.cache} are text")
        return super().put(key)

    def get(self, key: Any, raw: bool) -> Any:
        if not raw:
            raise ValueError(f"{self.cache} holds a pickled key")
        return super().get(key, raw)

    def store(self, value: Any, read: bool, key: Any = diskcache.UNKNOWN) -> Any:
        if read or not isinstance(value, self.value):
            raise TypeError(f"values of {self.cache} are {self.value_name}")
        return super().store(value, read, key=key)

    def fetch(self, mode: int, filename: Any, value: Any, read: bool) -> Any:
        if mode != diskcache.core.MODE_RAW or not isinstance(value, self.value):
            raise ValueError(f"{self.cache} holds a value that is not {self.value_name}")
        return value
