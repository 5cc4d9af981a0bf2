"""The response cache: one JSON text for each answered sample, on disk the moment it arrives."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import diskcache

from cupl.errors import CuplError, InputError
from cupl.generation.cache.claims import Claims, open_claims
from cupl.generation.cache.entries import (
    CacheEntry,
    Stored,
    check_seal,
    entry_from_json,
    entry_to_json,
)
from cupl.generation.cache.questions import QuestionNotes
from cupl.generation.cache.readonly import ReadOnlyDatabase, may_only_be_read, not_kept
from cupl.io.paths import cache_dir
from cupl.io.reasons import no_more_files, reason
from cupl.io.sqlite import DATABASE, PlainDisk, checksum
from cupl.llm.protocol import Failure, Request, Response

Addition = Literal["new", "same", "different"]

_CLAIMS = "cache.db.claims"  # diskcache takes what is named like its database for its own
_SETTINGS = {
    "eviction_policy": "none",
    "cull_limit": 0,
    "disk_min_file_size": 1 << 30,  # no files beside the database: they know no transaction
    "sqlite_cache_size": 2048,  # pages of 4 kB, so that memory stays flat
    "sqlite_mmap_size": 0,  # a fault of the disk is an error then, and not the process's end
    "sqlite_synchronous": 1,  # a power cut may cost the last moments; the database stays whole
}
_WAYS_OUT = {
    "SQLITE_FULL": "free space on the disk, then run the same command again",
    "SQLITE_IOERR": "see that the disk is sound and has space, then run the same command again",
    "SQLITE_BUSY": "another process holds it: run the same command again when that has ended",
    "SQLITE_READONLY": "make it writable, or choose another folder",
    "SQLITE_NOTADB": "restore it from a copy or an export, or choose another folder",
    "SQLITE_CANTOPEN": "make it readable and writable, or choose another folder",
}
_RAISED = (OSError, sqlite3.Error, diskcache.Timeout, ValueError, TypeError, AttributeError)
"""By diskcache over a damaged database."""
_RESCUE = (
    "'cupl cache verify' says what is wrong with it, 'cupl cache export FILE.jsonl.gz' saves what "
    "can be read of it"
)


class _TextDisk(PlainDisk):
    cache, value, value_name = "the response cache", str, "text"


def cache_folder(folder: str | os.PathLike[str] | None) -> Path:
    """Where a cache lies; None for the usual place, ``~`` and ``$VARIABLE`` as in a shell."""
    if folder is None:
        return cache_dir() / "responses"
    # diskcache does the same to what it is given, and the two must not differ.
    try:
        return Path(os.path.expandvars(Path(folder).expanduser()))
    except RuntimeError as error:
        raise InputError(
            f"the response cache {folder} cannot be used: that home folder is not known",
            arguments={"cache": ...},
        ) from error


@contextlib.contextmanager
def explained(folder: Path) -> Iterator[None]:
    """Turn what a database and a disk can raise into one sentence with a way out.

    Raises:
        InputError: in the place of each of those errors.

    """
    try:
        yield
    except CuplError:
        raise  # some are an OSError too
    except (
        OSError,
        sqlite3.Error,
        diskcache.Timeout,
        ValueError,
        TypeError,
        AttributeError,
    ) as error:
        cause: BaseException = error
        # diskcache reports as a Timeout what is none, and fails to roll back what is rolled back.
        while isinstance(cause.__context__, sqlite3.Error):
            cause = cause.__context__
        name = getattr(cause, "sqlite_errorname", "")
        ways_out = (way for start, way in _WAYS_OUT.items() if name.startswith(start))
        why, way_out = str(cause), next(ways_out, _RESCUE)
        if isinstance(cause, OSError):
            why, way_out = reason(cause), "mend that, or choose another folder"
        if full := no_more_files():  # SQLite only says that it cannot open something
            why, way_out = full, "then run the same command again"
        why = " ".join(why.split())  # SQLite quotes what it cannot decode
        raise InputError(
            f"the response cache {folder} cannot be used ({why:.200}); nothing in it was deleted; "
            f"{way_out}",
            arguments={"cache": folder if way_out is _RESCUE else ...}
            if way_out is _RESCUE or "folder" in way_out
            else None,
        ) from error


class ResponseCache:
    """Answers on disk, for any number of threads and processes at once.

    One that may only be read serves what is in it.

    Args:
        folder: where it lies; made, for its owner's eyes alone, if it is not there.
        clock: the time now, in seconds since 1970.

    Raises:
        InputError: the folder cannot be used or is damaged; nothing in it is deleted.

    """

    def __init__(
        self,
        folder: str | os.PathLike[str] | None = None,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.folder = cache_folder(folder)
        self._clock = clock
        self._questions = QuestionNotes(self.folder)
        with explained(self.folder), contextlib.ExitStack() as resources:
            self._cache: Any
            self._claims: Claims | None = None
            if may_only_be_read(self.folder):
                self._cache = self._reader = ReadOnlyDatabase(self.folder)
                resources.callback(self._reader.end)
                self._resources = resources.pop_all()
                return
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._claims = resources.enter_context(open_claims(self.folder / _CLAIMS))
            cache = diskcache.Cache(str(self.folder), disk=_TextDisk, timeout=60, **_SETTINGS)
            self._cache = resources.enter_context(cache)
            self._file = (self.folder / DATABASE).stat()
            self._reader = ReadOnlyDatabase(self.folder)
            resources.callback(self._reader.end)
            self._resources = resources.pop_all()

    def __enter__(self) -> ResponseCache:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._resources.close()

    def get(self, key: str) -> CacheEntry | None:
        """What is known of an answer, or None.

        Raises:
            InputError: the cache is damaged.

        """
        with explained(self.folder):
            stored = self._get(key)
            return stored.entry if stored else None

    def get_many(self, keys: Sequence[str]) -> dict[str, CacheEntry]:
        """What is known of many answers; ten times as fast as :meth:`get` for each.

        Raises:
            InputError: the cache is damaged.

        """
        found: dict[str, CacheEntry] = {}
        with explained(self.folder):
            for key, text, seal in self._reader.get_many(keys):
                check_seal(key, text, seal)
                found[key] = entry_from_json(key, text).entry
        return found

    def put(
        self, entries: Mapping[str, CacheEntry], instead_of: Mapping[str, CacheEntry] | None = None
    ) -> None:
        """Keep what one request brought: all of it or, if this process is killed, nothing.

        An answer that is there stays, whatever two runs at once bring; a failure gives way, and so
        does what ``instead_of`` has for the key, if that is what is there.

        Raises:
            InputError: it cannot be written, for example because the disk is full.

        """
        now = int(self._clock())
        texts = {key: entry_to_json(entry, now) for key, entry in entries.items()}
        with self._transaction():
            for key, text in texts.items():
                old = self._get(key)
                if (
                    old is None
                    or isinstance(old.entry, Failure)
                    or old.entry == (instead_of or {}).get(key)
                ):
                    self._set(key, text)

    def note(self, digest: str, request: Request) -> None:
        """Keep the question of a request, for people who look what was paid for."""
        if self._claims is not None:
            self._questions.note(digest, request)

    def add(self, entries: Iterable[Stored]) -> Counter[Addition]:
        """Take over entries of another cache with their times: all of them or none.

        What is there stays, but for a failure where an answer comes.

        Returns:
            How many were new, the same as what is there, or different from it and left out.

        Raises:
            InputError: they cannot be written.

        """
        result: Counter[Addition] = Counter()
        with self._transaction():
            for new in entries:
                old = self._get(new.key)
                healed = old and isinstance(old.entry, Failure) and isinstance(new.entry, Response)
                if old is None or healed:
                    self._set(new.key, entry_to_json(new.entry, new.time))
                    result["new"] += 1
                else:
                    result["same" if old.entry == new.entry else "different"] += 1
        return result

    def remove(self, keys: Iterable[str], before: int) -> int:
        """Remove those of the entries that were stored before a time, all of them or none.

        Args:
            keys: the entries; another run may have replaced some in the meantime.
            before: seconds since 1970.

        Returns:
            How many were removed.

        Raises:
            InputError: the cache is damaged or cannot be written.

        """
        removed = 0
        with self._transaction():
            for key in keys:
                stored = self._get(key)
                if stored and stored.time < before:
                    removed += self._cache.delete(key)
        return removed

    def claim(self, name: str) -> AbstractContextManager[bool]:
        """Say that we ask for something; False where somebody else does at the moment.

        Somebody else is another thread, another cache on this folder or another process. The claim
        ends with its block, and with the process, however that ends.

        Raises:
            InputError: the cache may only be read or is gone, so that no answer could be kept.

        """
        return self._kept().claim(name)

    def release(self) -> None:
        """Let go of what this thread has open; for threads that only use the cache for a while."""
        self._cache.close()

    @property
    def gone(self) -> bool:
        """Whether the database was deleted or replaced since it was opened.

        One that was deleted can still be written to, by those who have it open.

        Raises:
            InputError: that cannot be told.

        """
        with (
            explained(self.folder),
            contextlib.suppress(FileNotFoundError, NotADirectoryError),
        ):
            return not os.path.samestat((self.folder / DATABASE).stat(), self._file)
        return True

    def __len__(self) -> int:
        with explained(self.folder):
            return len(self._cache)

    def _get(self, key: str) -> Stored | None:
        text = self._text(key)
        return None if text is None else entry_from_json(key, text)

    def _text(self, key: str) -> str | None:
        text, seal = self._cache.get(key, tag=True)
        if text is not None:
            check_seal(key, text, seal)
        return text  # type: ignore[no-any-return]

    def _set(self, key: str, text: str) -> None:
        self._cache.set(key, text, tag=checksum(key, text.encode()))

    def _kept(self) -> Claims:
        """What there is only where an answer would be found again by the next run."""
        if self._claims is None:
            raise not_kept(self.folder)
        if not self.gone:
            return self._claims
        raise InputError(
            f"the response cache {self.folder} was deleted or replaced while it was in use: what "
            "was answered before is no longer in it; run the same command again, or choose another "
            "folder",
            arguments={"cache": ...},
        )

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._kept()
        # With retry=True diskcache tries for ever also what is not a matter of time.
        with explained(self.folder), self._cache.transact():
            yield
