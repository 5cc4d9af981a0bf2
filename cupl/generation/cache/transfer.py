"""Cache entries as a file, a JSON object a line: to keep a copy, to share and to take over."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, cast

from cupl.errors import CuplError, InputError
from cupl.generation.cache.entries import Stored, entry_from_data, entry_to_json
from cupl.generation.cache.reader import KEY, CacheReader, Findings, UnreadableEntry
from cupl.generation.cache.store import Addition, ResponseCache
from cupl.io.atomic import open_atomically
from cupl.io.file_kinds import ANSWERS, GZIP, check_own_kind
from cupl.io.jsonl import MAX_LINE, load_line
from cupl.io.reasons import missing, reason

_BATCH_LINES = 1000
_BATCH_BYTES = MAX_LINE
_MOST_BAD = 100_000
"""Lines that are no entry, beyond as many as are one, before the rest is not read."""

_FREE_BYTES = 64 * 2**20
_MOST_RATIO = 100
"""What an export may unpack to, for each byte. A key of 64 random digits alone takes 32 packed, so
that an entry unpacks to less than twenty times what it takes; gzip can hold a thousand."""


@dataclass
class Exported:
    """What an export wrote."""

    entries: int = 0
    unreadable: Findings = field(default_factory=Findings)
    """What is in the cache and not in the file."""


def export_entries(reader: CacheReader, path: Path) -> Exported:
    """Write the entries of a cache, sorted by key; caches of equal entries give equal bytes.

    Args:
        reader: the cache.
        path: a new file; ``.jsonl.gz`` is compressed, ``.jsonl`` is not.

    Raises:
        MissingFileError: its folder does not exist.
        InputError: the file exists, lies in the cache, has another name or cannot be written, or
            nothing can be read of the cache.

    """
    if not path.name.endswith((".jsonl.gz", ".jsonl")):
        raise InputError(f"cannot write {path}: name a file that ends in .jsonl.gz or .jsonl")
    if os.path.realpath(path.parent) == os.path.realpath(reader.folder):
        raise InputError(f"cannot write {path}: name a file outside the response cache")
    if os.path.isfile(path):  # noqa: PTH113  # it may be the last good copy
        raise InputError(f"cannot write {path}: it exists; name a new file")
    result = Exported()
    with open_atomically(path) as raw, _compressed(raw, path) as file:
        for entry in reader.entries():
            if isinstance(entry, UnreadableEntry):
                result.unreadable.add(f"{entry.name}: {entry.why}")
            else:
                file.write(_line(entry))
                result.entries += 1
    return result


@contextlib.contextmanager
def _compressed(raw: BinaryIO, path: Path) -> Iterator[BinaryIO]:
    if path.suffix != ".gz":
        yield raw
        return
    # The time and the name that gzip notes would tell equal contents apart.
    with gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as file:
        yield cast(BinaryIO, file)


def _line(stored: Stored) -> bytes:
    return f'{{"key":"{stored.key}",{entry_to_json(stored.entry, stored.time)[1:]}\n'.encode(
        "ascii"
    )


@dataclass
class Imported:
    """What an import found."""

    entries: Counter[Addition] = field(default_factory=Counter)
    bad: Findings = field(default_factory=Findings)
    """Lines that are no entry."""
    broken_off: str | None = None
    """Why the file could not be read to its end."""


def import_entries(path: Path, cache: ResponseCache) -> Imported:
    """Take over the entries of a file that :func:`export_entries` wrote, here or elsewhere.

    What is in the cache stays, but for a failure where an answer comes; times are kept. Nobody
    vouches for the file: lines that are no entry are left out, and reading takes little memory
    whatever it holds.

    Args:
        path: compressed or not, which is told by its content.
        cache: where the entries go.

    Raises:
        MissingFileError: there is no such file.
        InputError: it cannot be read or no line of it is an entry, or the cache cannot be written.

    """
    check_own_kind(path, ANSWERS, GZIP)
    result = Imported()
    with _opened(path) as file:
        for batch in _batches(file, result):
            result.entries += cache.add(batch)
            if result.bad.total > _MOST_BAD + result.entries.total():
                result.broken_off = f"more than {_MOST_BAD:,} lines of it are no entries"
                break
    if result.bad.total and not result.entries:
        raise InputError(f"{path} is no export of a response cache: {result.bad.first[0]}")
    return result


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        with path.open("rb") as file:
            start = file.read(2)
            rest = _Rest(start, file)
            packed = start == b"\x1f\x8b"
            yield cast(BinaryIO, _Unpacked(rest) if packed else io.BufferedReader(rest))
    except CuplError:
        raise  # from the cache; some are an OSError too
    except FileNotFoundError as error:
        raise missing(path, f"there is no file {path}") from error
    except OSError as error:
        raise InputError(f"cannot read {path}: {reason(error, path)}") from error


class _BombError(EOFError):
    """A file unpacks to far more than an export can."""


class _Unpacked(gzip.GzipFile):
    """A gzip file that is not read on once it has unpacked to more than it can mean."""

    def __init__(self, packed: _Rest) -> None:
        super().__init__(fileobj=io.BufferedReader(packed), mode="rb")
        self._packed = packed
        self._unpacked = 0

    def readline(self, size: int | None = -1) -> bytes:
        line = super().readline(size)
        self._unpacked += len(line)
        if self._unpacked > _FREE_BYTES + _MOST_RATIO * self._packed.taken:
            raise _BombError
        return line


class _Rest(io.RawIOBase):
    """A file from its start, of which the first bytes were read: a pipe does not go back."""

    def __init__(self, start: bytes, file: BinaryIO) -> None:
        self._start = start
        self._file = file
        self.taken = 0
        """Bytes that were read."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data, self._start = self._start or self._file.read(len(buffer)), b""
        buffer[: len(data)] = data
        self.taken += len(data)
        return len(data)


def _batches(file: BinaryIO, result: Imported) -> Iterator[list[Stored]]:
    """The entries, as many at once as fit a transaction and the memory."""
    batch: list[Stored] = []
    size = 0
    for number, line in enumerate(_lines(file, result), 1):
        size += len(line)
        try:
            batch.append(_parse(line))
        except ValueError as error:
            if line.endswith(b"\n") or len(line) > MAX_LINE:
                result.bad.add(f"line {number:,}: {error}")
            else:
                result.broken_off = f"it ends in the middle of line {number:,}"
        if len(batch) == _BATCH_LINES or size > _BATCH_BYTES or number % _MOST_BAD == 0:
            yield batch
            batch, size = [], 0
    yield batch


def _lines(file: BinaryIO, result: Imported) -> Iterator[bytes]:
    """The lines as far as the file can be read; of one that is too long only the beginning."""
    try:
        while line := file.readline(MAX_LINE + 1):
            yield line
            while len(line) > MAX_LINE and not line.endswith(b"\n"):
                line = file.readline(MAX_LINE + 1)
    except _BombError:
        result.broken_off = f"it unpacks to more than {_MOST_RATIO} times its size"
        result.bad.add(result.broken_off)
    except EOFError:
        result.broken_off = "it ends early, as a download that was cut off"
    except (gzip.BadGzipFile, zlib.error) as error:
        result.broken_off = f"it is damaged: {error}"


def _parse(line: bytes) -> Stored:
    """An entry from its line.

    Raises:
        ValueError: it is none.

    """
    data = load_line(line)
    key = data.pop("key", None)
    if not isinstance(key, str) or not KEY.fullmatch(key):
        raise ValueError("no entry with a key of 64 hexadecimal digits")
    return entry_from_data(key, data)
