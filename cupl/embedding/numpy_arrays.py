"""``.npy`` and ``.npz`` files; what is pickled in them is not read."""

from __future__ import annotations

import math
import os
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy

from cupl.embedding.array_files import (
    ROWS,
    NotReadError,
    StoredArray,
    in_blocks,
    kind_of_type,
    listed,
    skipped,
)

_MOST_BYTES = 2**28
"""Of a block of texts or numbers: 1,024 vectors as wide as any, or texts of 65,000 letters."""


def open_npy(path: Path) -> Iterator[StoredArray]:
    """The one array of a file; its rows are not read yet."""
    with path.open("rb") as file:
        shape, _, type_ = _header(file)
        _check_type("", type_)
        size = file.tell() + _bytes(shape, type_)
    if path.stat().st_size < size:
        raise NotReadError(f"{path.stat().st_size:,} bytes of {size:,}: it was cut off")
    yield StoredArray("", shape, kind_of_type(type_), str(type_), partial(_file_blocks, path))


def _file_blocks(path: Path, number: int) -> Iterator[Any]:
    """Read and not mapped, so that what was read does not stay in memory."""
    with path.open("rb") as file:
        shape, fortran, type_ = _header(file)
        if fortran and len(shape) > 1:  # a row lies all over the file
            yield from in_blocks(np.load(path, mmap_mode="r", allow_pickle=False), number)
            return
        file.seek(number * ROWS * _bytes(shape[1:], type_), os.SEEK_CUR)
        for start in range(number * ROWS, shape[0], ROWS):
            part = (min(ROWS, shape[0] - start), *shape[1:])
            yield listed(_read(file, part, type_))


def open_npz(path: Path) -> Iterator[StoredArray]:
    """The arrays of an archive; one that is packed is unpacked a block at a time."""
    with zipfile.ZipFile(path) as archive:
        members = [one for one in archive.infolist() if one.filename.endswith(".npy")]
        if not members:
            raise NotReadError("an archive without arrays of numpy")
        for member in members:
            name = member.filename.removesuffix(".npy")
            with archive.open(member) as file:
                shape, fortran, type_ = _header(file)
                size = file.tell() + _bytes(shape, type_)
            if size != member.file_size and not type_.hasobject:
                raise NotReadError(f"{name:.80} is not as large as it says")
            blocks = partial(_member_blocks, path, member.filename, fortran and len(shape) > 1)
            # What is pickled may be beside what is wanted.
            yield StoredArray(name, shape, kind_of_type(type_), str(type_), blocks)


def _member_blocks(path: Path, name: str, fortran: bool, number: int) -> Iterator[Any]:
    return skipped(_all_blocks(path, name, fortran), number)


def _all_blocks(path: Path, name: str, fortran: bool) -> Iterator[Any]:
    with zipfile.ZipFile(path) as archive, archive.open(name) as file:
        shape, _, type_ = _header(file)
        _check_type(name, type_)
        if fortran:  # the rows lie side by side through all of it
            yield from in_blocks(_whole(file, shape, type_), 0)
            return
        for start in range(0, shape[0], ROWS):
            part = (min(ROWS, shape[0] - start), *shape[1:])
            yield listed(_read(file, part, type_))


def _whole(file: IO[bytes], shape: tuple[int, ...], type_: np.dtype[Any]) -> npt.NDArray[Any]:
    size = _bytes(shape, type_)
    if size > 8 * _MOST_BYTES:
        raise NotReadError(
            f"{size / 2**30:.1f} GB in columns (Fortran order), packed: save it in rows, "
            "numpy.ascontiguousarray, or as .npy"
        )
    data = bytearray(size)  # read() would hold it twice
    left = memoryview(data)
    while left:
        if not (got := file.readinto(left)):  # type: ignore[attr-defined]
            raise EOFError("it ends too early")
        left = left[got:]
    return np.frombuffer(data, type_).reshape(shape[::-1]).T


def _read(file: IO[bytes], shape: tuple[int, ...], type_: np.dtype[Any]) -> npt.NDArray[Any]:
    size = _bytes(shape, type_)
    if size > 2 * _MOST_BYTES:
        raise NotReadError(f"rows of {size // max(shape[0], 1):,} bytes are no vectors")
    data = file.read(size)
    if len(data) != size:
        raise EOFError("it ends too early")
    return np.frombuffer(data, type_).reshape(shape)


def _bytes(shape: tuple[int, ...], type_: np.dtype[Any]) -> int:
    return type_.itemsize * math.prod(shape)


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = npy.read_magic(file)
    reader = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, fortran, type_ = reader(file)
    if any(size < 0 for size in shape):
        raise ValueError(f"its header says the shape {shape}")
    return shape, fortran, type_


def _check_type(name: str, type_: np.dtype[Any]) -> None:
    if type_.hasobject:
        what = f"the array {name.removesuffix('.npy'):.80}" if name else "the array"
        raise NotReadError(
            f"{what} holds Python objects (dtype object), which are pickled and could run code: "
            "save it as numbers, astype('float32'), or as texts, astype(str)"
        )
