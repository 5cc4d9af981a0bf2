"""One entry of the response cache: an answer or a failure, and when it was stored."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from typing import get_args, get_type_hints

from cupl.errors import InputError
from cupl.io.json import parse_json
from cupl.io.sqlite import checksum
from cupl.llm.protocol import Failure, Response

CacheEntry = Response | Failure

_LATEST = 250_000_000_000  # in the year 9892: a date in every time zone
_TYPES: dict[type, dict[str, tuple[type, ...]]] = {
    kind: {name: get_args(hint) or (hint,) for name, hint in get_type_hints(kind).items()}
    for kind in (Response, Failure)
}


@dataclass(frozen=True, slots=True)
class Stored:
    """An entry as it lies in the cache."""

    key: str
    entry: CacheEntry
    time: int
    """Seconds since 1970 at which it was stored."""


def check_entry(entry: CacheEntry) -> None:
    """Accept only what can be read again once it is stored.

    Raises:
        InputError: a field of it has another type than it is declared with.

    """
    if not _has_declared_types(entry):
        raise InputError(
            "an answer has a text and a reason to finish, which are texts, and numbers of tokens, "
            f"which are whole or None; this is none: {entry!r:.200}"
        )


def entry_to_json(entry: CacheEntry, now: int) -> str:
    """The JSON text, in ASCII, of an entry that is stored at ``now``.

    Raises:
        InputError: it could not be read again; see :func:`check_entry`.

    """
    check_entry(entry)
    kind = "failure" if isinstance(entry, Failure) else "answer"
    values = {name: getattr(entry, name) for name in _TYPES[type(entry)]}
    stored = min(max(now, 0), _LATEST)  # a clock may be far off; what was paid for is kept
    return json.dumps({kind: values, "stored": stored}, separators=(",", ":"))


def entry_from_json(key: str, text: str) -> Stored:
    """An entry from its JSON text.

    Raises:
        ValueError: it is none.

    """
    return entry_from_data(key, parse_json(text))


def entry_from_data(key: str, data: object) -> Stored:
    """An entry from the object that its JSON text stands for.

    Raises:
        ValueError: it is none.

    """
    with contextlib.suppress(TypeError):
        match data:
            case {"answer": dict(fields), "stored": int(stored), **rest}:
                entry: CacheEntry = Response(**fields)
            case {"failure": dict(fields), "stored": int(stored), **rest}:
                entry = Failure(**fields)
            case _:
                raise ValueError("no entry of the response cache")
        dated = not isinstance(stored, bool) and 0 <= stored <= _LATEST
        if dated and not rest and _has_declared_types(entry):
            return Stored(key, entry, stored)
    raise ValueError("an entry of the response cache whose fields are not what they must be")


def check_seal(key: str, text: str, seal: object) -> None:
    """Accept only the text that was stored under the key; earlier versions stored no checksum.

    Raises:
        ValueError: it is another one.

    """
    if seal is not None and seal != checksum(key, text.encode("utf-8", "surrogatepass")):
        raise ValueError("an entry of the response cache that was changed on the disk")


def _has_declared_types(entry: CacheEntry) -> bool:
    for name, declared in _TYPES[type(entry)].items():
        if type(getattr(entry, name)) not in declared:  # a bool would be an int for isinstance
            return False
    return True
