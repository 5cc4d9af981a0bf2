"""Taking off what a model thought aloud, and the tokens of its chat template.

The text after a block of thought is the answer; where a block has no end, the model was cut off in
it, and there is none. What follows the token that ends an answer is no part of it: a base model
goes on to write the next question.
"""

from __future__ import annotations

import re

from cupl.generation.thought_marks import MARK, MAY_BE_MARKED, with_plain_tags

_WORD = re.compile(r"\w")
_CLOSING = {"open": {"close", "begin"}, "label": {"close", "begin", "answer", "turn"}}
"""Marks that end a thought, by the mark that began it. A thought in tags may hold "Answer:"."""


def without_thinking(text: str) -> str:
    """The answer in what a model wrote: empty where it holds a thought alone.

    The time grows with the length of the text and no faster.
    """
    if not MAY_BE_MARKED.search(text):
        return text
    text = with_plain_tags(text)
    marks = list(MARK.finditer(text))
    followed = _followed_by_words(text, marks)
    kept, place = "", 0
    inside: str | None = None
    for mark, words_follow in zip(marks, followed, strict=True):
        kind = mark.lastgroup
        if inside:
            if kind in _CLOSING[inside]:
                inside, place = None, mark.end()
            elif kind == "open":
                inside = kind
            continue
        if kind == "answer":
            continue
        before = kept + text[place : mark.start()]
        place = mark.end()
        match kind:
            case "open" | "label":
                kept, inside = before, kind
            case "close":
                kept = ""
            case "begin" if words_follow:
                kept = ""
            case _ if _WORD.search(before):
                return before
    return kept if inside else kept + text[place:]


def _followed_by_words(text: str, marks: list[re.Match[str]]) -> list[bool]:
    """Of each mark, whether words come after it that are no marks."""
    ends = [*(mark.start() for mark in marks), len(text)][1:]
    follows, found = False, []
    for mark, end in zip(reversed(marks), reversed(ends), strict=True):
        follows = follows or _WORD.search(text, mark.end(), end) is not None
        found.append(follows)
    return found[::-1]
