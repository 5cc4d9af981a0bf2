"""The key of a server, and keeping it out of everything that is shown or stored."""

from __future__ import annotations

import base64
import functools
import json
import os
import re
from urllib.parse import quote, unquote, urlsplit

from cupl.errors import InputError

_LEAST = 8
"""A shorter piece of a key says nothing, and may be a common word."""
_LEAST_STORED = 16
"""Answers are not altered for less: a key such as "sk-no-key-required" has words in it."""
_TOKEN = re.compile(r"\bsk-[\w*.-]+|\b((?:Bearer|Basic) )\S+", re.IGNORECASE)


def api_key() -> str:
    """The key in ``$OPENAI_API_KEY``, without the line end that a file of settings leaves on it.

    Raises:
        InputError: it holds what no key holds; the message does not repeat it.

    """
    key = os.environ.get("OPENAI_API_KEY", "").strip()
    if not re.fullmatch(r"[!-~]*", key):
        raise InputError("OPENAI_API_KEY holds a character that no key has; set it again")
    return key


def credentials(url: str) -> tuple[str, str] | None:
    """User and password of an address, as they are sent; None where it has neither."""
    parts = urlsplit(url)
    pair = (unquote(parts.username or ""), unquote(parts.password or ""))
    return pair if any(pair) else None


def secrets_of(url: str) -> list[str]:
    """What of an address must not be shown: user, password and the header made of them."""
    pair = credentials(url)
    if pair is None:
        return []
    header = base64.b64encode(":".join(pair).encode(errors="replace")).decode()
    return [secret for secret in (*pair, header) if secret]


def redact(message: str, *secrets: str) -> str:
    """A message as one line of at most 300 characters, without keys or pieces of one.

    Args:
        message: what a server said.
        secrets: what must not be in it, beside the key.

    """
    line = " ".join("".join(c if c.isprintable() else " " for c in message[:10_000]).split())
    key = api_key()
    if len(key) < _LEAST and key.isalpha():
        key = ""  # "ollama", "EMPTY": for a server that takes any
    for secret in filter(None, (key, *secrets)):
        line = _without(line, secret, _LEAST)
    return _TOKEN.sub(lambda found: f"{found[1] or ''}***", line)[:300]


def scrub(text: str, *secrets: str) -> str:
    """An answer without the key, should the server have echoed it.

    What looks like a word, as "ollama" for a server that takes any key, may stand in an answer.

    Args:
        text: the answer, or something else that the server said with it.
        secrets: what must not be in it, beside the key.

    """
    for secret in (api_key(), *secrets):
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
