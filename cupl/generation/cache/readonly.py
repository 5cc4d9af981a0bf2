"""A response cache that may only be read: shared, of another user, on a read-only mount."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from cupl.errors import InputError

DATABASE = "cache.db"


def database_address(folder: Path) -> str:
    """How SQLite is to open the database of a cache for reading."""
    file = (folder / DATABASE).absolute()
    log = file.with_name(f"{DATABASE}-wal")
    # Readers leave marks beside the database, so a folder without them and without permission to
    # write is read as what it is: a file that nobody can be writing to through this folder.
    still = not os.access(folder, os.W_OK) and not (log.exists() and log.stat().st_size)
    return f"{file.as_uri()}?{'immutable=1' if still else 'mode=ro'}"


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

    def get(self, key: str) -> str | None:
        """The text of an entry."""
        select = "SELECT value FROM Cache WHERE key = ? AND raw = 1"
        row = self._database.execute(select, (key,)).fetchone()
        if row is not None and not isinstance(row[0], str):
            raise ValueError("the response cache holds a value that is not text")
        return None if row is None else row[0]

    def __len__(self) -> int:
        number: int = self._database.execute("SELECT COUNT(*) FROM Cache").fetchone()[0]
        return number

    def close(self) -> None:
        """Nothing: one connection serves all threads to the end."""

    def end(self) -> None:
        """Close the database."""
        self._database.close()
