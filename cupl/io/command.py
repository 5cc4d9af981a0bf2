"""The command line that this process was started with: for reports, and for hints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

_RUNNING: ContextVar[tuple[str | None, tuple[str, ...]]] = ContextVar("running", default=(None, ()))


@contextmanager
def running(command: str, words: Sequence[str] = ()) -> Iterator[None]:
    """Say which command this is, while the block lasts.

    Args:
        command: as it can be copied, without secrets.
        words: what it was given.

    """
    token = _RUNNING.set((command, tuple(words)))
    try:
        yield
    finally:
        _RUNNING.reset(token)


def this_command() -> str | None:
    """The command that is running, without secrets; None in a program that called the library."""
    return _RUNNING.get()[0]


def given_words() -> tuple[str, ...]:
    """What the command was given, word by word; none in a program that called the library."""
    return _RUNNING.get()[1]
