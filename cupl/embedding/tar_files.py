"""Tar files of images, as WebDataset writes them, on disk or in an object store.

A tar is read once from its beginning to its end, in large pieces, however many threads ask for
its members in turn, and nothing of it is ever written anywhere. Links, devices and folders in it
are no members here. Of members with one name the first counts.

Format of samples: https://github.com/webdataset/webdataset, members with one name up to the first
dot (``0001.jpg``, ``0001.cls``) belong together.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import os
import re
import stat
import tarfile
import threading
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cupl.embedding.image_errors import NO_FILE, UNREAD, ImageError, unread
from cupl.embedding.image_ownership import check_bytes
from cupl.embedding.remote_stores import is_stored_remotely
from cupl.embedding.stored_objects import object_size, read_range
from cupl.errors import InputError

SEPARATOR = "::"
"""Between a tar and its member: ``shard-0000.tar::0001.jpg``."""
_MEMBER = re.compile(r"\.tar" + SEPARATOR, re.IGNORECASE)
_BRACES = re.compile(r"\{(\d+)\.\.(\d+)\}")
MAX_NUMBERED = 100_000
_MOST_DIGITS = 18
_PIECE = 4 * 2**20
_PIECES = 4
_MAX_HEADER = 2**20
"""Bytes that tarfile may ask for at once: a long name, or what else stands before a member."""
_HEADER = 512
_OPEN_TARS = 8


def is_tar(name: str) -> bool:
    """By its ending; a folder may be called so, too."""
    return name.lower().endswith(".tar") and not os.path.isdir(name)  # noqa: PTH112 - of any bytes


def tar_and_member(path: str) -> tuple[str, str] | None:
    """The two names in the path of a member; None of any other path, and of a file called so."""
    found = _MEMBER.search(path)
    if found is None or os.path.lexists(path):
        return None
    return path[: found.end() - len(SEPARATOR)], path[found.end() :]


def numbered_names(name: str) -> list[str]:
    """``shard-{0000..0003}.tar`` in full, as WebDataset writes it; any other name as it is.

    Raises:
        InputError: these are more than ``MAX_NUMBERED``, or they count down.

    """
    found = _BRACES.search(name)
    if found is None or not is_tar(name) or os.path.lexists(name):
        return [name]
    if max(len(found[1]), len(found[2])) > _MOST_DIGITS:
        raise InputError(f"{name:.200} is no range of at most {MAX_NUMBERED:,}")
    first, last = int(found[1]), int(found[2])
    rest = numbered_names(name[found.end() :])
    if not 0 < (last - first + 1) * len(rest) <= MAX_NUMBERED:
        numbers = f"{{{found[1]}..{found[2]}}}"
        raise InputError(f"{name:.200}: {numbers} is no range of at most {MAX_NUMBERED:,}")
    width = len(found[1]) if found[1].startswith("0") else 0
    heads = (name[: found.start()] + f"{i:0{width}}" for i in range(first, last + 1))
    return [head + tail for head in heads for tail in rest]


def _json_label(text: str) -> str:
    said = json.loads(text)
    said = next((said[key] for key in _KEYS if key in said), "") if isinstance(said, dict) else said
    return str(said).strip() if isinstance(said, str | int) else ""


_KEYS = ("label", "class", "class_name", "cls", "category")
_LABELS: dict[str, Callable[[str], str]] = {
    ".cls": str.strip,
    ".json": _json_label,
    ".txt": str.strip,
}


class _Source(Protocol):
    size: int

    def read(self, start: int, end: int) -> bytes: ...


@dataclass(frozen=True, slots=True)
class _Member:
    start: int
    size: int
    header: int
    """CRC-32 of the 512 bytes before it: whether the tar is still the same."""


class Tar:
    """One tar; its members are found as far as they are asked for. Safe to use from threads."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._source: _Source = _Pieces(path) if is_stored_remotely(path) else _File(path)
        self._lock = threading.Lock()
        self._members: dict[str, _Member] = {}
        self._scan = self._scanned()

    def names(self) -> Iterator[str]:
        """Of all members, in their order.

        Raises:
            ImageError: the tar is damaged or cut off, or cannot be read; those before were given.

        """
        for name, new in self._scanned():
            with self._lock:
                self._members.setdefault(name, new)
            yield name

    def read(self, name: str) -> bytes:
        """The content of a member.

        Raises:
            ImageError: there is none, it is too large or cut off, or the tar cannot be read or
                has changed.

        """
        with self._lock:
            member = self._find(name)
            check_bytes(member.size)
            start = member.start - _HEADER
            content = self._source.read(start, member.start + member.size)
        if zlib.crc32(content[:_HEADER]) != member.header:
            opened_tar.cache_clear()
            raise ImageError(f"{UNREAD}: {self.path} has changed")
        if len(content) < _HEADER + member.size:
            raise ImageError("the tar is cut off in this image")
        return content[_HEADER:]

    def label(self, name: str) -> str | None:
        """What the sample of an image is labelled with: by its ``.cls``, ``.json`` or ``.txt``."""
        key = sample_of(name)
        for ending, read in _LABELS.items():
            if (member := self._members.get(key + ending)) and member.size <= _MAX_HEADER:
                with contextlib.suppress(ImageError, ValueError, RecursionError):
                    if label := read(self.read(key + ending).decode()):
                        return label
        return None

    def _find(self, name: str) -> _Member:
        while (member := self._members.get(name)) is None:
            try:
                found, new = next(self._scan)
            except StopIteration:
                raise ImageError(f"{NO_FILE} in the tar") from None
            except ImageError:
                self._scan = self._scanned()  # what may pass is tried again from the beginning
                raise
            self._members.setdefault(found, new)
        return member

    def _scanned(self) -> Iterator[tuple[str, _Member]]:
        number = 0
        try:
            with tarfile.open(fileobj=_Seekable(self._source), mode="r:") as archive:
                while (info := archive.next()) is not None:
                    archive.members = []  # type: ignore[attr-defined]  # which it would keep all
                    if info.type not in tarfile.REGULAR_TYPES or info.issparse():
                        continue
                    start = info.offset_data
                    header = self._source.read(start - _HEADER, start)
                    number += 1
                    yield info.name, _Member(start, info.size, zlib.crc32(header))
        except ImageError:
            raise
        except OSError as error:
            raise unread(error, self.path) from error
        except (tarfile.TarError, ValueError, OverflowError, RecursionError) as error:
            what = f"cut off or damaged after {number:,} members" if number else "no tar"
            raise ImageError(f"this is {what}") from error


@functools.lru_cache(_OPEN_TARS)
def opened_tar(path: str, state: tuple[int, int]) -> Tar:
    """A tar; one object a file, so that its members are looked for once."""
    del state
    return Tar(path)


def tar_at(path: str) -> Tar:
    """The tar of a path.

    Raises:
        ImageError: it cannot be read.

    """
    if is_stored_remotely(path):
        return opened_tar(path, (0, os.getpid()))
    try:
        status = Path(path).stat()
    except OSError as error:
        raise unread(error, path) from error
    return opened_tar(path, (status.st_size, status.st_mtime_ns))


def sample_of(name: str) -> str:
    """The key of a member's sample: its name up to the first dot behind its folder."""
    folder, slash, base = name.rpartition("/")
    return folder + slash + base.partition(".")[0]


class _File:
    def __init__(self, path: str) -> None:
        status = Path(path).stat()
        if not stat.S_ISREG(status.st_mode):
            raise ImageError("this is not a regular file")
        self.path, self.size = path, status.st_size

    def read(self, start: int, end: int) -> bytes:
        try:
            with Path(self.path).open("rb", buffering=0) as file:
                file.seek(start)
                return file.read(end - start)
        except OSError as error:
            raise unread(error, self.path) from error


class _Pieces:
    """An object, of which the last few large pieces are kept: neighbours come with one request."""

    def __init__(self, path: str) -> None:
        self.path, self.size = path, object_size(path)
        self._kept: dict[int, bytes] = {}
        self._lock = threading.Lock()

    def read(self, start: int, end: int) -> bytes:
        end = min(end, self.size)
        if start >= end:
            return b""
        first, last = start // _PIECE, (end - 1) // _PIECE
        with self._lock:
            pieces = b"".join(map(self._piece, range(first, last + 1)))
        return pieces[start - first * _PIECE : end - first * _PIECE]

    def _piece(self, number: int) -> bytes:
        kept = self._kept.pop(number, None)
        if kept is None:
            start = number * _PIECE
            kept = read_range(self.path, start, min(start + _PIECE, self.size))
        self._kept[number] = kept  # the last used at the end
        while len(self._kept) > _PIECES:
            del self._kept[next(iter(self._kept))]
        return kept


class _Seekable(io.RawIOBase):
    """A source as tarfile reads its headers."""

    def __init__(self, source: _Source) -> None:
        self._source, self._at = source, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence != io.SEEK_SET or offset < 0:
            raise ValueError("tarfile seeks from the start")
        self._at = offset
        return offset

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _MAX_HEADER:
            raise ValueError("a header of that size is none")
        data = self._source.read(self._at, self._at + size) if self._at < self._source.size else b""
        self._at += len(data)
        return data
