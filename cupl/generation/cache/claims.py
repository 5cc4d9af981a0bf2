"""Who asks for an answer at the moment, so that nobody pays for it twice.

A claim holds between the threads, the caches and the processes of one machine. Between processes
it is a lock on one byte of a file, which ends with the process, however that ends. Such locks
belong to a process as a whole: they do not keep its own threads apart, and to close one descriptor
of the file drops all of them (POSIX, ``fcntl``). So a process has each file open once, for all of
its caches on that folder together, and beside it notes what it has claimed.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # Windows: two processes at once may ask for the same answer
    fcntl = None  # type: ignore[assignment]

_Identity = tuple[int, int]
_guard = threading.RLock()
"""Held while what follows changes; no other lock is taken meanwhile."""
_open: dict[_Identity, Claims] = {}


class Claims:
    """What this process has claimed in one cache; made by :func:`open_claims`."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.users = 0
        """Those who have it open."""
        self._places: set[int] = set()

    @contextlib.contextmanager
    def claim(self, name: str) -> Iterator[bool]:
        """Say that we ask for something; False where somebody else does at the moment."""
        place = _place(name)
        with _guard:
            mine = self._lock(place)
        try:
            yield mine
        finally:
            if mine:
                with _guard:
                    self._unlock(place)

    def _lock(self, place: int) -> bool:
        if place in self._places:
            return False
        if fcntl is not None:
            try:
                fcntl.lockf(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
            except (BlockingIOError, PermissionError):
                return False
            except OSError:
                pass  # a file system without locks: at worst two processes ask for the same
        self._places.add(place)
        return True

    def _unlock(self, place: int) -> None:
        if place not in self._places:
            return  # it was claimed before this process was forked, and is our parent's
        self._places.remove(place)
        if fcntl is not None and not self.file.closed:
            with contextlib.suppress(OSError):
                fcntl.lockf(self.file, fcntl.LOCK_UN, 1, place)

    def forget(self) -> None:
        """After a fork, in the child: the locks stay with the parent."""
        self._places.clear()


@contextlib.contextmanager
def open_claims(path: Path) -> Iterator[Claims]:
    """The claims on a cache, the same for all who have them open in this process.

    Args:
        path: the file for the locks; made if it is not there.

    Raises:
        OSError: it cannot be opened.

    """
    with _guard:
        identity, claims = _opened(path)
        claims.users += 1
    try:
        yield claims
    finally:
        with _guard:
            claims.users -= 1
            if not claims.users:
                del _open[identity]
                claims.file.close()


def _opened(path: Path) -> tuple[_Identity, Claims]:
    # To look first is what matters: an open file must not be opened, and closed, once more.
    with contextlib.suppress(FileNotFoundError):
        identity = _identity(path.stat())
        if identity in _open:
            return identity, _open[identity]
    file = path.open("ab")
    identity = _identity(os.fstat(file.fileno()))
    claims = _open[identity] = Claims(file)
    return identity, claims


def _identity(status: os.stat_result) -> _Identity:
    """The same for all paths that lead to a file."""
    return status.st_dev, status.st_ino


def _place(name: str) -> int:
    """The byte of the file that stands for a name."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:7])


def _start_anew() -> None:
    for claims in _open.values():
        claims.forget()
    _guard.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_guard.acquire, after_in_parent=_guard.release, after_in_child=_start_anew
    )
