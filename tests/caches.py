"""Caches to test with."""

import hashlib
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cupl.generation.cache.store import ResponseCache
from cupl.llm.protocol import Failure, Response

ANSWER = Response("Una gata — «grande» 🐈", "length", "m-1", 5, 9, 1700000000)
FAILURE = Failure("refusal", 2)


def key(number: int) -> str:
    """A key like those of real answers, which fall all over the place."""
    return hashlib.sha256(str(number).encode()).hexdigest()


def fill(folder: Path, entries: int, *, time: float = 1_750_000_000) -> dict[str, Response]:
    """Make a cache with so many answers, some hundred bytes each."""
    answers = {
        key(number): Response(f"Answer {number}: " + "words " * 40, "stop", "m-1", 20, 60, 1)
        for number in range(entries)
    }
    with ResponseCache(folder, clock=lambda: time) as cache:
        cache.put(answers)
    return answers


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """No file can grow beyond so many bytes, as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
