"""Looking into a response cache without changing it, also where it is damaged or read-only."""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice, pairwise
from types import TracebackType

from cupl.errors import InputError, MissingFileError
from cupl.generation.cache.entries import Stored, check_seal, entry_from_json
from cupl.generation.cache.store import cache_folder, explained
from cupl.io.reasons import broken_link
from cupl.io.sqlite import DATABASE, database_address, select_many
from cupl.llm.protocol import Failure, Response

KEY = re.compile(r"[0-9a-f]{64}")
"""What names an entry: a sha256."""

_WALKS = [
    f"SELECT rowid, key FROM Cache {way} {order}"  # noqa: S608 (constants)
    for way, by in (("NOT INDEXED", "rowid"), ("INDEXED BY Cache_key_raw", "key"))
    for order in (f"ORDER BY {by}", f"ORDER BY {by} DESC")
]
"""From either end of the table, and of the index, up to what cannot be read."""
_LEAST_BYTES = 64
"""Of a row: its key."""
_DAMAGED = "on a damaged page of the database"


@dataclass(frozen=True, slots=True)
class UnreadableEntry:
    """Something in a cache that is no entry."""

    name: str
    """Its key, or where it lies if that cannot be read."""
    why: str


@dataclass
class Findings:
    """What is wrong with many things: how many, and the first few in words."""

    total: int = 0
    first: list[str] = field(default_factory=list)

    def add(self, text: str) -> None:
        """Note another one."""
        self.total += 1
        if len(self.first) < 10:
            self.first.append(text)


class CacheReader:
    """The entries of a cache as they are now; none is changed or removed.

    Args:
        folder: where it lies; None for the usual place.

    Raises:
        MissingFileError: there is no cache.
        InputError: it cannot be opened.

    """

    def __init__(self, folder: str | os.PathLike[str] | None = None) -> None:
        self.folder = cache_folder(folder)
        with explained(self.folder):
            if not (self.folder / DATABASE).is_file():
                link = broken_link(self.folder / DATABASE)
                raise MissingFileError(
                    f"there is no response cache in {self.folder}{(link and f': {link}') or ''}; "
                    "name another folder",
                    arguments={"cache": ...},
                )
            self._database = sqlite3.connect(
                database_address(self.folder), uri=True, timeout=60, isolation_level=None
            )
            # A damaged text must not end the walk; what is not ASCII then is no JSON any more.
            self._database.text_factory = lambda data: data.decode("ascii", "backslashreplace")

    def __enter__(self) -> CacheReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._database.close()

    def size(self) -> int:
        """Bytes on disk."""
        return sum(file.stat().st_size for file in self.folder.glob(f"{DATABASE}*"))

    def damage(self) -> list[str]:
        """What SQLite finds wrong with its file: up to 100 messages, none if it is sound.

        Raises:
            InputError: it cannot look, for example because the disk is full.

        """
        with explained(self.folder):
            try:
                rows = self._database.execute("PRAGMA integrity_check").fetchall()
            except sqlite3.Error as error:
                if error.sqlite_errorname.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
                    return [str(error)]
                raise
        return [message for (message,) in rows if message != "ok"]

    def entries(self) -> Iterator[Stored | UnreadableEntry]:
        """Everything in the cache, in the order of the keys, as of the moment it begins.

        Raises:
            InputError: so much is damaged that no entry can be found.

        """
        with explained(self.folder):
            if self.damage():
                yield from self._salvage()
            elif not self._is_new():
                for row in self._database.execute("SELECT key, value, tag FROM Cache ORDER BY key"):
                    yield _entry(*row)

    def get_many(self, keys: Sequence[str]) -> Iterator[Stored | UnreadableEntry]:
        """What is there of some keys, in no order.

        Raises:
            InputError: the cache is damaged.

        """
        with explained(self.folder):
            if not self._is_new():
                for row in select_many(self._database, keys):
                    yield _entry(*row)

    def _is_new(self) -> bool:
        """Whether the run that made the file was killed before it had made its tables."""
        tables = self._database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        return {name for (name,) in tables} <= {"Settings"}

    def _salvage(self) -> Iterator[Stored | UnreadableEntry]:
        """Every row that can be found, so that a damaged page costs no more than its own rows."""
        keys: dict[int, object] = {}
        with contextlib.suppress(sqlite3.Error):
            self._database.execute("PRAGMA writable_schema = ON")  # reads a file that is cut off
        for walk in _WALKS:
            with contextlib.suppress(sqlite3.Error):
                keys.update(self._database.execute(walk))
        if not keys:
            raise InputError(
                f"nothing can be read of the response cache {self.folder}; restore it from a copy "
                "or an export, or choose another folder",
                arguments={"cache": ...},
            )
        for row in _between(keys, self.size() // _LEAST_BYTES):
            try:
                if found := self._row(row):
                    keys[row] = found[0]
            except sqlite3.Error:
                yield UnreadableEntry(f"row {row}", _DAMAGED)
        for row, key in sorted(keys.items(), key=lambda found: str(found[1])):
            try:
                found = self._row(row)
            except sqlite3.Error:
                found = None
            yield _entry(*found) if found else UnreadableEntry(str(key)[:64], _DAMAGED)

    def _row(self, row: int) -> tuple[object, object, object] | None:
        select = "SELECT key, value, tag FROM Cache WHERE rowid = ?"
        found: tuple[object, object, object] | None = self._database.execute(
            select, (row,)
        ).fetchone()
        return found


@dataclass
class CacheSummary:
    """What a cache holds, in numbers."""

    answers: Counter[str | None] = field(default_factory=Counter)
    """How many came from each model, by the name that the server gave it."""
    failures: Counter[str] = field(default_factory=Counter)
    """How many there are for each reason."""
    unreadable: Findings = field(default_factory=Findings)
    oldest: int | None = None
    newest: int | None = None


def summarize_cache(entries: Iterable[Stored | UnreadableEntry]) -> CacheSummary:
    """Count entries. Tokens are no sum: each of a request's answers has those of them all."""
    result = CacheSummary()
    for entry in entries:
        match entry:
            case UnreadableEntry(name, why):
                result.unreadable.add(f"{name}: {why}")
                continue
            case Stored(_, Response() as answer, _):
                result.answers[answer.model] += 1
            case Stored(_, Failure() as failure, _):
                result.failures[failure.reason] += 1
        times = (entry.time, result.oldest, result.newest)
        result.oldest = min(time for time in times if time is not None)
        result.newest = max(time for time in times if time is not None)
    return result


def keys_before(entries: Iterable[Stored | UnreadableEntry], before: int) -> list[str]:
    """The keys of what was stored before a time, in seconds since 1970."""
    return [entry.key for entry in entries if isinstance(entry, Stored) and entry.time < before]


def _between(known: Iterable[int], most: int) -> list[int]:
    """Numbers of rows that are not known, those in small gaps first: a damaged one can be huge."""
    ends = [0, *sorted(number for number in known if number > 0)]
    gaps = sorted((range(one + 1, other) for one, other in pairwise(ends)), key=len)
    return sorted(islice(chain.from_iterable(gaps), most))


def _entry(key: object, value: object, seal: object) -> Stored | UnreadableEntry:
    if not isinstance(key, str) or not KEY.fullmatch(key):
        return UnreadableEntry(str(key)[:64], "no key of the response cache")
    if not isinstance(value, str):
        return UnreadableEntry(key, "its value is not text")
    try:
        check_seal(key, value, seal)
        return entry_from_json(key, value)
    except ValueError as error:
        return UnreadableEntry(key, str(error))
