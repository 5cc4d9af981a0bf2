"""Changing a person's file: what was there is kept, and the new file is there whole or not at all.

The first original is kept beside the file under the name that exiftool gives it,
``photo.jpg_original``, and no later run replaces it. Whatever is killed when, the file has its old
or its new content, and the next run ends in the same state.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

from cupl.embedding.image_ownership import check_bytes
from cupl.embedding.images import open_without_blocking
from cupl.errors import InputError
from cupl.io.atomic import own_file
from cupl.io.folders import KEPT_ORIGINAL
from cupl.io.locks import held
from cupl.io.placing import copy_new

Edit = Callable[[bytes], bytes]
"""The content of a file to its new content; the same object where nothing is to be changed."""
Check = Callable[[bytes, bytes], None]
"""Accepts old and new content, or raises."""
Note = Callable[[Path, bytes, bytes, os.stat_result], None]
"""Told of a file that was changed: its path, old and new content, and the status of the new."""
Undone = Literal["same", "changed", "restored"]
"""What became of a file that was taken back."""
_STEADY = ("st_ino", "st_dev", "st_size", "st_mtime_ns")


def real_file(path: str | os.PathLike[str]) -> Path:
    """The file that a path leads to through all links: that is what is changed, not the link."""
    return Path(os.path.realpath(path))


def original_of(path: Path) -> Path:
    """Where the original of a changed file is kept."""
    return path.with_name(path.name + KEPT_ORIGINAL)


def read_whole(path: Path) -> bytes:
    """The content of an ordinary file of bounded size.

    Raises:
        OSError: it cannot be read.
        InputError: it is no ordinary file, or too large.

    """
    with open(path, "rb", opener=open_without_blocking) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise InputError("it is no ordinary file")
        check_bytes(status.st_size)
        return file.read()


def not_noted(path: Path, old: bytes, new: bytes, status: os.stat_result) -> None:
    """Note nothing."""


def rewrite(
    path: Path,
    edit: Edit,
    check: Check,
    keep: Callable[[bytes], bool],
    note: Note = not_noted,
) -> bool:
    """Give a file the content that ``edit`` makes of it.

    The file keeps its name, rights and, where the system has them, extended attributes; its time is
    new, as programs that make copies must see that it has changed. A file that lies under other
    names too (hard links) is no longer the same as these.

    Args:
        path: no link.
        edit: see :data:`Edit`.
        check: told the old content and what was read back from the disk, before the file is named.
        keep: told the old content: whether it is an original that is to be kept.
        note: see :data:`Note`.

    Returns:
        Whether it was changed.

    Raises:
        OSError: it cannot be read or written.
        InputError: another run is changing it, or a program has changed it meanwhile.

    """
    with _steady(path) as (old, confirm):
        new = edit(old)
        if new is not old:
            note(path, old, new, _replace(path, old, new, check, keep, confirm))
    return new is not old


def take_back(
    path: Path,
    edit: Edit,
    check: Check,
    is_as: Callable[[bytes, bytes], bool],
    note: Note = not_noted,
) -> Undone:
    """Give a file the content that ``edit`` makes of it; its original where that is as good.

    Args:
        path: no link.
        edit: see :data:`Edit`; where nothing is left, the file goes.
        check: as for :func:`rewrite`.
        is_as: told the original and the new content: whether they say the same.
        note: see :data:`Note`; not told of a file that has gone.

    Raises:
        OSError: it cannot be read or written.
        InputError: another run is changing it, or a program has changed it meanwhile.

    """
    kept = original_of(path)
    with _steady(path) as (old, confirm):
        new = edit(old)
        if new is old:
            if os.path.lexists(kept) and kept.samefile(path):
                kept.unlink()  # a killed run had not come to change the file
            return "same"
        original = read_whole(kept) if os.path.isfile(kept) else None  # noqa: PTH113
        if original is not None and is_as(original, new):
            confirm()
            status = kept.stat()
            kept.replace(path)
            note(path, old, original, status)
            return "restored"
        if new:
            note(path, old, new, _replace(path, old, new, check, lambda _: False, confirm))
        else:
            confirm()
            path.unlink()
    return "changed"


@contextlib.contextmanager
def _steady(path: Path) -> Iterator[tuple[bytes, Callable[[], None]]]:
    """The content of a file that no other run changes, and what raises where a program has."""
    path.stat()  # else a file that is not there would be one that cannot be locked
    with held(path) as ours:
        if not ours:
            raise InputError("another run is writing it: try again when that has ended")
        before = path.stat()

        def confirm() -> None:
            now = path.stat()
            if any(getattr(now, name) != getattr(before, name) for name in _STEADY):
                raise InputError("it was changed while it was looked at: run the same again")
            if not os.access(path, os.W_OK):
                raise PermissionError(errno.EACCES, "it is read-only")

        yield read_whole(path), confirm


def _replace(
    path: Path,
    old: bytes,
    new: bytes,
    check: Check,
    keep: Callable[[bytes], bool],
    confirm: Callable[[], None],
) -> os.stat_result:
    confirm()
    with own_file(path.parent) as file:
        file.write(new)
        file.flush()
        os.fsync(file.fileno())
        written = Path(file.name)
        check(old, written.read_bytes())
        with contextlib.suppress(OSError):  # rights and attributes are a courtesy
            shutil.copystat(path, written)
            os.utime(written)
        if keep(old):
            _keep_original(path)
        confirm()
        status = written.stat()
        written.replace(path)
    return status


def _keep_original(path: Path) -> None:
    """Set the file's content aside, unless an original is kept already."""
    kept = original_of(path)
    if os.path.lexists(kept):
        return
    try:
        kept.hardlink_to(path)  # this file stays as it is: it is replaced, not written to
    except FileExistsError:
        return
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EROFS, errno.ENAMETOOLONG):
            raise
        copy_new(path, kept, lambda _: None, path.parent)
