"""A response cache that may only be read: shared, of another user, on a read-only mount."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

from cupl.errors import InputError
from cupl.io.sqlite import DATABASE, database_address

_KEYS = 500
"""In one question to the database, which takes at least 999."""


def may_only_be_read(folder: Path) -> bool:
    """Whether there is a cache that this process may read and not change."""
    file = folder / DATABASE
    readable = os.path.isfile(file) and os.access(file, os.R_OK)  # noqa: PTH113
    return readable and not (os.access(file, os.W_OK) and os.access(folder, os.W_OK | os.X_OK))


def not_kept(folder: Path) -> InputError:
    """Why nothing is asked, or changed, where it could not be kept."""
    return InputError(
        f"the response cache {folder} may only be read, so no new answer can be kept: make it "
        "writable, choose another folder, or use only what is in it",
        arguments={"cache": ..., "offline": True},
    )


class ReadOnlyDatabase:
    """What looking up takes of diskcache, which itself writes whenever it opens a cache."""

    def __init__(self, folder: Path) -> None:
        self._database = sqlite3.connect(
            database_address(folder), uri=True, timeout=60, check_same_thread=False
        )

    def get(self, key: str, *, tag: bool) -> tuple[str | None, object]:
        """The text of an entry, and its tag."""
        select = "SELECT value, tag FROM Cache WHERE key = ? AND raw = 1"
        text, seal = self._database.execute(select, (key,)).fetchone() or (None, None)
        if text is not None and not isinstance(text, str):
            raise ValueError("the response cache holds a value that is not text")
        return text, seal

    def get_many(self, keys: Sequence[str]) -> Iterator[tuple[str, object, object]]:
        """Key, text and tag of each entry that is there."""
        for start in range(0, len(keys), _KEYS):
            part = keys[start : start + _KEYS]
            marks = ",".join("?" * len(part))
            select = f"SELECT key, value, tag FROM Cache WHERE raw = 1 AND key IN ({marks})"  # noqa: S608
            yield from self._database.execute(select, part).fetchall()

    def __len__(self) -> int:
        number: int = self._database.execute("SELECT COUNT(*) FROM Cache").fetchone()[0]
        return number

    def close(self) -> None:
        """Nothing: one connection serves all threads to the end."""

    def end(self) -> None:
        """Close the database."""
        self._database.close()
