"""What is kept of an answer.

A filter takes an :class:`Answer` and returns it, changed or not, or says with :class:`Dropped` why
nothing of it is kept. The caller chooses which filters run and in what order.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Answer:
    """The text of a response on its way through the filters, and what they need to judge it."""

    text: str
    question: str = ""
    finish_reason: str = "stop"
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Dropped:
    """Nothing is kept, for this reason."""

    reason: str


Filter = Callable[[Answer], Answer | Dropped]

_THINKING = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.DOTALL | re.IGNORECASE)
_BULLET = re.compile(r"^\s*(?:[-*•–]|\d{1,2}[.)])\s+", re.MULTILINE)
_OPENING = re.compile(
    r"^(?:sure|certainly|of course|absolutely|okay|ok|great question)\b[^.!:\n]*[.!:,]\s*"
    r"(?:here(?:'s| is| are)\b[^.!:\n]*:\s*)?|^here(?:'s| is| are)\b[^.!:\n]*:\s*",
    re.IGNORECASE,
)
_QUOTES = {'"': '"', "'": "'", "“": "”", "‘": "’", "«": "»"}


def clean(answer: Answer) -> Answer:
    """Take off what wraps a description: thinking, the question said again, bullets, quotes."""
    text = unicodedata.normalize("NFC", _THINKING.sub("", answer.text)).strip()
    # Control characters can repaint a terminal and mean nothing to a text encoder.
    text = "".join(c if c in "\n\t" or unicodedata.category(c) != "Cc" else " " for c in text)
    if answer.question and text.casefold().startswith(answer.question.casefold()):
        text = text[len(answer.question) :].lstrip(" :\n?.")
    text = _OPENING.sub("", _BULLET.sub("", text))
    text = " ".join(text.split())
    if len(text) > 1 and _QUOTES.get(text[0]) == text[-1] and text[0] not in text[1:-1]:
        text = text[1:-1].strip()
    return replace(answer, text=text)


def not_empty(answer: Answer) -> Answer | Dropped:
    """Drop an answer without a word in it."""
    return answer if re.search(r"\w", answer.text) else Dropped("empty")


_REFUSAL = re.compile(
    r"\b(?:as an ai\b|i(?:'m| am) (?:sorry|unable|not able)|i (?:cannot|can't|can’t|won't)\b"
    r"|i’m (?:sorry|unable|not able)|my apologies|i apologi[sz]e|unable to (?:assist|help|provide))",
    re.IGNORECASE,
)


def not_refusal(answer: Answer) -> Answer | Dropped:
    """Drop an answer in which the model speaks of what it will not do."""
    return Dropped("refusal") if _REFUSAL.search(answer.text) else answer


_NON_ANSWER = re.compile(
    r"^(?:there (?:is|are|isn't|is not)(?: really)? (?:no|not|any|one|a)\b[^.]{0,30}"
    r"\b(?:definitive|definite|single|one|specific|right|correct|set|exact|particular)\b"
    r"|there is no (?:one|such)\b"
    r"|it (?:depends|is (?:difficult|hard|impossible) to (?:say|describe|answer|identify))"
    r"|(?:this|the) question\b|the answer (?:to this|will|may|depends)|answers? (?:may|will) vary"
    r"|i (?:do not|don't|don’t) know|i(?:'m| am|’m) not sure|unknown\b|n/?a\b)",
    re.IGNORECASE,
)


def not_non_answer(answer: Answer) -> Answer | Dropped:
    """Drop "There is no definitive answer" and its kin: 1 % of the published CuPL prompts."""
    return Dropped("non-answer") if _NON_ANSWER.search(answer.text) else answer


_MARKUP = re.compile(
    r"https?://|www\.|</?[a-z][^<>]{0,200}>|\]\(|\*\*|__|```|^#{1,6}\s|&[a-z]{2,6};|\{\{|\|.*\|",
    re.IGNORECASE,
)


def plain_text(answer: Answer) -> Answer | Dropped:
    """Drop an answer with an address, HTML or Markdown in it."""
    return Dropped("URL or markup") if _MARKUP.search(answer.text) else answer


_SENTENCE_END = re.compile(r"[.!?…。！？][\"'”’»)\]]*(?=\s|$)")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(\"'])(?:e\.g|i\.e|cf|vs|dr|mr|mrs|ms|st|approx|ca|no|fig|ft|in|lb|lbs|oz|spp?"
    r"|[a-z](?:\.[a-z])*)$",
    re.IGNORECASE,
)
_UNFINISHED = re.compile(
    r"[,:;\-–—(/&]$|\b(?:a|an|the|and|or|of|with|to|in|on|is|are|has|its|their|that|which)$",
    re.IGNORECASE,
)


def whole_sentences(answer: Answer) -> Answer | Dropped:
    """Cut an answer after its last whole sentence; drop it where there is none.

    A model that stopped by itself, or at a stop text, may leave the last full stop out: it is put
    back. A decimal that ``stop="."`` cut ("weighs about 5") is no sentence.
    """
    text = answer.text
    cut_number = text[-1:].isdigit() and "." in answer.stop
    finished = answer.finish_reason == "stop" and not cut_number and not _UNFINISHED.search(text)
    if finished:
        ends = _SENTENCE_END.search(text, max(len(text) - 4, 0))
        return answer if ends else replace(answer, text=text + ".")
    for end in reversed(list(_SENTENCE_END.finditer(text))):
        before = text[: end.start()]
        # The last dot of a text cut by length may stand inside "5.3" or "e.g.".
        doubtful = end.end() == len(text) and before[-1:].isdigit()
        if not doubtful and not (end[0][0] == "." and _ABBREVIATION.search(before)):
            return replace(answer, text=text[: end.end()])
    return Dropped("cut off")


DEFAULT: dict[str, Filter] = {
    "clean": clean,
    "not-empty": not_empty,
    "not-refusal": not_refusal,
    "not-non-answer": not_non_answer,
    "plain-text": plain_text,
    "whole-sentences": whole_sentences,
}
"""The filters of a run unless the caller says otherwise, in their order."""


def apply(answer: Answer, filters: Iterable[Filter]) -> Answer | Dropped:
    """Send an answer through filters until one drops it."""
    for step in filters:
        result = step(answer)
        if isinstance(result, Dropped):
            return result
        answer = result
    return answer


def same_text(text: str) -> str:
    """What two prompts that say the same have in common: words alone, in lower case."""
    return " ".join(re.findall(r"\w+", text.casefold()))
