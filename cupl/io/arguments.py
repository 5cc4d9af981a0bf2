"""Arguments of another type than they are declared with: one of several, and what is none."""

from __future__ import annotations

import operator
import os
from collections.abc import Iterable, Mapping
from typing import Any

from cupl.errors import InputError


def several(given: Any, *kinds: type) -> list[Any]:
    """What was given as a list; a single text, path or thing of ``kinds`` is a list of one."""
    one = isinstance(given, (str, bytes, os.PathLike, Mapping, *kinds))
    return [given] if one or not isinstance(given, Iterable) else list(given)


def check_whole(**given: object) -> None:
    """Accept whole numbers, or None.

    Raises:
        InputError: an argument is something else; it is named.

    """
    for name, value in given.items():
        try:
            if value is not None:
                operator.index(value)  # type: ignore[arg-type]
        except TypeError:
            raise InputError(f"{name} must be a whole number, not {value!r:.80}") from None


def check_numbers(**given: object) -> None:
    """Accept numbers, or None.

    Raises:
        InputError: an argument is something else; it is named.

    """
    for name, value in given.items():
        if value is not None and (isinstance(value, str) or not hasattr(value, "__float__")):
            raise InputError(f"{name} must be a number, not {value!r:.80}")


def check_path(path: object, what: str) -> None:
    """Accept a path as a text or a Path.

    Raises:
        InputError: it is something else.

    """
    if not isinstance(path, str | os.PathLike):
        raise InputError(f"{what} is read from a path, a text or a Path, not from {path!r:.80}")
