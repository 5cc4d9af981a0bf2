"""Named pipes, as ``<(command)`` of a shell makes them."""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def pipe(path: Path, *chunks: bytes) -> Iterator[Path]:
    """A pipe into which somebody writes, piece by piece, for whoever reads it once."""
    os.mkfifo(path)
    writer = threading.Thread(target=_write, args=(path, chunks))
    writer.start()
    try:
        yield path
    finally:
        _drain(path, writer)


def _drain(path: Path, writer: threading.Thread) -> None:
    """Let the writer end, whatever its reader has left."""
    end = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    while writer.is_alive():
        with suppress(BlockingIOError):
            os.read(end, 2**16)
        writer.join(0.01)
    os.close(end)


def _write(path: Path, chunks: Sequence[bytes]) -> None:
    with suppress(BrokenPipeError), path.open("wb", buffering=0) as file:
        for chunk in chunks:
            file.write(chunk)


@contextmanager
def reading(path: Path) -> Iterator[Callable[[], bytes]]:
    """A pipe that somebody reads to its end; what comes is given when it was called for."""
    os.mkfifo(path)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(path.read_bytes()), daemon=True)
    reader.start()

    def wait() -> bytes:
        reader.join(60)
        return read[0]

    yield wait
