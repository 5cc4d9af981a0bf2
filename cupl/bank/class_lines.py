"""Classes from lines of text, also as they are pasted from code, notes and other lists."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from cupl.bank.class_data import SYNSET, labels_from_data, numbered, synonyms
from cupl.bank.labels import ClassLabel, check_label
from cupl.errors import InputError
from cupl.io.json import parse_json

_MOST_CODE = 5_000_000
"""Characters of Python that are parsed; 20,000 classes have a tenth."""
_NEARLY_ALL = 0.8
_SHOWN = 2

_BULLET = re.compile(r"[-*•]\s+(?P<rest>.+)")
_COMMA = re.compile(r"(?P<rest>.*\S)\s*,")
_QUOTED = re.compile(r"""(["'])(?P<rest>(?:\\.|(?!\1).)+)\1""")
_LISTED = re.compile(r"""["'].*["']\s*,?""")
_ID_COLON = re.compile(rf"""(["']?)(?P<id>\d{{1,9}}|{SYNSET})\1\s*[:=\t]\s*(?P<rest>.+)""")
_SYNSET = re.compile(rf"(?P<id>{SYNSET})(?:\s*[,;]\s*|\s+)(?:\d{{1,4}}\s+(?=[^\W\d]))?(?P<rest>.+)")
_COUNTED = re.compile(r"(?P<id>\d{1,9})(?P<sign>[.)]\s*(?=\D)|,\s*|\s+)(?P<rest>.+)")
_COUNTED_TWICE = re.compile(r"(?P<id>\d{1,9}) 0*(?P=id)[.)]\s*(?P<rest>\D.*)")  # of CUB-200
_PLAIN = re.compile(r"[^\W_]")
_WORDS = 4
_OPENING = re.compile(r"(?:\w+\s*=\s*)?[\[{(]")

Line = tuple[int, str]
"""Its number and its text, without space around it."""


def labels_from_lines(
    lines: Sequence[Line], where: Callable[[int], str]
) -> tuple[list[ClassLabel], str | None]:
    """Classes of lines: a name each, or what all of the lines have in common beside it.

    Bullets, quotes, commas at the end, brackets around, ids and numbers are taken off where every
    line has them. "3 of clubs" or "rock, paper, scissors" among other names stays as it is.

    Args:
        lines: without blank lines and comments.
        where: how a message names the line of a number.

    Returns:
        The classes, and what was understood where that is more than a name a line.

    Raises:
        InputError: most lines have quotes, commas, bullets or ids and one has not; a line is no
            name.

    """
    if (data := _as_data([text for _, text in lines])) is not None:
        labels = labels_from_data(data)
        return labels, describe_labels(labels, "a list in code")
    if len(lines) == 1 and (names := _on_one_line(lines[0][1])):
        labels = [ClassLabel(name) for name in names]
        return labels, describe_labels(labels, "names")
    pasted, rest = _unwrapped(lines, where)
    labels, keyed = _with_ids(rest, where)
    for label, (number, _) in zip(labels, rest, strict=True):
        try:
            check_label(label)
        except InputError as error:
            raise InputError(f"{where(number)}: {error}") from None
    return labels, describe_labels(labels, "ids and names" if keyed else "names") if (
        pasted or keyed
    ) else None  # fmt: skip


def describe_labels(labels: Sequence[ClassLabel], kind: str) -> str:
    """What was understood, with the first classes: ``read as ids and names: n1 = tench``."""
    shown = []
    for label in labels[:_SHOWN]:
        also = f" (also {', '.join(label.aliases)})" if label.aliases else ""
        shown.append(f"{label.id} = {label.name}{also}" if label.id else f"{label.name}{also}")
    more = f" and {len(labels) - _SHOWN:,} more" if len(labels) > _SHOWN else ""
    return f"read as {kind}: {'; '.join(shown)}{more}"


def _as_data(texts: Sequence[str]) -> Any:
    """The JSON or Python list that the lines are, or are the lines of; None where they are not."""
    text = "\n".join(texts)
    if not texts or len(text) > _MOST_CODE:
        return None
    if all(line.startswith("{") and line.endswith("}") for line in texts):
        found = [_parsed(line) for line in texts]  # JSON lines
        if len(found) > 1 and all(isinstance(one, dict) for one in found):
            return found
    if all(map(_LISTED.fullmatch, texts)):
        names = _parsed(f"[{text}]")
        if isinstance(names, list) and len(names) > len(texts):  # several on a line
            return names
    if not (opening := _OPENING.match(text)) or text.rstrip(";,")[-1:] not in ("]", "}", ")"):
        return None
    found = _parsed(text[opening.end() - 1 :].rstrip(";,"))
    return found if isinstance(found, list | dict) and found else None


def _on_one_line(text: str) -> list[str]:
    """The names that semicolons, tabs or several commas part, where all of them are short."""
    if _ID_COLON.fullmatch(text) or _SYNSET.fullmatch(text):
        return []
    sign = next((sign for sign in ";\t," if sign in text), ",")
    names = [name.strip() for name in text.rstrip(f"{sign}.").split(sign)]
    short = all(name and len(name.split()) <= _WORDS and _PLAIN.match(name) for name in names)
    return names if short and len(names) > 1 + (sign == ",") else []


def _parsed(text: str) -> Any:
    try:
        return parse_json(text)
    except ValueError:
        pass
    try:
        tree = ast.parse(text, mode="eval")
        # Two texts without a comma between them are one to Python.
        if any(
            isinstance(node, ast.Constant) and node.lineno != node.end_lineno
            for node in ast.walk(tree)
        ):
            return None
        found = ast.literal_eval(tree)
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return None
    if isinstance(found, tuple | set):
        return list(found)
    return {str(key): value for key, value in found.items()} if isinstance(found, dict) else found


def _unwrapped(lines: Sequence[Line], where: Callable[[int], str]) -> tuple[bool, list[Line]]:
    """Lines without brackets around them, bullets, commas and quotes; and whether they had any."""
    rest = list(lines)
    if (
        len(rest) > 2
        and _OPENING.fullmatch(rest[0][1])
        and rest[-1][1].rstrip(";,") in ("]", "}", ")")
    ):
        rest = rest[1:-1]
    for pattern, what in ((_BULLET, "a bullet"), (_COMMA, "a comma at the end")):
        last = rest[-1:] if pattern is _COMMA and rest and not _COMMA.fullmatch(rest[-1][1]) else []
        taken = _taken(rest[: len(rest) - len(last)], pattern, what, where)
        rest = rest if taken is None else taken + last
    taken = _taken(rest, _QUOTED, "quotes", where)
    if taken is not None:
        rest = [(number, re.sub(r"\\(['\"])", r"\1", text)) for number, text in taken]
    return rest != list(lines), [(number, text.strip()) for number, text in rest]


def _taken(
    lines: Sequence[Line], pattern: re.Pattern[str], what: str, where: Callable[[int], str]
) -> list[Line] | None:
    """The rest of each line after the pattern; None where few lines fit it.

    Raises:
        InputError: nearly all fit it.

    """
    found = [pattern.fullmatch(text) for _, text in lines]
    fitting = sum(match is not None for match in found)
    if lines and fitting == len(lines):
        return [
            (number, match["rest"])
            for (number, _), match in zip(lines, found, strict=True)
            if match
        ]
    if fitting > _NEARLY_ALL * len(lines):
        odd = found.index(None)
        number, text = lines[odd]
        raise InputError(
            f"{where(number)}: {text!r:.80} has not {what}, as the other lines have; write all in "
            "one way"
        )
    return None


def _with_ids(lines: Sequence[Line], where: Callable[[int], str]) -> tuple[list[ClassLabel], bool]:
    """The classes, and whether each line began with an id or a number."""
    for pattern in (_ID_COLON, _SYNSET, _COUNTED_TWICE, _COUNTED):
        found = [pattern.fullmatch(text) for _, text in lines]
        if pattern in (_ID_COLON, _SYNSET):
            _taken(lines, pattern, "an id before the name", where)
        matches = [match for match in found if match]
        if not lines or len(matches) < len(lines):
            continue
        pairs = [(match["id"], _unquoted(match["rest"])) for match in matches]
        if pattern is _COUNTED and not _counts(pairs, matches[0]["sign"]):
            continue
        if len(lines) == 1 and pairs[0][0].isdecimal():  # "2001: A Space Odyssey"
            continue
        if len({id for id, _ in pairs}) < len(pairs):
            continue
        if all(re.fullmatch(SYNSET, id) for id, _ in pairs):
            return [synonyms(id, text) for id, text in pairs], True
        if pattern is _ID_COLON:
            pairs.sort(key=lambda pair: (not pair[0].isdecimal(), pair[0].zfill(10)))
        return numbered(pairs), True
    return [ClassLabel(text) for _, text in lines], False


def _unquoted(text: str) -> str:
    match = _QUOTED.fullmatch(text.strip())
    return re.sub(r"\\(['\"])", r"\1", match["rest"]) if match else text


def _counts(pairs: Iterable[tuple[str, str]], sign: str) -> bool:
    """Whether the numbers count from 0 or 1, and tell no names apart: "1 euro", "2 euro"."""
    ids, names = zip(*pairs, strict=True)
    first = int(ids[0])
    least = 2 if first == 0 or sign.strip() else 3
    return (
        first in (0, 1)
        and len(ids) >= least
        and len(set(names)) == len(names)
        and [int(id) for id in ids] == list(range(first, first + len(ids)))
    )
