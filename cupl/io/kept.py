"""Results that took time, kept in cupl's cache."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from re import Pattern

from cupl.errors import CuplError
from cupl.io.atomic import write_atomically
from cupl.io.paths import cache_dir


def kept_text(folder: str, name: str, valid: Pattern[str], compute: Callable[[], str]) -> str:
    """A text of ASCII from cupl's cache, where it is there and as it should be, else computed.

    Args:
        folder: in the cache.
        name: of the file; says all that the text depends on.
        valid: matches every such text whole.
        compute: makes it.

    """
    path = cache_dir() / folder / name
    with suppress(OSError, ValueError):
        text = path.read_text("ascii")
        if valid.fullmatch(text):
            return text
    text = compute()
    keep_in_cache(path, text.encode())
    return text


def keep_in_cache(path: Path, data: bytes) -> None:
    """Write a file of the cache, which only saves time: without it the next start is slow again."""
    with suppress(OSError, CuplError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, data)
