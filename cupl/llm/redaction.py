"""Keeping keys and passwords out of everything that is shown or stored."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping
from urllib.parse import quote

_LEAST = 8
"""A shorter piece of a key says nothing, and may be a common word."""
_LEAST_STORED = 16
"""Answers are not altered for less: a key such as "sk-no-key-required" has words in it."""
_SECRET_NAME = re.compile(r"key|token|secret|password|credential", re.IGNORECASE)
_TOKEN = re.compile(r"\bsk-[\w*.-]+|\b((?:Bearer|Basic) )\S+", re.IGNORECASE)


def is_placeholder(key: str) -> bool:
    """Whether a key is none but a word for a server that takes any: "", "ollama", "EMPTY"."""
    return not key or (len(key) < _LEAST and key.isalpha())


def redact(message: str, *secrets: str) -> str:
    """A message as one line of at most 300 characters, without secrets or pieces of one.

    Args:
        message: what a server said.
        secrets: what must not be in it; whatever looks like a key of OpenAI is taken out anyway.

    """
    line = " ".join("".join(c if c.isprintable() else " " for c in message[:10_000]).split())
    for secret in filter(None, secrets):
        line = _without(line, secret, _LEAST)
    return _TOKEN.sub(lambda found: f"{found[1] or ''}***", line)[:300]


def without_secrets(command: str, environment: Mapping[str, str]) -> str:
    """A command line as it may stand in a report: without keys and passwords.

    Args:
        command: as it was typed.
        environment: whose variables that are called keys, tokens, secrets or passwords hold them.

    """
    for name, value in environment.items():
        if len(value) >= _LEAST and _SECRET_NAME.search(name) and not is_placeholder(value):
            command = command.replace(value, "***")
    command = re.sub(r"(?<=://)[^/\s@'\"]+@", "***@", command)
    return _TOKEN.sub(lambda found: f"{found[1] or ''}***", command)


def without_url_keys(text: str) -> str:
    """A text in which no URL has a user or a password, also where it was read as a path."""
    return re.sub(r"(?<=:/)(/?)[^/\s@'\"]+@(?!\S*\.core\.)", r"\1***@", text)


def scrub(text: str, *secrets: str) -> str:
    """An answer without secrets, should the server have echoed them.

    What looks like a word, as "ollama" for a server that takes any key, may stand in an answer.

    Args:
        text: the answer, or something else that the server said with it.
        secrets: what must not be in it.

    """
    for secret in secrets:
        is_word = secret.isalpha() and len(secret) < _LEAST_STORED
        if len(secret) >= _LEAST and not is_word:
            text = _without(text, secret, _LEAST_STORED)
    return text


def _without(text: str, secret: str, least: int) -> str:
    """The text without each piece of the secret that has so many characters, broken or not.

    A secret of fewer is taken out as a whole, one of very few only where it stands as a word.
    """
    if len(secret) < _LEAST:
        return re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", "***", text)
    places = [index for index, char in enumerate(text) if not char.isspace()]
    packed = "".join(text[index] for index in places)
    spans = sorted(
        (places[found.start()], places[found.start() + len(piece) - 1] + 1)
        for piece in _pieces(secret, least)
        if piece in packed
        for found in re.finditer(f"(?={re.escape(piece)})", packed)
    )
    shown, end = "", 0
    for start, stop in spans:
        if start > end or not shown:
            shown += f"{text[end:start]}***"
        end = max(end, stop)
    return shown + text[end:]


@functools.cache
def _pieces(secret: str, least: int) -> frozenset[str]:
    """Runs of the secret, also as JSON and addresses spell it."""
    pieces: set[str] = set()
    for form in (
        secret,
        secret.replace("/", r"\/"),
        json.dumps(secret)[1:-1],
        quote(secret, "", errors="replace"),
    ):
        packed = "".join(form.split())
        size = min(least, len(packed))
        pieces |= {packed[i : i + size] for i in range(len(packed) - size + 1)}
    return frozenset(pieces - {""})
