"""What a person should look at in a prompt bank."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations
from statistics import median

from cupl.bank import PromptBank
from cupl.classes import ClassLabel
from cupl.filters import (
    Answer,
    Dropped,
    not_non_answer,
    not_refusal,
    plain_text,
    same_text,
)

MAX_WORDS = 55
"""English text has about 1.3 CLIP tokens a word, and the text tower reads 77."""
NEAR = 0.85
"""Two prompts are near-duplicates when they share this part of their words (Jaccard)."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to look at."""

    kind: str
    text: str


def check_bank(bank: PromptBank) -> list[Finding]:
    """Everything worth a look, by kind. None of it stops a bank from being used."""
    return [finding for look in CHECKS for finding in look(bank)]


def _prompts(bank: PromptBank) -> Iterator[tuple[ClassLabel, str]]:
    return ((entry.label, text) for entry in bank for text in entry.texts)


def duplicates(bank: PromptBank) -> Iterator[Finding]:
    """The same words twice in one class."""
    for entry in bank:
        times = Counter(map(same_text, entry.texts))
        for text in dict.fromkeys(entry.texts):
            if (number := times.pop(same_text(text), 0)) > 1:
                yield Finding("duplicate", f"{entry.label}: {number} times: {text}")


def near_duplicates(bank: PromptBank) -> Iterator[Finding]:
    """Nearly the same words in one class."""
    for entry in bank:
        words = [(text, frozenset(same_text(text).split())) for text in entry.texts]
        for (first, a), (second, b) in combinations(words, 2):
            shared = len(a & b)
            if shared >= NEAR * (len(a) + len(b) - shared) and same_text(first) != same_text(
                second
            ):
                yield Finding("near-duplicate", f"{entry.label}: {first} | {second}")


def shared(bank: PromptBank) -> Iterator[Finding]:
    """The same prompt under several classes, which it cannot tell apart."""
    classes: dict[str, dict[ClassLabel, str]] = defaultdict(dict)
    for label, text in _prompts(bank):
        classes[same_text(text)].setdefault(label, text)
    for bearers in classes.values():
        if len(bearers) > 1:
            text = next(iter(bearers.values()))
            yield Finding("several classes", f"{', '.join(map(str, bearers))}: {text}")


def unnamed(bank: PromptBank) -> Iterator[Finding]:
    """Prompts that name neither the class nor an alias."""
    for entry in bank:
        stems = [_stem(name) for name in (entry.name, *entry.aliases)]
        for text in entry.texts:
            if not any(stem in _squeezed(text) for stem in stems):
                yield Finding("class not named", f"{entry.label}: {text}")


def _squeezed(text: str) -> str:
    return re.sub(r"\W+", "", text.casefold())


def _stem(name: str) -> str:
    """What singular and plural of a name have in common: "berr" of berry and berries."""
    return re.sub(r"(?<=\w{3})(?:ies|es|s|y|e)$", "", _squeezed(name))


def suspicious(bank: PromptBank) -> Iterator[Finding]:
    """Refusals, answers that say there is no answer, markup."""
    for label, text in _prompts(bank):
        for look in (not_refusal, not_non_answer, plain_text):
            result = look(Answer(text))
            if isinstance(result, Dropped):
                yield Finding(result.reason, f"{label}: {text}")


def over_long(bank: PromptBank) -> Iterator[Finding]:
    """Prompts that CLIP's text tower probably cuts."""
    for label, text in _prompts(bank):
        if len(text.split()) > MAX_WORDS:
            yield Finding("over-long", f"{label}: {len(text.split())} words: {text}")


def uneven(bank: PromptBank) -> Iterator[Finding]:
    """Classes with less than half as many prompts as the median class."""
    middle = median(len(entry.texts) for entry in bank)
    for entry in bank:
        if len(entry.texts) * 2 < middle:
            yield Finding(
                "few prompts", f"{entry.label}: {len(entry.texts)}, the median class has {middle:g}"
            )


CHECKS: list[Callable[[PromptBank], Iterator[Finding]]] = [
    suspicious,
    duplicates,
    near_duplicates,
    shared,
    unnamed,
    over_long,
    uneven,
]
