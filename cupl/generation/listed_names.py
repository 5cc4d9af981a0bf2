"""The names in a list that a model wrote, and why the rest of it is none."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

from cupl.bank.same_name import same_name
from cupl.bank.wording import has_markup, is_non_answer, is_refusal, same_text
from cupl.generation.cleaning import without_odd_characters
from cupl.generation.list_items import items_of
from cupl.generation.thinking import without_thinking

MOST_NAME_WORDS, MOST_NAME_CHARACTERS = 6, 60
"""What is longer is no name that a person would give a class."""
NO_LIST = "no list of names"
"""Why an answer that names nothing is of no use."""
_ECHO_WORDS, _JOINERS = 4, "\u200c\u200d"
_MOST_ITEM = 2000
"""Characters of an item that are looked at; its name stands first."""

_BOLD = re.compile(r"(\*{1,3}|__|`)(?P<name>[^*`]{1,200}?)\1")
_LINK = re.compile(r"\[(?P<name>[^\[\]]{1,200})\]\([^()\s]{0,300}\)")
_QUOTED = re.compile(r"[\"“«「『‘'](?P<name>[^\"“”«»「」『』]{1,200}?)[\"”»」』’'](?=$|\W)")
_EXPLAINED = re.compile(
    r" (?:[-–—=~|/]|[-=]>|→)+ | ?(?:[:：](?!\d)|—|[(（\[]|[;；]) ?"
    r"|, (?=(?:an?|the|which|who|that|with|known|similar|because|since|but|also|like)\b)",
    re.IGNORECASE,
)
_HEAD = re.compile(
    r"(?:name|item|answer|look-?alike|class|category|example|option|sibling|synonym|alias|type"
    r"|kind|sub-?class|sub-?type|object|thing|animal|species)s?\s*[#\d]*",
    re.IGNORECASE,
)
"""What stands before a name, as in "Look-alike 1: toad", or in place of one."""
_NOTHING = re.compile(
    r"(?:etc|others?|and (?:more|others|so on)|more|\W*|n/?a|none|nothing|unknown|same|[a-z])\W*",
    re.IGNORECASE,
)
_LETTER, _BRACKET = re.compile(r"[^\W\d_]"), re.compile(r"[\[\]{}<>]")
_ARTICLE = re.compile(r"(?:[Aa]n?|[Tt]he)\s+(?=[a-z])")
_SENTENCE = re.compile(
    r"\b(?:is|are|was|were|isn't|aren't|has|have|had|looks?|because|which|that|you|they|it|this"
    r"|these|there|would|could|should|resembles?|seems?|appears?)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class ListedNames:
    """What an answer names, in its order, and how many of its items were dropped for what."""

    names: tuple[str, ...] = ()
    dropped: Counter[str] = field(default_factory=Counter)


def listed_names(
    text: str, question: str = "", *, most: int | None = None, finished: bool = True
) -> ListedNames:
    """The names that an answer lists, each once, without marks, articles and explanations.

    Args:
        text: the answer, in any of the forms in which models write lists.
        question: what was asked, to know it where the answer says it again.
        most: how many names were asked for; those beyond are dropped.
        finished: the model stopped by itself. Otherwise the last item may be half of one.

    """
    dropped: Counter[str] = Counter()
    items = items_of(text)
    if not finished and items and not text.endswith("\n"):
        items.pop()
        dropped["cut off"] += 1
    if len(text) <= _MOST_ITEM and _is_none(without_thinking(text)) and "\n" not in text.strip():
        return ListedNames((), Counter({"refusal": 1}))
    asked = f" {same_text(question)} "
    names: dict[str, str] = {}
    for item in items:
        name = _name_in(item)
        key = same_name(name)
        reason = _why_no_name(name, item, asked)
        if reason is None and key in names:
            reason = "named twice"
        if reason is None and most is not None and len(names) >= most:
            reason = "more than asked for"
        if reason is None:
            names[key] = name
        else:
            dropped[reason] += 1
    if not names and not dropped:
        dropped[NO_LIST] += 1
    return ListedNames(tuple(names.values()), dropped)


def _name_in(item: str) -> str:
    """The name that an item begins with."""
    plain = " ".join(without_odd_characters(item[:_MOST_ITEM]).split())
    text = "".join(char for char in plain if char.isprintable() or char in _JOINERS)
    for wrapped in (_BOLD, _LINK, _QUOTED):
        if found := wrapped.match(text):
            text = found["name"] + text[found.end() :] if wrapped is _BOLD else found["name"]
    text = text.strip('*_`"“”«»「」『』 ')
    while found := _EXPLAINED.search(text):
        before, after = text[: found.start()], text[found.end() :]
        if before and not _HEAD.fullmatch(before):
            text = before
            break
        text = after
    text = text.split(", ")[0].strip("*_`'\"“”«»「」『』[]{} .,;:!。，；：！…")
    return text[found.end() :] if (found := _ARTICLE.match(text)) else text


def _why_no_name(name: str, item: str, asked: str) -> str | None:
    """Why it is none; None where it can be one."""
    words = name.split()
    reasons = {
        "no name": _NOTHING.fullmatch(name) or not _LETTER.search(name),
        "a placeholder": _HEAD.fullmatch(name) or _BRACKET.search(name),
        "refusal": _is_none(item[:_MOST_ITEM]),
        "the question again": len(words) >= _ECHO_WORDS and f" {same_text(name)} " in asked,
        "a sentence, no name": name.endswith("?") or (len(words) > 2 and _SENTENCE.search(name)),
        "too long for a name": (len(words) > MOST_NAME_WORDS or len(name) > MOST_NAME_CHARACTERS),
        "URL or markup": has_markup(name),
    }
    return next((reason for reason, found in reasons.items() if found), None)


def _is_none(text: str) -> bool:
    return is_refusal(text) or is_non_answer(text)
