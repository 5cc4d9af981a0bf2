"""Disks of a test's own, which are soon full."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.processes import mount

SIZE = 2**23


@contextmanager
def small_disk(place: Path, room: int) -> Iterator[None]:
    """A folder is a disk on which so many bytes are free.

    It skips the test where one may not mount.
    """
    try:
        mount(Path("none"), place, 0, "tmpfs", f"size={SIZE}")
    except OSError as error:
        pytest.skip(f"only root can mount ({error.strerror})")
    try:
        fill(place, room)
        yield
    finally:
        ctypes.CDLL(None).umount2(os.fsencode(place), _DETACH)


_DETACH = 2


def fill(disk: Path, room: int) -> None:
    """Leave so many bytes of it."""
    with (disk / "filler").open("wb", buffering=0) as file:
        with suppress(OSError):
            while True:
                file.write(bytes(4096))
        file.truncate(file.tell() - room)


def free(disk: Path) -> None:
    """Make room, as a person does who was told that the disk is full."""
    with suppress(FileNotFoundError):
        (disk / "filler").unlink()
