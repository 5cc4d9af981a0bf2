"""The key of a server, and keeping it out of everything that is shown or stored."""

from __future__ import annotations

import os
import re

from cupl.errors import InputError

_LEAST = 8
"""A shorter piece of a key says nothing, and may be a common word."""
_TOKEN = re.compile(r"\bsk-[\w*.-]+|\b((?:Bearer|Basic) )\S+", re.IGNORECASE)


def api_key() -> str:
    """The key in ``$OPENAI_API_KEY``, without the line end that a file of settings leaves on it.

    Raises:
        InputError: it holds what no key holds; the message does not repeat it.

    """
    key = os.environ.get("OPENAI_API_KEY", "").strip()
    if not (key.isascii() and key.isprintable()):
        raise InputError("OPENAI_API_KEY holds a character that no key has; set it again")
    return key


def redact(message: str, *secrets: str) -> str:
    """First line of a message, without keys or pieces of one.

    Args:
        message: what a server said.
        secrets: what must not be in it, beside the key.

    """
    line = " ".join(message[:10_000].split())
    for secret in (api_key(), *secrets):
        line = _without(line, secret)
    return _TOKEN.sub(lambda found: f"{found[1] or ''}***", line)[:300]


def _without(line: str, secret: str) -> str:
    """The line without every piece of the secret of eight characters or more."""
    size = min(_LEAST, len(secret))
    if size < 3:
        return line
    pieces = {secret[i : i + size] for i in range(len(secret) - size + 1)}
    hidden = [False] * len(line)
    for start in range(len(line) - size + 1):
        if line[start : start + size] in pieces:
            hidden[start : start + size] = [True] * size
    shown = "".join("\0" if hide else char for char, hide in zip(line, hidden, strict=True))
    return re.sub("\0+", "***", shown)


def scrub(text: str) -> str:
    """An answer without the key, should the server have echoed it.

    What looks like a word, as "ollama" for a server that takes any key, may stand in an answer.
    """
    key = api_key()
    return text.replace(key, "***") if len(key) >= _LEAST and not key.isalpha() else text
