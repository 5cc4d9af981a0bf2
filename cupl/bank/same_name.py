"""Whether two names name the same: "Tree frogs", "the tree-frog" and "treefrog" do."""

from __future__ import annotations

import re
from collections.abc import Iterable

from cupl.bank.labels import ClassLabel
from cupl.bank.wording import normalized

_ARTICLE = re.compile(r"(?:an?|the)\s+(?=\S)")
_WORD = re.compile(r"\w+")
_APOSTROPHE = re.compile(r"['’`]")
_ALTERNATIVES = re.compile(r"[,;/|()（）]|\sor\s")
_IRREGULAR = {
    "mice": "mouse", "geese": "goose", "teeth": "tooth", "feet": "foot", "men": "man",
    "women": "woman", "people": "person", "children": "child", "oxen": "ox", "dice": "die",
    "cacti": "cactus", "fungi": "fungus", "wolves": "wolf", "leaves": "leaf", "knives": "knife",
    "loaves": "loaf", "shelves": "shelf", "calves": "calf", "halves": "half", "scarves": "scarf",
    "wives": "wife", "thieves": "thief", "hooves": "hoof", "buses": "bus", "gases": "gas",
}  # fmt: skip


def name_words(name: str) -> tuple[str, ...]:
    """The words of a name: in lower case, in the singular (of English), without an article."""
    plain = _APOSTROPHE.sub("", normalized("NFKC", name)).replace("_", " ").casefold().strip()
    words = _WORD.findall(_ARTICLE.sub("", plain, count=1) if _ARTICLE.match(plain) else plain)
    return tuple(map(_singular, words))


def same_name(name: str) -> str:
    """What two names of the same have in common: their words, also written as one."""
    return "".join(name_words(name))


def names_of(labels: Iterable[ClassLabel]) -> set[str]:
    """By :func:`same_name` all that the classes are called: names and aliases.

    "crane, bird" and "tench (Tinca tinca)" also by each of their parts.
    """
    texts = {text for label in labels for text in (label.name, *label.aliases)}
    texts |= {part for text in texts for part in _ALTERNATIVES.split(text)}
    return {same_name(text) for text in texts} - {""}


def _singular(word: str) -> str:
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if len(word) < 4 or not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies") and len(word) > 4:
        return f"{word[:-3]}y"
    if word.endswith(("sses", "shes", "ches", "xes", "zes", "oes")):
        return word[:-2]
    return word[:-1]
