"""Telling runs on one output of each other; the kernel ends a lock with its process."""

import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from cupl.errors import InputError
from cupl.io.reasons import reason

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
        raise InputError(f"cannot make {folder}: {reason(error, folder)}") from error
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


@contextlib.contextmanager
def taking_turns(folder: Path) -> Iterator[None]:
    """Wait until no other run has its turn at a folder that is there, and keep them waiting.

    Where locks do not work everybody has a turn at once.

    Raises:
        OSError: it cannot be opened.

    """
    if fcntl is None:
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def held(path: Path) -> Iterator[bool]:
    """Keep :func:`remove_dead` off what was just made; False where it came before."""
    if fcntl is None:
        yield True
        return
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        yield False
        return
    try:
        yield try_lock(descriptor) and is_at(descriptor, path)
    finally:
        os.close(descriptor)


def is_at(descriptor: int, path: Path) -> bool:
    """Whether a path still means this open file, which another run may have removed."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def remove_dead(folder: Path, names: re.Pattern[str]) -> None:
    """Remove the temporary files and folders of killed runs: those of such names that none holds.

    Where locks do not work nobody can tell, and all stays.
    """
    if fcntl is None:
        return
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if names.fullmatch(entry.name):
                with contextlib.suppress(OSError):  # they are only untidy
                    _remove_unless_held(entry)


def _remove_unless_held(entry: os.DirEntry[str]) -> None:
    if not (entry.is_file(follow_symlinks=False) or entry.is_dir(follow_symlinks=False)):
        return
    descriptor = os.open(entry.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
        else:
            os.unlink(entry.path)  # noqa: PTH108
    finally:
        os.close(descriptor)
