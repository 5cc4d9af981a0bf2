"""The items of a list that a model wrote: with numbers or bullets, on lines, in a row, as JSON.

Nobody vouches for an answer, so the time for one grows with its length and no faster.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator
from itertools import pairwise

from cupl.generation.thinking import without_thinking

_FENCE = re.compile(r"^[ \t]{0,9}(?:`{3,9}|~{3,9})[^\n]*$", re.MULTILINE)
_JSON = re.compile(r"^[ \t]{0,9}(?=[\[{])", re.MULTILINE)
LIST_MARK = re.compile(
    r"\*{0,2}(?:[-*+–—]\s+|[•‣◦▪·●○]\s*|\(?(?P<number>\d{1,3})(?:[.):](?!\d)|[、．])\s*"
    r"|\(?[a-z][.)]\s+|[①-⑳]\s*)"
)
_NUMBERED = re.compile(r"(?:^|[\s,;])\(?\d{1,3}[.)]\s+")
_SEPARATOR = re.compile(r"[;；、，|]|,(?!\d{3}\b)")
_AND = re.compile(r"(?:and|or|und|oder|et|ou|y)\s+", re.IGNORECASE)
_LAST_AND = re.compile(r"\s(?:and|or|und|oder|et|ou|y)\s")
_INTRODUCTION = re.compile(
    r"[^:：]{0,200}\b(?:here|list|names?|look|similar|like|answers?|examples?|are|include|of)\b"
    r"[^:：]{0,200}[:：]\s*(?=\S)"
    r"|[^,:]{0,200}\b(?:include|includes|including|such as)\s+(?=[^,]{1,60},)",
    re.IGNORECASE,
)
_ROW_WORDS = 4
"""Words that a part of a row has at most; a sentence has commas, too."""
_NAMED = ("name", "names", "label", "class", "item", "question", "title", "text", "value")
"""Where an object that stands for an item has its text."""
_LEVELS = 5


def items_of(text: str) -> list[str]:
    """The items, without their marks; of a text that is no list its lines.

    What stands around a list with marks is left out, and so are lists inside of an item, which
    explain it; where an item is but a heading (``1. Birds:``), those inside are the items.
    """
    text = unfenced(without_thinking(text))
    if (items := _from_json(text)) is not None:
        return items
    lines = [line for line in text.splitlines() if line.strip()]
    if rows := [line for line in lines if line.lstrip().startswith("|")]:
        return _from_table(rows)
    if len(lines) == 1 and len(parts := _NUMBERED.split(lines[0].strip())) > 2:
        return [part for part in parts[1:] if part.strip()]
    return _with_marks(lines) or list(_without_marks(lines))


def unfenced(text: str) -> str:
    """The first fenced block, where there is one."""
    opening = _FENCE.search(text)
    if opening is None:
        return text
    closing = _FENCE.search(text, opening.end())
    inner = text[opening.end() : closing.start() if closing else len(text)]
    return inner if inner.strip() else text


def _from_json(text: str) -> list[str] | None:
    place = _JSON.search(text)
    if place is None:
        return None
    try:
        value, _ = json.JSONDecoder(strict=False).raw_decode(text, place.end())
        return list(_texts(value, _LEVELS)) or None
    except (ValueError, RecursionError):
        return None


def _texts(value: object, levels: int) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list) and levels:
        for item in value:
            if isinstance(item, dict) and (named := _text_of(item)) is not None:
                yield named
            else:
                yield from _texts(item, levels - 1)
    elif isinstance(value, dict) and levels:
        for key, inner in value.items():
            if isinstance(inner, list | dict) or key.isdecimal():
                yield from _texts(inner, levels - 1)
            elif len(value) == 1 and isinstance(inner, str) and _SEPARATOR.search(inner):
                yield from items_of(inner) if inner.lstrip()[:1] not in ("{", "[") else [inner]
            elif isinstance(inner, str | None):
                yield key if inner is None else f"{key}: {inner}"


def _text_of(item: dict[str, object]) -> str | None:
    """The text of an object that stands for an item; its first one, if it has no usual name."""
    lowered = {key.lower(): inner for key, inner in item.items()}
    texts = [lowered[name] for name in _NAMED if name in lowered] or list(item.values())
    return next((text for text in texts if isinstance(text, str)), None)


def _from_table(rows: list[str]) -> list[str]:
    """The first cell with words of each row; the row above the rule is a heading."""
    cells = [[cell.strip() for cell in row.strip().strip("|").split("|")] for row in rows]
    rules = [number for number, row in enumerate(cells) if not "".join(row).strip(":- ")]
    body = cells[rules[0] + 1 :] if rules else cells
    found = (next((cell for cell in row if re.search(r"[^\W\d]", cell)), "") for row in body)
    return [cell for cell in found if cell]


def _with_marks(lines: list[str]) -> list[str]:
    marked: list[tuple[int, str]] = []
    for place, line in enumerate(lines):
        bare = line.strip()
        mark = LIST_MARK.match(bare)
        if mark is None:
            continue
        if not marked and place and mark["number"] == "2":
            marked.append((0, lines[place - 1].strip()))  # of a completion that went on after "1."
        if (rest := bare[mark.end() :].lstrip("-•·– ")).strip(" *_"):  # some write two bullets
            marked.append((len(line) - len(line.lstrip()), rest))
    items: list[str] = []
    level: float = math.inf
    for (indent, rest), (following, _) in pairwise([*marked, (0, "")]):
        if indent > level:
            continue
        heads = _is_heading(rest) and following > indent
        level = math.inf if heads else indent
        items += [] if heads else [rest]
    return items


def _is_heading(line: str) -> bool:
    return line.rstrip("*_ ").endswith((":", "："))


def _without_marks(lines: list[str]) -> Iterator[str]:
    bare = [line.strip() for line in lines]
    said = [line for line in bare if not _is_heading(line)] or bare
    for line in said:
        opening = _INTRODUCTION.match(line)
        row = line[opening.end() :] if opening else line
        parts = [part for one in _SEPARATOR.split(row.strip(" []()")) if (part := one.strip())]
        alone = 1 if len(said) == 1 or opening else 2
        if len(parts) > alone and all(len(part.split()) <= _ROW_WORDS for part in parts[:-1]):
            yield from _row(parts)
        else:
            yield row


def _row(parts: list[str]) -> Iterable[str]:
    """The parts of a row; the last two may have an "and" between them and no comma."""
    last = _AND.sub("", parts[-1], count=1) if _AND.match(parts[-1]) else parts[-1]
    if last == parts[-1] and len(parts) > 1:
        return [*parts[:-1], *_LAST_AND.split(last, maxsplit=1)]
    return [*parts[:-1], last]
