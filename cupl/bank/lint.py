"""What a person should look at in a prompt bank."""

import functools
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from statistics import median

from cupl.bank.labels import ClassLabel
from cupl.bank.model import PromptBank
from cupl.bank.wording import (
    has_markup,
    is_non_answer,
    is_refusal,
    lack_of_words,
    normalized,
    same_text,
    sentences_of,
)

MAX_WORDS = 55
"""English text has about 1.3 CLIP tokens a word, and the text tower reads 77."""
NEAR = 0.85
"""Two prompts are near-duplicates when they share this part of their words (Jaccard)."""
_MOST_READ = 2000
"""Characters in which a class is looked for, several times what a text tower reads."""
_FUNCTION_WORDS = {"a", "an", "the", "of", "in", "on", "and", "or", "for", "with", "to"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to look at."""

    kind: str
    text: str


_said = functools.lru_cache(100_000)(same_text)


def check_bank(bank: PromptBank) -> list[Finding]:
    """Everything worth a look, by kind. None of it stops a bank from being used."""
    return [finding for look in CHECKS for finding in look(bank)]


def _prompts(bank: PromptBank) -> Iterator[tuple[ClassLabel, str]]:
    return ((entry.label, text) for entry in bank.entries for text in entry.texts)


def duplicates(bank: PromptBank) -> Iterator[Finding]:
    """The same words twice in one class."""
    for entry in bank.entries:
        times = Counter(map(_said, entry.texts))
        for text in dict.fromkeys(entry.texts):
            if (number := times.pop(_said(text), 0)) > 1:
                yield Finding("duplicate", f"{entry.label}: {number} times: {text}")


def near_duplicates(bank: PromptBank) -> Iterator[Finding]:
    """Prompts with nearly the words of an earlier one in the class."""
    for entry in bank.entries:
        texts = list({_said(text): text for text in reversed(entry.texts)}.values())[::-1]
        for text, other in _similar([frozenset(_said(text).split()) for text in texts]):
            yield Finding("near-duplicate", f"{entry.label}: {texts[text]} | {texts[other]}")


def _similar(sets: Sequence[frozenset[str]]) -> Iterator[tuple[int, int]]:
    """Each set with the first found of the earlier ones that is a near-duplicate of it.

    Two such sets have one of their rarest few words in common (prefix filtering, Chaudhuri,
    Ganti and Kaushik 2006), so that most pairs need no look.
    """
    frequency = Counter(word for words in sets for word in words)
    having: dict[str, list[int]] = defaultdict(list)
    for index, words in enumerate(sets):
        rarest = sorted(words, key=lambda word: (frequency[word], word))
        rarest = rarest[: len(words) - ceil(NEAR * len(words)) + 1]
        # Each once: two long texts have many rare words in common.
        for other in dict.fromkeys(other for word in rarest for other in having[word]):
            if len(words & sets[other]) >= NEAR * len(words | sets[other]):
                yield index, other
                break
        for word in rarest:
            having[word].append(index)


def shared(bank: PromptBank) -> Iterator[Finding]:
    """The same prompt under several classes, which it cannot tell apart."""
    classes: dict[str, dict[ClassLabel, str]] = defaultdict(dict)
    for label, text in _prompts(bank):
        classes[_said(text)].setdefault(label, text)
    for bearers in classes.values():
        if len(bearers) > 1:
            text = next(iter(bearers.values()))
            yield Finding("several classes", f"{', '.join(map(str, bearers))}: {text}")


def unnamed(bank: PromptBank) -> Iterator[Finding]:
    """Prompts with less than half of the words of the class name and of every alias.

    Endings do not count: "berries" names the berry, "a spiral" what is spiralled.
    """
    for entry in bank.entries:
        names = [_words(name) for name in (entry.name, *entry.aliases)]
        stems = [[" " + word[: max(3, len(word) - 3)] for word in name] for name in names]
        for text in entry.texts:
            words = _words(text)
            spaced, joined = " " + " ".join(words), _joined(words)
            if not any(
                2 * sum(stem in spaced for stem in of_name) >= len(name) or _joined(name) in joined
                for name, of_name in zip(names, stems, strict=True)
            ):
                yield Finding("class not named", f"{entry.label}: {text}")


def _joined(words: Sequence[str]) -> str:
    """The words in one, "cupcakes" for "cup cakes"; a space around what is short, as "ox" is."""
    joined = "".join(words)
    return joined if len(joined) > 4 or not joined.isascii() else f" {joined} "


def _words(text: str) -> list[str]:
    """Words in lower case without accents, as far as they mean something."""
    plain = normalized("NFKD", text[:_MOST_READ])
    if not plain.isascii():
        plain = "".join(char for char in plain if not unicodedata.combining(char))
    words = re.findall(r"\w+", plain.casefold())
    return [word for word in words if word not in _FUNCTION_WORDS] or words


def suspicious(bank: PromptBank) -> Iterator[Finding]:
    """What the filters of a run would have dropped."""
    stop = _stop_of(bank)
    for label, text in _prompts(bank):
        # Where stop="." ended an answer the full stop was put back, also inside a number.
        if reason := _why_dropped(text.removesuffix("."), stop):
            yield Finding(reason, f"{label}: {text}")


def _stop_of(bank: PromptBank) -> tuple[str, ...]:
    """The texts that ended the answers; of a bank that does not say, CuPL's own: ``.``."""
    if bank.source is None or bank.source.model is None:
        return (".",)
    return tuple(bank.source.stop or ())


def _why_dropped(text: str, stop: tuple[str, ...]) -> str | None:
    if reason := lack_of_words(text):
        return reason
    looks = (("refusal", is_refusal), ("non-answer", is_non_answer), ("URL or markup", has_markup))
    if reason := next((name for name, look in looks if look(text)), None):
        return reason
    return "cut off" if sentences_of(text, stop=stop) is None else None


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
