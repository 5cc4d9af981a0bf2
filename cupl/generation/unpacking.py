"""Taking a description out of the JSON or the fenced block that a model put it into."""

from __future__ import annotations

import json
import re

_FENCE = re.compile(
    r"(?P<before>[^\n]{0,200}:\s{0,9}\n|)\s{0,9}(?P<fence>`{3,9}|~{3,9})[ \t]{0,9}"
    r"(?:json5?|text|txt|plain(?:text)?|markdown|md|)[ \t]{0,9}\n",
    re.IGNORECASE,
)
_SINGLE_QUOTES = re.compile(
    r"\{\s*'\w{1,40}'\s*:\s*(?:'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\")\s*,?\s*\}", re.DOTALL
)
_QUOTED_LINE = re.compile(r"^[ \t]{0,9}>[ \t]?", re.MULTILINE)
_ELEMENT = re.compile(r"<(caption|text|prompt)>([^<>]*)</\1>", re.IGNORECASE)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_NAMES = (
    "final_answer", "answer", "description", "descriptions", "response", "sentence", "sentences",
    "caption", "captions", "text", "prompt", "prompts", "content", "output", "result",
)  # fmt: skip
"""Where an object has the answer, the surest first."""
_LEVELS = 5


def unpacked(text: str) -> str:
    """The text in a fenced block, in a quotation or in JSON; what holds no one text stays."""
    inner = _unfenced(text).strip()
    if inner.startswith(">"):
        return _QUOTED_LINE.sub("", inner)
    if found := _ELEMENT.fullmatch(inner):
        return found[2]
    if inner[:1] not in ("{", "[", '"'):
        return inner if "\n" in text else text
    if found := _SINGLE_QUOTES.fullmatch(inner):
        return _ESCAPED.sub(r"\1", found[1] if found[1] is not None else found[2])
    for spelled in (inner, f"{{{inner}}}"):
        try:
            said = _said(json.loads(spelled, strict=False), _LEVELS)
        except (ValueError, RecursionError):
            continue
        return text if said is None else said
    return text


def _unfenced(text: str) -> str:
    start = _FENCE.match(text)
    if start is None:
        return text
    end = text.find(f"\n{start['fence']}", start.end() - 1)
    return text[start.end() :] if end < 0 else text[start.end() : max(end, start.end())]


def _said(value: object, levels: int) -> str | None:
    """The one text there; the items of a list as those of a written one."""
    if isinstance(value, str) or not levels:
        return value if isinstance(value, str) else None
    if isinstance(value, list):
        items = [_said(item, levels - 1) for item in value]
        if not items or None in items:
            return None
        return items[0] if len(items) == 1 else "\n".join(f"- {item}" for item in items)
    if isinstance(value, dict):
        named = {str(name).lower().replace(" ", "_"): inner for name, inner in value.items()}
        name = next((name for name in _NAMES if name in named), None)
        if name or len(named) == 1:
            return _said(named[name] if name else next(iter(named.values())), levels - 1)
    return None
