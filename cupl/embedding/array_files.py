"""Arrays in files of other programs, of which a block of rows at a time is read."""

from __future__ import annotations

import os
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from cupl.errors import CuplError, InputError
from cupl.io.file_kinds import ARRAYS, PARQUET, SAFETENSORS, kind_of_file
from cupl.io.reasons import missing, reason
from cupl.io.terminal import printable

ROWS = 1024
"""In a block: as many as ``cupl embed`` has in a shard, so that both give the same last digits."""
ARRAY_ENDINGS = (".npy", ".npz", ".parquet", ".safetensors")
Kind: TypeAlias = Literal["real", "text", "whole", "other"]
_READERS = {
    ".npy": ("numpy_arrays", "open_npy"),
    ".npz": ("numpy_arrays", "open_npz"),
    ".parquet": ("parquet_arrays", "open_parquet"),
    ".safetensors": ("safetensors_arrays", "open_safetensors"),
}
_KINDS = {
    ".npy": ARRAYS["npy"],
    ".npz": ARRAYS["zip"],
    ".parquet": PARQUET,
    ".safetensors": SAFETENSORS,
}


class NotReadError(ValueError):
    """An array that is there and cannot be used; its text says why, and the way out."""


@dataclass(frozen=True, eq=False)
class StoredArray:
    """An array of a file.

    Attributes:
        name: in the file; empty where it is the only one.
        shape: ``(rows, ...)``; the second number is None where every row may have its own width.
        kind: of what is in it: ``real`` numbers, ``text``, ``whole`` numbers.
        type: the same as the file names it, for messages.
        blocks: reads from the first block on: numbers as an array, texts as a list.

    """

    name: str
    shape: tuple[int | None, ...]
    kind: Kind
    type: str
    blocks: Callable[[int], Iterator[Any]]

    def __len__(self) -> int:
        return self.shape[0] or 0

    def __str__(self) -> str:
        sides = ", ".join("?" if one is None else f"{one:,}" for one in self.shape)
        return f"{printable(self.name)[:80]} {self.type[:40]} [{sides}]".strip()


class Blocks:
    """The blocks of an array by their number; read in order, each is read once."""

    def __init__(self, path: Path, array: StoredArray) -> None:
        self._path, self._array = path, array
        self._next = 0
        self._rest: Iterator[Any] = iter(())

    def __getitem__(self, number: int) -> Any:
        if number != self._next or number == 0:
            self._rest = self._array.blocks(number)
        with readable(self._path):
            block = next(self._rest, None)
            if block is None:
                raise NotReadError("it ends too early")
        self._next = number + 1
        if self._next * ROWS >= len(self._array):
            self._rest = iter(())  # closes the file
        return block


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """What the libraries that read files raise, as one sentence on the file."""
    name = printable(str(path))
    try:
        yield
    except NotReadError as error:
        raise InputError(f"{name}: {error}") from error
    except CuplError:
        raise
    except MemoryError as error:
        raise InputError(f"{name}: its rows do not fit in the memory") from error
    except Exception as error:
        if not _is_damage(error):
            raise
        why = reason(error) if isinstance(error, OSError) and error.errno else _short(error)
        raise InputError(f"{name}: not a whole {path.suffix} file ({why})") from error


def open_arrays(path: Path) -> Mapping[str, StoredArray]:
    """The arrays of a file by their names; of what is in them nothing is read.

    Raises:
        MissingFileError: there is no such file.
        InputError: it is none of these files, or damaged.

    """
    check_arrays(path)
    module, function = _READERS[path.suffix.lower()]
    with readable(path):
        found = getattr(import_module(f"cupl.embedding.{module}"), function)(path)
        return {one.name: one for one in found}


def is_array_file(path: str | os.PathLike[str]) -> bool:
    """Whether a file is what its ending says, by its beginning, and no file of vectors of cupl."""
    return kind_of_file(path) == _KINDS.get(Path(path).suffix.lower(), "")


def check_arrays(path: Path) -> None:
    """Refuse what is no file of arrays by its beginning, before a model is loaded.

    Raises:
        MissingFileError: there is no such file.
        InputError: it is something else, whatever its ending says.

    """
    if not os.path.lexists(path):
        raise missing(path, f"{path}: no such file")
    ending = path.suffix.lower()
    if ending not in _READERS:
        raise InputError(f"{path}: arrays are read from {', '.join(ARRAY_ENDINGS)} files")
    if not os.path.isfile(path):  # noqa: PTH113 (a pipe would wait for a writer)
        raise InputError(f"{path} is no regular file")
    with readable(path), path.open("rb") as file:
        empty = not file.read(1)
    if not is_array_file(path):
        kind = "empty" if empty else kind_of_file(path)
        name = printable(str(path))
        raise InputError(f"{name} is {kind or f'no {ending} file, whatever it is called'}")


def in_blocks(rows: npt.NDArray[Any], number: int) -> Iterator[Any]:
    """Blocks of an array that is there, or mapped to a file."""
    for start in range(number * ROWS, len(rows), ROWS):
        yield listed(np.array(rows[start : start + ROWS]))


def listed(block: npt.NDArray[Any]) -> Any:
    """A block as it is, or as a list where it holds texts."""
    if block.dtype.kind == "U":
        return block.tolist()
    return [os.fsdecode(one) for one in block.tolist()] if block.dtype.kind == "S" else block


def skipped(blocks: Iterator[Any], number: int) -> Iterator[Any]:
    """Blocks that can only be read from the first on, without those before a number."""
    return islice(blocks, number, None)


def kind_of_type(type: np.dtype[Any]) -> Kind:
    """What an array of numpy holds."""
    kinds: dict[str, Kind] = {"f": "real", "i": "whole", "u": "whole", "U": "text", "S": "text"}
    return kinds.get(type.kind, "other")


def _is_damage(error: Exception) -> bool:
    if isinstance(
        error, OSError | ValueError | EOFError | KeyError | zipfile.BadZipFile | zlib.error
        | NotImplementedError | RuntimeError | OverflowError | TypeError | SyntaxError
        | tokenize.TokenError
    ):  # fmt: skip
        return True
    return type(error).__module__.split(".")[0] in ("safetensors", "safetensors_rust", "pyarrow")


def _short(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return printable(lines[0])[:160]
