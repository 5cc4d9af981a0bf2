"""What tells two classes apart, in an answer: attributes, with a sentence on each side (FuDD).

Nobody vouches for an answer, so the time for one grows with its length and no faster.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from cupl.bank.same_name import name_words
from cupl.bank.templates import with_article
from cupl.bank.wording import is_refusal, same_text
from cupl.generation.cleaning import without_odd_characters
from cupl.generation.list_items import LIST_MARK, unfenced
from cupl.generation.thinking import without_thinking

_JSON = re.compile(r"^[ \t]{0,9}(?=[\[{])", re.MULTILINE)
_ATTRIBUTE_WORDS = 6
_ATTRIBUTE_KEYS = ("attribute", "feature", "characteristic", "name", "trait", "aspect")
_RULE = re.compile(r"[\s|:-]*")
_HEADINGS = {"attribute", "attributes", "feature", "features", "characteristic", "trait", "aspect"}
_LETTER = re.compile(r"[^\W\d_]")
_PRONOUN = re.compile(
    r"(?P<whose>(?:its|their)\b)|(?:it|they|this(?: one)?|the (?:first|second|former|latter)"
    r"(?: one)?)\b(?!')",
    re.IGNORECASE,
)
_MOST_TEXT = 2000

Row = tuple[str, str, str]
"""An attribute and what is said of either side; empty where nothing is."""


@dataclass(frozen=True)
class ToldApart:
    """What an answer says of two classes, and how much of it is of no use for what."""

    rows: tuple[Row, ...] = ()
    dropped: Counter[str] = field(default_factory=Counter)


def told_apart(text: str, first: str, second: str, *, most: int | None = None) -> ToldApart:
    """The attributes in an answer and a sentence on each of two classes, which name them.

    A sentence that says "it" gets the name in its place, and a mere phrase the name before it, as
    long as the answer says which class it is about.

    Args:
        text: rows ``attribute | sentence | sentence``, a Markdown table, JSON, or attributes with
            a line for each class.
        first: name of the class that the question has first.
        second: and of the other.
        most: how many attributes were asked for.

    """
    text = unfenced(without_thinking(text))
    dropped: Counter[str] = Counter()
    kept: dict[str, Row] = {}
    for row in _rows(text, first, second):
        attribute, *sides = map(_plain, row)
        both = _named_sides((attribute, sides[0], sides[1]), first, second)
        reason = _why_not(attribute, sides, both, first, second)
        key = same_text(attribute)
        if reason is None and key in kept:
            reason = "an attribute twice"
        if reason is None and most is not None and len(kept) >= most:
            reason = "more than asked for"
        if reason is None and both is not None:
            kept[key] = (attribute, *both)
        elif reason is not None:
            dropped[reason] += 1
    if not kept and not dropped:
        dropped["refusal" if is_refusal(text) else "no attribute"] += 1
    return ToldApart(tuple(kept.values()), dropped)


def _why_not(
    attribute: str, sides: list[str], both: tuple[str, str] | None, first: str, second: str
) -> str | None:
    """Why a row is of no use; None where it is."""
    if not _LETTER.search(attribute) or len(attribute.split()) > _ATTRIBUTE_WORDS:
        return "no attribute"
    if not all(map(_LETTER.search, sides)):
        return "only one side"
    if any(map(is_refusal, sides)):
        return "refusal"
    if both is None:
        return "names neither class"
    without = [_without_name(side, name) for side, name in zip(both, (first, second), strict=True)]
    return "the same on both sides" if without[0] == without[1] else None


def _plain(text: str) -> str:
    return " ".join(without_odd_characters(text[:_MOST_TEXT]).split()).strip('*_`"“”| ')


def _rows(text: str, first: str, second: str) -> Iterator[Row]:
    """What the answer says, row by row; sides that it names have their name before a colon."""
    if (found := list(_from_json(text, first, second))) or not text.strip():
        yield from found
        return
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if any("|" in line for line in lines):
        yield from _from_cells(lines)
    else:
        yield from _from_blocks(lines, first, second)


def _from_cells(lines: list[str]) -> Iterator[Row]:
    for line in lines:
        if "|" not in line or _RULE.fullmatch(line):
            continue
        mark = LIST_MARK.match(line)
        row = line[mark.end() if mark else 0 :]
        row = row.strip("|") if row.endswith("|") else row
        cells = [cell.strip() for cell in row.split("|")]
        if cells[0].strip("*_ ").lower() in _HEADINGS:
            continue
        if len(cells) > 3 and (not cells[0] or cells[0].rstrip(".").isdecimal()):
            cells = cells[1:]
        if len(cells) == 2 and ":" in cells[0]:
            cells = [*cells[0].split(":", 1), cells[1]]
        attribute, said, other = (*cells, "", "")[:3]
        yield attribute, said, other


def _from_json(text: str, first: str, second: str) -> Iterator[Row]:
    place = _JSON.search(text)
    if place is None:
        return
    try:
        value, _ = json.JSONDecoder(strict=False).raw_decode(text, place.end())
    except (ValueError, RecursionError):
        return
    inner = next(iter(value.values()), None) if isinstance(value, dict) else None
    if isinstance(inner, list) or (isinstance(inner, dict) and _holds_objects(inner)):
        value = inner
    if isinstance(value, dict):
        value = [
            {"attribute": key, **inner} for key, inner in value.items() if isinstance(inner, dict)
        ]
    for item in value if isinstance(value, list) else ():
        if isinstance(item, dict):
            yield _from_object(item, first, second)


def _holds_objects(value: dict[str, object]) -> bool:
    return bool(value) and all(isinstance(inner, dict) for inner in value.values())


def _from_object(item: dict[str, object], first: str, second: str) -> Row:
    texts = {key: text for key, text in item.items() if isinstance(text, str)}
    attribute = next((texts.pop(key) for key in list(texts) if key.lower() in _ATTRIBUTE_KEYS), "")
    sides = ["", ""]
    for key, said in texts.items():
        for place, name in enumerate((first, second)):
            if name_words(key) == name_words(name):
                sides[place] = f"{name}: {said}"
    rest = list(texts.values())
    said, other = sides if any(sides) else (*rest, "", "")[:2]
    return attribute, said, other


def _from_blocks(lines: list[str], first: str, second: str) -> Iterator[Row]:
    """Attributes as headings, and below each a line that begins with the name of a class."""
    attribute, sides = "", ["", ""]
    for line in lines:
        mark = LIST_MARK.match(line)
        said = line[mark.end() if mark else 0 :]
        head, colon, rest = said.partition(":")
        words = name_words(_plain(head))
        place = next((i for i, n in enumerate((first, second)) if words == name_words(n)), None)
        if place is not None and colon and rest.strip(" *"):
            sides[place] = f"{(first, second)[place]}: {rest}"
            continue
        if any(sides):
            yield attribute, sides[0], sides[1]
        attribute, sides = said.rstrip(" :*"), ["", ""]
    if any(sides):
        yield attribute, sides[0], sides[1]


def _named_sides(row: Row, first: str, second: str) -> tuple[str, str] | None:
    """Both sentences with the name of their class; None where neither had one."""
    attribute, said, other = row
    named = names_class(said, first) or names_class(other, second)
    if not named and names_class(said, second) and names_class(other, first):
        named, said, other = True, other, said
    if not named:
        return None
    return _with_name(said, first, attribute), _with_name(other, second, attribute)


def names_class(text: str, name: str) -> bool:
    """Whether a text has the name in it, also in the plural or written as one word."""
    words, wanted = name_words(text), name_words(name)
    joined = "".join(wanted)
    windows = zip(*(words[start:] for start in range(len(wanted))), strict=False)
    return joined in words or any(window == wanted for window in windows)


def _with_name(said: str, name: str, attribute: str) -> str:
    """A sentence that names its class; a phrase after "name:" becomes one with its name before."""
    head, colon, rest = said.partition(":")
    keyed = bool(colon) and name_words(head) == name_words(name)
    text = rest.strip(" *_") if keyed else said
    if names_class(text, name):
        return text
    subject = with_article(name)
    subject = subject[0].upper() + subject[1:]
    if found := _PRONOUN.match(text):
        return subject + "'s" * bool(found["whose"]) + text[found.end() :]
    return f"{subject}, {attribute.lower()}: {text[0].lower() + text[1:]}" if text else ""


def _without_name(text: str, name: str) -> tuple[str, ...]:
    own = set(name_words(name)) | {"".join(name_words(name)), "a", "an", "the"}
    return tuple(word for word in name_words(text) if word not in own)
