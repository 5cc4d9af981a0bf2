"""What a path that is written to stands for: an ordinary file, or what is written straight on.

Only ordinary files are ever replaced, renamed or set aside. A device, a pipe, a socket or an open
descriptor (``/dev/stdout``, whatever it leads to) gets bytes and nothing else. ``-`` is standard
output.
"""

import contextlib
import errno
import os
import re
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_FOLDER = re.compile(r"/dev/fd|/proc/([0-9]+)(?:/task/[0-9]+)?/fd")
_MOST_LINKS = 40
_NO_ROOM = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))


def why_not_written(error: OSError) -> str:
    """What the system says, and what to do where a disk is full."""
    way_out = "; free space on its disk, then run the same again"
    return f"{error.strerror or error}{way_out if error.errno in _NO_ROOM else ''}"


def is_stream(path: Path) -> bool:
    """Whether a path is written straight on: anything but a file, a folder or a free name."""
    if _descriptor(path) is not None:
        return True
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 (a name of any bytes)
    except (OSError, ValueError):
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def check_stream(path: Path) -> None:
    """Find out before the work that what :func:`is_stream` says yes to cannot be written.

    Raises:
        OSError: it is closed, only to be read, or nothing that can be opened.

    """
    found = _descriptor(path)
    if found is not None and found[0]:
        import fcntl  # not on Windows, where no path names a descriptor

        if fcntl.fcntl(found[1], fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    elif stat.S_ISSOCK(os.stat(path).st_mode):  # noqa: PTH116
        raise OSError(errno.ENXIO, "it is a socket")
    elif not os.access(path, os.W_OK):
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))


@contextlib.contextmanager
def open_stream(path: Path) -> Iterator[BinaryIO]:
    """What :func:`is_stream` says yes to, to write on where its last writer stopped.

    Raises:
        OSError: it cannot be written.

    """
    found = _descriptor(path)
    if found is not None and found[0]:
        for printed in (sys.stdout, sys.stderr):
            if printed is not None:
                printed.flush()  # what was said before comes before
        # A new open file would begin at the start, and truncate what others have written.
        number = os.dup(found[1])
    else:
        number = os.open(path, os.O_WRONLY | os.O_APPEND | getattr(os, "O_NOCTTY", 0))
    with os.fdopen(number, "wb") as file:
        yield file


def _descriptor(path: Path) -> tuple[bool, int] | None:
    """Whether the descriptor that a path names is our own, and its number; None for none."""
    name = os.fspath(path)
    if name == "-":
        return True, 1
    for _ in range(_MOST_LINKS):
        try:
            folder = os.path.realpath(os.path.dirname(name) or ".")  # noqa: PTH120
            last = os.path.basename(name)  # noqa: PTH119
            found = _FOLDER.fullmatch(folder)
            if found and last.isdecimal():
                return found[1] in (None, str(os.getpid())), int(last)
            name = os.path.join(folder, os.readlink(os.path.join(folder, last)))  # noqa: PTH115, PTH118
        except (OSError, ValueError):
            return None
    return None
