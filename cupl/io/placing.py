"""Putting files into places where nothing is: copied, linked or moved, never over another one.

Whatever is killed when, the content of a file stands under one of its two names at least. What is
half written has a name that :func:`~cupl.io.locks.remove_dead` knows.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from cupl.io.atomic import own_file

_AT_ONCE = 2**20
_NO_HARD_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EMLINK, errno.ENOSYS,
                  errno.EXDEV, errno.EACCES}  # fmt: skip


Act = Callable[[Path, Path, Callable[[str], object], Path], str]
"""What :func:`copy_new` and :func:`move_new` are."""


class SourceError(OSError):
    """A file that was to be placed cannot be read, or not be taken away."""


def file_digest(path: Path) -> str:
    """SHA-256 of a file's content, as hex.

    Raises:
        SourceError: it cannot be read, or is no ordinary file.

    """
    with _reading(), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SourceError(error.errno, error.strerror, error.filename) from error


def copy_new(source: Path, target: Path, before: Callable[[str], object], scratch: Path) -> str:
    """Copy a file, with its times, to where nothing is.

    Args:
        source: a file, or a link to one.
        target: in a folder that is there.
        before: told the SHA-256 of the content before the target takes its name.
        scratch: a folder of the same file system, for what is half written.

    Returns:
        The SHA-256.

    Raises:
        SourceError: the source cannot be read.
        FileExistsError: something has the name.
        OSError: the target cannot be written.

    """
    with own_file(scratch) as file:
        digest = _copy(source, file)
        file.flush()
        os.fsync(file.fileno())
        with contextlib.suppress(OSError):  # times and rights are a courtesy
            shutil.copystat(source, file.name)
        before(digest)
        rename_new(Path(file.name), target)
    return digest


def _copy(source: Path, target: BinaryIO) -> str:
    digest = hashlib.sha256()
    with contextlib.ExitStack() as stack:
        with _reading():
            file = stack.enter_context(source.open("rb"))
        while True:
            with _reading():
                data = file.read(_AT_ONCE)
            if not data:
                return digest.hexdigest()
            digest.update(data)
            target.write(data)


def rename_new(source: Path, target: Path) -> None:
    """Rename a file to where nothing is, on one file system.

    Raises:
        SourceError: the old name cannot be taken away.
        FileExistsError: something has the new name.
        OSError: the new name cannot be given.

    """
    try:
        target.hardlink_to(source)  # fails where something is, which a rename would replace
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS or isinstance(error, FileExistsError):
            raise
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from error
        with _reading():
            source.rename(target)
        return
    _take_away(source, target)


def _take_away(source: Path, target: Path) -> None:
    """Remove the first of two names; where that cannot be, the second."""
    try:
        source.unlink()
    except OSError as error:
        target.unlink()
        raise SourceError(error.errno, error.strerror, str(source)) from error


def move_new(source: Path, target: Path, before: Callable[[str], object], scratch: Path) -> str:
    """Move a file to where nothing is, onto another file system too.

    There it is copied, read again, and only then removed. Arguments and errors as for
    :func:`copy_new`; also a link is refused, which could lead elsewhere from its new place.
    """
    if source.is_symlink():
        raise SourceError(errno.EINVAL, "it is a link, and would lead elsewhere", str(source))
    with _reading():
        device = source.lstat().st_dev
    if device == target.parent.stat().st_dev:
        digest = file_digest(source)
        before(digest)
        rename_new(source, target)
        return digest
    digest = copy_new(source, target, before, scratch)
    if file_digest(target) != digest:
        target.unlink()
        raise OSError(errno.EIO, "what was written is not what is read again", str(target))
    sync_folder(target.parent)
    _take_away(source, target)
    return digest


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk, where that can be."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
