"""Which class a label means."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from functools import cached_property

from rapidfuzz import fuzz, process

from cupl.bank.class_data import SYNSET
from cupl.bank.labels import ClassLabel

_SHOWN = 5
_ALIKE = 75
"""Percent of the characters that a name and a suggestion have in common."""
_NUMBERED = re.compile(rf"(?:{SYNSET}[-_. ]+|\d{{1,4}}\.\s*)(?=[^\W\d_])")
_WAYS: tuple[Callable[[ClassLabel], Sequence[str]], ...] = (
    lambda label: () if label.id is None else (label.id,),
    lambda label: (label.name,),
    lambda label: label.aliases,
)


class ClassIndex:
    """Finds the class that a text means: by id, name or alias, as written or nearly so.

    Nearly: another case, ``_`` and ``-`` in place of spaces, as folders are often named, or another
    Unicode form of the same letters, as some systems name files; at last without a number in front,
    as ``n02085620-Chihuahua`` and ``001.Chihuahua`` have it. What fits several classes in the same
    way means none.
    """

    def __init__(self, labels: Sequence[ClassLabel]) -> None:
        self.labels = labels
        self._exact = [_table(labels, way, str) for way in _WAYS]
        self._nearly = [_table(labels, way, plain_name) for way in _WAYS]

    def find(self, text: str) -> int | None:
        """The number of the class, or None."""
        keys = [(self._exact, text), (self._nearly, plain_name(text))]
        if (bare := without_number(text)) != text:
            keys.append((self._nearly, plain_name(bare)))
        for tables, key in keys:
            for table in tables:
                if key in table:
                    return table[key]
        return None

    def find_label(self, label: ClassLabel) -> int | None:
        """The number of a label that is here, or of the class that one of another list means."""
        if (number := self._keys.get(label.key)) is not None:
            return number
        texts = (label.id, label.name, *label.aliases)
        places = (self.find(text) for text in texts if text is not None)
        return next((place for place in places if place is not None), None)

    def hint(self, text: str) -> str | None:
        """What a text that means no class may be meant for, as far as can be told."""
        classes = self._by_name.get(plain_name(text))
        if classes:
            which = ", ".join(str(self.labels[number]) for number in classes[:_SHOWN])
            return f"may be any of {len(classes)} classes: {which:.200}"
        near = process.extractOne(
            plain_name(text), self._by_name.keys(), scorer=fuzz.ratio, score_cutoff=_ALIKE
        )
        return f"nearly {self.labels[self._by_name[near[0]][0]].name!r:.80}" if near else None

    @cached_property
    def _keys(self) -> dict[tuple[str, str], int]:
        return {label.key: number for number, label in enumerate(self.labels)}

    @cached_property
    def _by_name(self) -> dict[str, list[int]]:
        """All classes that are nearly called so."""
        found: dict[str, list[int]] = {}
        for number, label in enumerate(self.labels):
            for name in {plain_name(name) for way in _WAYS for name in way(label)} - {""}:
                found.setdefault(name, []).append(number)
        return found


def _table(
    labels: Sequence[ClassLabel],
    names: Callable[[ClassLabel], Sequence[str]],
    key: Callable[[str], str],
) -> dict[str, int | None]:
    table: dict[str, int | None] = {}
    for number, label in enumerate(labels):
        for name in {key(name) for name in names(label)} - {""}:
            table[name] = None if name in table else number
    return table


def named_alike(one: str, other: str) -> bool:
    """Whether two names are the same, as written or nearly so."""
    return plain_name(one) == plain_name(other)


def plain_name(text: str) -> str:
    """A name as it is compared: in lower case, ``_`` and ``-`` as spaces, letters in one form."""
    return re.sub(r"[\s_-]+", " ", unicodedata.normalize("NFKC", text)).strip().casefold()


def without_number(text: str) -> str:
    """A name without the number that some data sets put in front of it."""
    return _NUMBERED.sub("", text, count=1)
