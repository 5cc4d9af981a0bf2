"""A photo of a folder that is opened once, so that what was checked is what is read."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

from cupl.errors import InputError, MissingFileError

_MOST_BYTES = 1 << 30


@dataclass(frozen=True)
class OpenPhoto:
    """A photo that may be shown.

    Attributes:
        path: without links; of what is no file of its own, in a store or a tar, its name.
        file: None for such a one.

    """

    path: str
    file: BinaryIO | None

    @property
    def source(self) -> str | bytes:
        """What the reader of images takes.

        Raises:
            InputError: the file is too large.

        """
        if self.file is None:
            return self.path
        content = self.file.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise InputError("this photo is larger than 1 GB")
        return content

    @property
    def version(self) -> tuple[int, int] | None:
        """Size and time of the file."""
        try:
            found = os.stat(self.path) if self.file is None else os.fstat(self.file.fileno())  # noqa: PTH116
        except (OSError, ValueError):
            return None
        return found.st_size, found.st_mtime_ns


@contextmanager
def open_inside(path: str, roots: Sequence[str]) -> Iterator[OpenPhoto]:
    """Open a photo that lies in one of some folders.

    Args:
        path: of the photo.
        roots: the folders, without links; with none of them nothing is checked.

    Raises:
        MissingFileError: it does not lie there, or what does is no file.

    """
    if not roots:
        yield OpenPhoto(path, None)
        return
    gone = MissingFileError("this photo does not lie in the folder any more")
    try:
        # A pipe in its place would otherwise be waited for.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except (OSError, ValueError) as error:
        raise gone from error
    real = _checked(path, descriptor, roots)
    if real is None:
        os.close(descriptor)
        raise gone
    with os.fdopen(descriptor, "rb") as file:
        yield OpenPhoto(real, file)


def _checked(path: str, descriptor: int, roots: Sequence[str]) -> str | None:
    """The path without links, if the open file is a photo that lies in the folders."""
    try:
        real, opened = os.path.realpath(path), os.fstat(descriptor)
        # A link may have come in its place since it was opened, or gone.
        same = os.path.samestat(opened, os.lstat(real))
    except OSError:
        return None
    return real if same and stat.S_ISREG(opened.st_mode) and lies_inside(real, roots) else None


def lies_inside(real: str, roots: Sequence[str]) -> bool:
    """Whether a path without links lies in one of some folders, also without."""
    return any(real.startswith(root.rstrip(os.sep) + os.sep) for root in roots)
