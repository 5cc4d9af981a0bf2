"""Telling runs on one output of each other; the kernel ends a lock with its process."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from cupl.errors import InputError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


def try_lock(descriptor: int) -> bool:
    """Lock an open file until it is closed; False where another run holds it.

    A file system without locks lets everybody in.
    """
    if fcntl is not None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            return True
    return True


@contextlib.contextmanager
def sole_writer(folder: Path) -> Iterator[None]:
    """Keep other runs out of a folder, which is made where it is missing.

    Raises:
        InputError: another run writes into it, or it cannot be made.

    """
    try:
        made = not folder.is_dir()
        folder.mkdir(exist_ok=True)
        descriptor = None if fcntl is None else os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise InputError(f"cannot make {folder}: {error.strerror or error}") from error
    try:
        if descriptor is not None and not try_lock(descriptor):
            made = False
            raise InputError(
                f"another run is writing into {folder}: wait for its end, or name another folder"
            )
        yield
    finally:
        if made:
            with contextlib.suppress(OSError):  # not empty: the work was done
                folder.rmdir()
        if descriptor is not None:
            os.close(descriptor)
