"""Writing over a file: what is there is kept where somebody may miss it, and a warning says so."""

import contextlib
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from cupl.io.atomic import keep_old, open_atomically, write_keeping_old
from cupl.io.file_kinds import kind_of_file


@contextlib.contextmanager
def open_replacing(path: Path, is_ours: Callable[[Path], bool]) -> Iterator[BinaryIO]:
    """As :func:`~cupl.io.atomic.open_atomically`; only a file of ours is replaced.

    Args:
        path: where the file is to be. What else lies there is set aside as ``PATH.old`` once all is
            written.
        is_ours: whether a file is an older one of those that are written here.

    Raises:
        MissingFileError: the folder does not exist.
        InputError: a file cannot be written.

    """
    with open_atomically(path) as file:
        yield file
        file.flush()
        if not is_ours(path):
            _tell(path, keep_old(path, b""))


def of_kind(*kinds: str) -> Callable[[Path], bool]:
    """Whether a file is of one of these kinds, of :mod:`cupl.io.file_kinds`."""
    return lambda path: kind_of_file(path) in kinds


def write_with_warning(path: Path, data: bytes) -> None:
    """As :func:`~cupl.io.atomic.write_keeping_old`, for Python.

    Raises:
        MissingFileError: the folder does not exist.
        InputError: a file cannot be written.

    """
    _tell(path, write_keeping_old(path, data))


def _tell(path: Path, aside: Path | None) -> None:
    if aside is not None:
        warnings.warn(f"{path} held something else: kept as {aside}", stacklevel=4)
