"""The command line that this process was started with, for what reports say of their making."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_RUNNING: ContextVar[str | None] = ContextVar("running", default=None)


@contextmanager
def running(command: str) -> Iterator[None]:
    """Say which command this is, as it can be copied, while the block lasts."""
    token = _RUNNING.set(command)
    try:
        yield
    finally:
        _RUNNING.reset(token)


def this_command() -> str | None:
    """The command that is running, without secrets; None in a program that called the library."""
    return _RUNNING.get()
