"""What stands in the source of a YAML file and would not be in what YAML makes of it.

To YAML `` #`` begins a comment, ``&`` a name for what follows and ``!`` its type: a text that was
written without quotes loses them, or all that comes after, without a word.
"""

from __future__ import annotations

import re
from typing import NoReturn

import yaml

from cupl.errors import InputError

IDENTIFIERS = ("format", "id")
"""Keys whose value is no prose: ``# `` after it is a comment."""

_PROSE = re.compile(r"[^\s#'\"]")
_COMMENT_SIGN = re.compile(r"[ \t]#")
_COMMENT = re.compile(r"[ \t]+#")
_AFTER_COMMA = re.compile(r"[ \t]*,[ \t]+(#[^\s#][^\n]*)")
_SIGN = re.compile(r"&|!(?!![A-Za-z])")
_MOST_QUOTED = 500
_TEXT = "tag:yaml.org,2002:str"


def check_source(root: yaml.Node, text: str) -> None:
    """Accept a file of whose texts nothing is lost.

    Args:
        root: what was composed of it; not deep, and without aliases.
        text: the file.

    Raises:
        InputError: a comment follows a text without quotes, or one begins with ``&`` or ``!``; the
            message names the line and the quoted spelling.

    """
    if not any(sign in text for sign in (" #", "\t#", "&", "!")):
        return
    nodes = [(root, False)]
    while nodes:
        node, identifier = nodes.pop()
        _check_start(node, text)
        if isinstance(node, yaml.ScalarNode):
            _check_end(node, text, identifier)
        elif isinstance(node, yaml.SequenceNode):
            nodes += [(item, False) for item in reversed(node.value)]
        else:
            pairs = [
                pair
                for key, value in node.value
                for pair in ((key, False), (value, key.value in IDENTIFIERS))
            ]
            nodes += reversed(pairs)


def hidden_hint(text: str, line: int) -> str:
    """Why the parser may have stumbled at a line, counted from 0: `` #`` in it or just above."""
    lines = text.split("\n", line + 1)[max(line - 1, 0) : line + 1]
    # In two steps: one expression for both would look for the second from every character.
    starts = ((one, _PROSE.search(one)) for one in lines)
    if any(start and _COMMENT_SIGN.search(one, start.end()) for one, start in starts):
        return " (' #' begins a comment; does the text there need 'quotes'?)"
    return " (does a text there need 'quotes'?)"


def _check_start(node: yaml.Node, text: str) -> None:
    start = node.start_mark.index
    if not _SIGN.match(text, start):
        return
    line = node.start_mark.line + 1
    if isinstance(node, yaml.ScalarNode) and not node.style:
        way_out = _quoted(_source(text, start, node.end_mark.index))
    else:
        way_out = f"take the word with the {text[start]} out"
    raise InputError(f"line {line}: {text[start]!r} is a sign of its own to YAML; {way_out}")


def _check_end(node: yaml.ScalarNode, text: str, identifier: bool) -> None:
    if lost := _AFTER_COMMA.match(text, node.end_mark.index):
        _refuse(node.end_mark.line, lost[1].strip())
    # No style is a text without quotes; numbers and the like cannot lose a word.
    if node.style or node.tag != _TEXT:
        return
    end = node.end_mark.index
    found = _COMMENT.match(text, end)
    if found is None or (identifier and text[found.end() : found.end() + 1].isspace()):
        return
    line_end = text.find("\n", end)
    whole = _source(text, node.start_mark.index, len(text) if line_end < 0 else line_end)
    _refuse(node.end_mark.line, whole)


def _refuse(line: int, whole: str) -> NoReturn:
    raise InputError(
        f"line {line + 1}: ' #' begins a comment to YAML, and what follows it would be lost; "
        f"{_quoted(whole)}, or put the comment on a line of its own"
    )


def _source(text: str, start: int, end: int) -> str:
    """A text as it was written, its lines joined as YAML joins them."""
    return " ".join(part.strip() for part in text[start:end].splitlines())


def _quoted(text: str) -> str:
    """The advice to put a text in quotes, with the spelling unless it is long."""
    if len(text) > _MOST_QUOTED:
        return "put the whole text in 'quotes'"
    spelled = text.replace("'", "''")
    return f"write '{spelled}' in quotes"
