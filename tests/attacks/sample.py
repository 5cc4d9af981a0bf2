"""What a kind of file is to those who attack it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Sample:
    """A good file."""

    name: str
    data: bytes


def never(text: str) -> bool:
    """No warning is right."""
    return False


@dataclass(frozen=True)
class Kind:
    """Files of one kind.

    Attributes:
        samples: makes good ones, in a folder that is its own.
        read: given the folder, and name and content of a changed one. Raises a ``CuplError`` for
            what it refuses; an ``AssertionError`` for what it reads wrong.
        text: whether people write it.
        may_warn: whether a warning with this text is right.
        may_print: how what a library prints begins, which nothing keeps from doing so.

    """

    samples: Callable[[Path], Sequence[Sample]]
    read: Callable[[Path, str, bytes], object]
    text: bool = False
    may_warn: Callable[[str], bool] = never
    may_print: bytes | None = None


def put(folder: Path, name: str, data: bytes) -> Path:
    """The file, which takes no space on a disk when it is overwritten."""
    path = folder / name
    path.write_bytes(data)
    return path


def reading(read: Callable[[Path], object]) -> Callable[[Path, str, bytes], object]:
    """For kinds that are one file."""
    return lambda folder, name, data: read(put(folder, name, data))


def given(*files: tuple[str, bytes | str]) -> Callable[[Path], Sequence[Sample]]:
    """Samples that are written here."""
    samples = [Sample(name, d if isinstance(d, bytes) else d.encode()) for name, d in files]
    return lambda folder: samples


class changed:
    """A file has another content for a while."""

    def __init__(self, path: Path, data: bytes) -> None:
        self._path, self._data = path, data

    def __enter__(self) -> None:
        self._good = self._path.read_bytes()
        self._path.write_bytes(self._data)

    def __exit__(self, *error: object) -> None:
        self._path.write_bytes(self._good)
