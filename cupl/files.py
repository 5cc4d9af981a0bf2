"""Writing a file whole or not at all."""

import contextlib
import itertools
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from cupl.errors import CuplError, InputError, MissingFileError


@contextlib.contextmanager
def open_atomically(path: Path) -> Iterator[BinaryIO]:
    """A file to write; at the end, and only then, it takes the place of ``path``.

    A link stays a link and what it points to is replaced; a device or a pipe is written directly.

    Raises:
        MissingFileError: the folder does not exist.
        InputError: the file cannot be written (no permission, no space, a folder of that name).

    """
    if not path.parent.is_dir():
        raise MissingFileError(f"cannot write {path}: the folder {path.parent} does not exist")
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            with path.open("wb") as file:
                yield file
        else:
            with _replacement(path.resolve()) as file:
                yield file
    except CuplError:
        raise  # from the caller's own work; some are an OSError too
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error


@contextlib.contextmanager
def _replacement(path: Path) -> Iterator[BinaryIO]:
    temporary = path.with_name(f".{path.name[:40]}.{secrets.token_hex(6)}")
    try:
        with temporary.open("xb") as file:
            if path.is_file():
                temporary.chmod(path.stat().st_mode & 0o777)
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_atomically(path: Path, data: bytes) -> None:
    """Write ``data`` so that ``path`` holds either what it held before or all of it.

    Raises:
        MissingFileError: the folder does not exist.
        InputError: the file cannot be written.

    """
    with open_atomically(path) as file:
        file.write(data)


def check_folder(directory: Path) -> None:
    """Find out before the work that files cannot be written into a folder, or that be made.

    Raises:
        MissingFileError: the folder that it belongs in does not exist.
        InputError: it is no folder, or writing is not allowed.

    """
    # os.path, because Path.is_dir raises for names that cannot be looked up.
    if not os.path.lexists(directory):
        place = directory.parent
        if not os.path.isdir(place):  # noqa: PTH112
            raise MissingFileError(f"cannot make {directory}: the folder {place} does not exist")
    elif not os.path.isdir(directory):  # noqa: PTH112
        raise InputError(f"cannot write into {directory}: it is not a folder")
    else:
        place = directory
    if not os.access(place, os.W_OK | os.X_OK):
        raise InputError(f"cannot write into {place}: no permission")


def keep_old(path: Path, new: bytes) -> Path | None:
    """Before ``new`` is written over a file that says something else, set that file aside.

    A person may have worked on it for hours.

    Returns:
        Where the old content is now, or None where nothing had to be kept.

    Raises:
        InputError: it cannot be kept.

    """
    try:
        if not path.is_file() or (old := path.read_bytes()) == new:
            return None
        names = (path.with_name(f"{path.name}.old{number or ''}") for number in itertools.count())
        aside = next(name for name in names if not name.exists())
    except OSError as error:
        raise InputError(f"{path}: cannot be kept ({error.strerror or error})") from error
    write_atomically(aside, old)
    return aside
