"""Why an answer ended, in one word for the many that servers have.

The response cache keeps the server's own word; it is read here, so that what was kept long ago
means the same as what comes today.
"""

from __future__ import annotations

import re
from typing import Literal

FinishKind = Literal[
    "stop", "length", "content_filter", "refusal", "tool", "fault", "no content", "unknown"
]
"""``stop``: the model ended it. ``length``: the room for it did. ``content_filter``: the server
held it back. ``refusal``: the model would not answer. ``tool``: it wants something done first.
``fault``: something broke, and the text is what there was until then. ``no content``: the text came
as the model's reasoning. ``unknown``: any other word; such a text may be cut off."""

NO_CONTENT = "reasoning_content"
"""Our own word for an answer that stands in ``reasoning_content`` instead of ``content``."""

_BEGINNINGS: dict[FinishKind, str] = {
    "content_filter": """
        filter safety unsafe policy sensitive recitation block prohibited spii guardrail moderat
        flagg toxic risk security responsible inspection violat harm copyright jailbreak
    """,
    "refusal": "refus declin",
    "fault": """
        error fail abort abnormal cancel disconnect connection timeout deadline exception crash
        interrupt preempt evict eviction unload overload load rate quota malformed unexpected
        network internal insufficient resource memory oom unavailable busy killed died dead lost
        shutdown broke broken pipe throttl capacity repetit degenerat
    """,
    "length": """
        length len max limit truncat incomplete unfinished exceed capped context window budget
        cutoff
    """,
    "tool": "tool function",
}
"""How words begin that tell a kind, of several in a reason the first of these."""
_FAMILIES: list[tuple[FinishKind, re.Pattern[str]]] = [
    (kind, re.compile(f"(?:^|_)(?:{'|'.join(words.split())})"))
    for kind, words in _BEGINNINGS.items()
]
_ENDED = (
    "stopped|stop|endoftext|ended|end|eos|eot|completed|completion|complete|done|finished|finish"
    "|successful|success|succeeded|naturally|natural|normally|normal|null|none|ok"
)
_BESIDE = (
    "sequences|sequence|tokens|token|strings|string|str|words|word|criteria|criterion|matched|match"
    "|found|hit|text|turn|message|model|id|of|by|the|_"
)
_STOP = re.compile(rf"(?=.*(?:{_ENDED}))(?:{_ENDED}|{_BESIDE})++")
"""Nothing but such words: a reason that names something else beside may be any."""
_COHERE = {"error_limit": "limit"}
_STATUS = re.compile("[45][0-9][0-9]")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_NO_LETTERS = re.compile(r"[^a-z0-9]+")


def finish_kind(reason: str) -> FinishKind:
    """What a server's word for the end of an answer means."""
    if reason == NO_CONTENT:
        return "no content"
    # Enumerations come with their names: FinishReason.MAX_TOKENS, FINISH_REASON_STOP.
    words = _NO_LETTERS.sub("_", _HUMP.sub("_", reason).lower()).strip("_")
    bare = re.sub(r"^(?:finish|stop)_?reason_", "", words)
    bare = re.sub("timed?_out", "timeout", _COHERE.get(bare, bare))
    if _STATUS.fullmatch(bare):
        return "fault"
    family = next((kind for kind, words in _FAMILIES if words.search(bare)), None)
    return family or ("stop" if _STOP.fullmatch(bare) else "unknown")


def finish_word(reason: object, depth: int = 3) -> str | None:
    """The word for it, where a server may put an object, a list or a number in its place.

    Args:
        reason: what stands there in JSON.
        depth: how far it is looked into.

    """
    match reason:
        case str():
            return reason or None
        case bool() | int():
            return str(reason)
        case list() if depth and reason:
            return finish_word(reason[0], depth - 1)
        case dict() if depth:
            names = ("type", "reason", "finish_reason", "name", "code")
            words = (finish_word(reason.get(name), depth - 1) for name in names)
            return next(filter(None, words), None)
    return None
