"""Writing a file whole or not at all."""

import contextlib
import itertools
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from cupl.errors import InputError, MissingFileError


@contextlib.contextmanager
def open_atomically(path: Path) -> Iterator[BinaryIO]:
    """A file to write; at the end, and only then, it takes the place of ``path``.

    Raises:
        MissingFileError: the folder does not exist.
        InputError: the file cannot be written (no permission, no space, a folder of that name).

    """
    if not path.parent.is_dir():
        raise MissingFileError(f"cannot write {path}: the folder {path.parent} does not exist")
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name[:40]}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            # mkstemp makes the file private; a result gets the rights any new file would get.
            umask = os.umask(0)
            os.umask(umask)
            Path(temporary).chmod(0o666 & ~umask)
            Path(temporary).replace(path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                Path(temporary).unlink()
            raise
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error


def write_atomically(path: Path, data: bytes) -> None:
    """Write ``data`` so that ``path`` holds either what it held before or all of it.

    Raises:
        MissingFileError: the folder does not exist.
        InputError: the file cannot be written.

    """
    with open_atomically(path) as file:
        file.write(data)


def keep_old(path: Path, new: bytes) -> Path | None:
    """Before ``new`` is written over a file that says something else, set that file aside.

    A person may have worked on it for hours.

    Returns:
        Where the old content is now, or None where nothing had to be kept.

    Raises:
        InputError: it cannot be kept.

    """
    if not path.is_file() or (old := path.read_bytes()) == new:
        return None
    names = (path.with_name(f"{path.name}.old{number or ''}") for number in itertools.count())
    aside = next(name for name in names if not name.exists())
    write_atomically(aside, old)
    return aside
