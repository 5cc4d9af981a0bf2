"""JSON of bounded size that anything may have written."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cupl.errors import InputError
from cupl.io.text import read_text

FREE_LISTS = 100_000
"""Lists and objects that any JSON may hold."""

LIST_CHARACTERS = 16
"""Characters for each further one; an object takes up to 230 bytes, and ``[]`` has 2 characters."""


def parse_json(text: str | bytes, keys: str | None = None) -> Any:
    """What a JSON text stands for.

    Args:
        text: of a file or a line.
        keys: what a key is called where an object may have each only once.

    Raises:
        ValueError: it is not JSON, or more lists and objects than a text of its length can mean,
            which is found out before they are made; or a key stands twice.

    """
    check_brackets(text)
    try:
        return json.loads(text, object_pairs_hook=_once(keys) if keys else None)
    except _TwiceError:
        raise
    except RecursionError as error:
        raise ValueError("not valid JSON: nested too deeply") from error
    except ValueError as error:
        raise ValueError(f"not valid JSON: {error}") from error


def check_brackets(text: str | bytes) -> None:
    """Accept no more lists and objects than a text of its length can mean.

    Raises:
        ValueError: there are more.

    """
    signs = ("[", "{") if isinstance(text, str) else (b"[", b"{")
    if sum(map(text.count, signs)) > FREE_LISTS + len(text) // LIST_CHARACTERS:  # type: ignore[arg-type]
        raise ValueError("not JSON that can mean something: almost nothing but brackets")


def read_json(path: Path, keys: str = "key", wanted: str | None = None) -> Any:
    """What a JSON file stands for; see :func:`parse_json` and :func:`~cupl.io.text.read_text`.

    Raises:
        MissingFileError: there is no such file.
        InputError: it cannot be read, or is no such JSON.

    """
    text = read_text(path, wanted)
    try:
        return parse_json(text, keys)
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error


class _TwiceError(ValueError):
    """A key stands in an object twice: JSON would keep the last without a word."""


def _once(keys: str) -> Callable[[list[tuple[str, Any]]], dict[str, Any]]:
    def join(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            name, number = Counter(name for name, _ in pairs).most_common(1)[0]
            raise _TwiceError(f"the {keys} {name!r:.100} stands there {number} times")
        return found

    return join
