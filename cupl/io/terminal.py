"""What is shown on a terminal: nothing in it can repaint it, and no word is broken at its edge."""

from __future__ import annotations

import io
import re
import shutil
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.table import Table


def printable(text: str) -> str:
    """The text with control characters spelled out, so that no name can repaint a terminal."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def terminal_width(stream: TextIO | None = None) -> int | None:
    """Columns of the terminal that a stream, by default standard output, is; None if it is none."""
    stream = sys.stdout if stream is None else stream
    if stream is None or not stream.isatty():
        return None
    return shutil.get_terminal_size().columns


def folded(text: str, width: int | None) -> str:
    """Lines folded between words, what follows indented as they are; None leaves them whole."""
    if width is None:
        return text
    return "\n".join(_folded_line(line, width) for line in text.split("\n"))


def _folded_line(line: str, width: int) -> str:
    if cell_length(line) <= width:
        return line
    text = line.lstrip(" ")
    indent = line[: len(line) - len(text)]
    lines, space = [indent], ""
    for word, gap in re.findall("([^ ]+)( *)", text):
        begun = lines[-1] + space
        if begun.strip() and cell_length(begun + word) > width:
            lines.append(indent)
            begun = indent
        lines[-1], space = begun + word, gap
    return "\n".join(lines)


def cell_length(text: str) -> int:
    """Columns of a terminal that a text takes: two for a Chinese character."""
    from rich.cells import cell_len

    return cell_len(text)


def middle(text: str, width: int) -> str:
    """The text without its middle where it is longer; of a path the end says most."""
    if cell_length(text) <= width:
        return text
    front = max(0, (width - 1) // 3)
    head, tail = text[:width], text[-width:]
    while cell_length(head) > front:
        head = head[:-1]
    while cell_length(tail) > max(0, width - 1 - front):
        tail = tail[1:]
    return f"{head}…{tail}"


def captured(table: Table, width: int, *, styled: bool) -> str:
    """A table as text, with colours only where it goes to a terminal that has some."""
    from rich.console import Console

    console = Console(file=io.StringIO(), force_terminal=styled, width=width, height=25)
    with console.capture() as capture:
        console.print(table, highlight=False, markup=False, emoji=False)
    return "".join(f"{line.rstrip()}\n" for line in capture.get().splitlines())
