"""A response cache that may only be read: shared, of another user, on a read-only mount."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

from cupl.errors import InputError
from cupl.io.sqlite import DATABASE, database_address, select_many


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
        return next(((text, seal) for _, text, seal in self.get_many([key])), (None, None))

    def get_many(self, keys: Sequence[str]) -> Iterator[tuple[str, str, object]]:
        """Key, text and tag of each entry that is there."""
        for key, text, seal in select_many(self._database, keys):
            if not isinstance(text, str):
                raise ValueError("the response cache holds a value that is not text")
            yield key, text, seal

    def __len__(self) -> int:
        number: int = self._database.execute("SELECT COUNT(*) FROM Cache").fetchone()[0]
        return number

    def close(self) -> None:
        """Nothing: one connection serves all threads to the end."""

    def end(self) -> None:
        """Close the database."""
        self._database.close()
