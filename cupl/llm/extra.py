"""What a server wants to be told beyond what cupl sends by itself, such as ``enable_thinking``."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Mapping
from typing import Any, NoReturn

from cupl.errors import InputError
from cupl.llm.redaction import scrub

EXAMPLE = '{"top_k": 20}'
MAX_EXTRA = 10_000
"""Characters of the longest, as JSON: it goes out with every request."""
_MOST_VALUES, _MOST_LEVELS = 1000, 10
_SET_BY: dict[str, dict[str, object]] = {
    "model": {"model": ...},
    "messages": {"questions": ..., "preamble": ...},
    "prompt": {"questions": ..., "preamble": ...},
    "n": {"n": ...},
    "temperature": {"temperature": ...},
    "top_p": {"top_p": ...},
    "max_tokens": {"max_tokens": ...},
    "stop": {"stop": ...},
    "seed": {"seed": ...},
}
"""What cupl sends by itself, and the arguments that say what."""
_OF_STREAMS = ("stream", "stream_options")
_SECRET_NAME = re.compile(
    r"(?:\w*[_-])?(?:api[_-]?key|authorization|password|passwd|secret|credentials?|"
    r"(?:access|auth|bearer|refresh|session|id)[_-]?token)|token",
    re.IGNORECASE,
)
_SECRET = re.compile(r"\bsk-[\w-]{8,}|\b(?:Bearer|Basic) \S{8,}|\beyJ[\w-]{8,}\.", re.IGNORECASE)


def parse_extra(text: str) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        InputError: it is none; the message does not repeat it.

    """
    try:
        if len(text) > MAX_EXTRA:
            raise ValueError
        value = json.loads(text, parse_constant=_no_number, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        raise _refusal(f"is no JSON ({error.msg} at character {error.pos + 1})") from None
    except (ValueError, RecursionError):
        raise _refusal(
            "is too long or too deep, or has a name twice, or a number that JSON does not have"
        ) from None
    if not isinstance(value, dict):
        raise _refusal(f"is {type(value).__name__}")
    return value


def _no_number(text: str) -> NoReturn:
    raise ValueError(text)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a name twice")
    return dict(pairs)


def checked_extra(extra: object, *, limited: bool) -> dict[str, Any] | None:
    """A copy of what is to be sent as well, in the one form that stands for it in cache keys.

    Args:
        extra: names and values of JSON.
        limited: the length of an answer is limited by an argument of its own.

    Returns:
        The copy, with whole numbers as such, or None for nothing.

    Raises:
        InputError: it is no JSON, too large, holds what looks like a key, or what cupl sends by
            itself; the message repeats no value.

    """
    if not isinstance(extra, Mapping):
        raise _refusal(f"is {type(extra).__name__}")
    copied = _Copy()
    settled = copied.of(extra, 0)
    assert isinstance(settled, dict)  # noqa: S101 (what becomes of a mapping)
    try:
        size = len(json.dumps(settled))
    except ValueError:  # a number of more digits than Python writes
        size = MAX_EXTRA + 1
    if size > MAX_EXTRA:
        raise _refusal(f"has more than {MAX_EXTRA:,} characters")
    for name in settled:
        if name in _SET_BY:
            said = " or ".join(_SET_BY[name])
            raise InputError(f"extra cannot set {name}: {said} does", arguments=_SET_BY[name])
        if name in _OF_STREAMS:
            raise _refusal(f"cannot set {name}: cupl finds out which form the server takes")
    if limited and "max_completion_tokens" in settled:
        raise InputError(
            "extra sets max_completion_tokens beside max_tokens, which is the same; leave one out",
            arguments={"max_tokens": None},
        )
    return settled or None


class _Copy:
    """Copies values of JSON, as many as there may be."""

    def __init__(self) -> None:
        self._number = 0

    def of(self, value: object, level: int) -> Any:
        """The value, whole numbers as such: 1 and 1.0 are one setting.

        Raises:
            InputError: it is none of JSON, or one too many.

        """
        self._number += 1
        if self._number > _MOST_VALUES or level > _MOST_LEVELS:
            raise _refusal(f"has more than {_MOST_VALUES:,} values or {_MOST_LEVELS} levels")
        match value:
            case None | bool():
                return value
            case int():
                return int(value)
            case float():
                if not math.isfinite(value):
                    raise _refusal("has a number that JSON does not have (NaN or infinity)")
                whole = value.is_integer() and abs(value) < 2**53
                return int(value) if whole else float(value)
            case str():
                return _checked_text(value)
            case Mapping():
                return {
                    _checked_name(name): self.of(part, level + 1) for name, part in value.items()
                }
            case list() | tuple():
                return [self.of(part, level + 1) for part in value]
        raise _refusal(f"holds {type(value).__name__}, which is nothing of JSON")


def _checked_name(name: object) -> str:
    if not isinstance(name, str):
        raise _refusal("has a name that is no text")
    if _SECRET_NAME.fullmatch(name):
        raise _secret()
    return _checked_text(name)


def _checked_text(text: str) -> str:
    key = os.environ.get("OPENAI_API_KEY", "").strip()
    if _SECRET.search(text) or scrub(text, key) != text:
        raise _secret()
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _refusal("holds what is no valid Unicode") from None
    return str(text)


def _secret() -> InputError:
    return InputError(
        "extra seems to hold a key or password, and is written into the bank and the cache; "
        "api_key_env names the environment variable of a key",
        arguments={"api_key_env": ...},
    )


def _refusal(why: str) -> InputError:
    return InputError(
        f"extra {why}; it is a JSON object such as {EXAMPLE}", arguments={"extra": ...}
    )
