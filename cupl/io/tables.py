"""Tables for a person: as wide as what is in them, or no wider than the terminal.

On a terminal no word and no number is broken: paths lose the folder that all share and then their
middle, texts go on in the next line, and where that is not enough the columns that matter least are
left out, which is said. Elsewhere, in a pipe or a file, a row is one line and nothing is left out.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Literal

from cupl.io.terminal import captured, cell_length, middle, printable

TableCell = str | tuple[str, ...]
"""A text, or several lines of a number: a figure and its interval."""

_LONGEST_WORD = 24
"""Characters that a column keeps for a word; of a longer one the middle is left out."""
_PATH, _NARROWEST = 20, 8
_WHOLE = ("number", "whole")
_GAP = 2


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        title: above it; none stands above a table whose titles are all empty.
        kind: a ``number`` stands at the right and is never folded or cut; what is ``whole`` is
            not either, at the left; a ``path`` loses its middle, a ``list`` with commas its end.
        rank: 0 is always shown; of the others the highest is left out first.

    """

    title: str
    kind: Literal["text", "number", "whole", "path", "list"] = "text"
    rank: int = 0


def draw_table(
    columns: Sequence[Column],
    rows: Sequence[Sequence[TableCell] | None],
    width: int | None = None,
    marked: Collection[int] = (),
) -> str:
    """The table as lines of text; what cannot be printed is spelled out.

    Args:
        columns: from left to right.
        rows: a cell for each column; None is a gap.
        width: of the terminal, in characters (:func:`~cupl.io.terminal.terminal_width`); None for
            a pipe or a file.
        marked: the rows that are shown in red on a terminal.

    """
    cells = [None if row is None else [_lines(cell) for cell in row] for row in rows]
    if width is None or _natural(columns, cells) <= width:
        return _drawn(columns, cells, _widths(columns, cells, _widest), width, marked)
    folder = _without_folder(columns, cells)
    least = _widths(columns, cells, _narrowest)
    shown = _kept(columns, least, width)
    kept = [columns[i] for i in shown]
    cells = [None if row is None else [row[i] for i in shown] for row in cells]
    widths = _shared([least[i] for i in shown], _widths(kept, cells, _widest), kept, width)
    text = _drawn(kept, _fitted(kept, cells, widths), widths, width, marked)
    out = [printable(one.title) for i, one in enumerate(columns) if i not in shown]
    notes = [f"paths in {folder}"] if folder else []
    notes += [f"too narrow for: {', '.join(out)}"] if out else []
    return text + "".join(f"({note})\n" for note in notes)


_Rows = list[list[tuple[str, ...]] | None]


def _lines(cell: TableCell) -> tuple[str, ...]:
    return tuple(map(printable, (cell,) if isinstance(cell, str) else cell))


def _widths(
    columns: Sequence[Column], rows: _Rows, measure: Callable[[Column, Sequence[str]], int]
) -> list[int]:
    texts = [row for row in rows if row is not None]
    return [
        measure(column, [*chain.from_iterable(row[i] for row in texts)])
        for i, column in enumerate(columns)
    ]


def _widest(column: Column, texts: Sequence[str]) -> int:
    return max(map(cell_length, (column.title, *texts)), default=0)


def _narrowest(column: Column, texts: Sequence[str]) -> int:
    """What a column needs so that only what may be folded or shortened is."""
    title = max(map(cell_length, column.title.split()), default=0)
    widest = max(map(cell_length, texts), default=0)
    if column.kind in _WHOLE:
        return max(title, widest)
    if column.kind == "path":
        return max(title, min(widest, _PATH))
    if column.kind == "list":
        texts = [_beginning(text, 0) for text in texts]
        return max(title, min(max(map(cell_length, texts), default=0), _LONGEST_WORD))
    words = max((cell_length(word) for text in texts for word in text.split()), default=0)
    return max(title, min(words, _LONGEST_WORD))


def _natural(columns: Sequence[Column], rows: _Rows) -> int:
    return _total(_widths(columns, rows, _widest))


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + _GAP * (len(widths) - 1)


def _without_folder(columns: Sequence[Column], rows: _Rows) -> str:
    """Take the folder that all paths are in off them, and return it."""
    (place, *_) = [i for i, one in enumerate(columns) if one.kind == "path"] or [-1]
    texts = [row for row in rows if row is not None]
    folders = {os.path.dirname(row[place][0]) for row in texts if place >= 0 and row[place][0]}  # noqa: PTH120
    try:
        folder = os.path.commonpath(folders) if folders else ""
    except ValueError:  # some are absolute and some are not
        return ""
    if not folder.strip(os.sep):
        return ""
    for row in texts:
        row[place] = (row[place][0].removeprefix(folder).lstrip(os.sep),)
    return folder


def _kept(columns: Sequence[Column], least: Sequence[int], width: int) -> list[int]:
    """The columns for which there is place, by their number."""
    kept = list(range(len(columns)))
    while _total([least[i] for i in kept]) > width:
        last = max(kept, key=lambda i: columns[i].rank)
        if columns[last].rank == 0:
            break
        kept.remove(last)
    return kept


def _shared(
    least: Sequence[int], widest: Sequence[int], columns: Sequence[Column], width: int
) -> list[int]:
    """Widths that add up to no more than the terminal's, the spare given where it is needed."""
    widths = list(least)
    soft = [i for i, one in enumerate(columns) if one.kind not in _WHOLE]
    while _total(widths) > width and (wide := [i for i in soft if widths[i] > _NARROWEST]):
        widths[max(wide, key=widths.__getitem__)] -= 1
    spare = width - _total(widths)
    # A label that fits in whole comes before more of a list or of a path.
    for i in sorted(soft, key=lambda i: widest[i] - widths[i]):
        if columns[i].kind == "text" and 0 < widest[i] - widths[i] <= spare:
            spare -= widest[i] - widths[i]
            widths[i] = widest[i]
    wanting = sorted((i for i in range(len(widths)) if widest[i] > widths[i]),
                     key=lambda i: widest[i] - widths[i])  # fmt: skip
    for number, i in enumerate(wanting):
        given = min(widest[i] - widths[i], max(0, spare) // (len(wanting) - number))
        widths[i] += given
        spare -= given
    return widths


def _fitted(columns: Sequence[Column], rows: _Rows, widths: Sequence[int]) -> _Rows:
    """The cells with what is too long for a line shortened in the middle."""

    def fit(column: Column, line: str, width: int) -> str:
        if column.kind == "path":
            return middle(line, width)
        if column.kind in _WHOLE or cell_length(line) <= width:
            return line
        if column.kind == "list" and cell_length(begun := _beginning(line, width)) <= width:
            return begun
        return " ".join(middle(word, width) for word in line.split())

    return [
        None if row is None else [
            tuple(fit(column, line, width) for line in lines)
            for column, lines, width in zip(columns, row, widths, strict=True)
        ]
        for row in rows
    ]  # fmt: skip


def _beginning(text: str, width: int) -> str:
    """As many parts of a list as there is place for, at least one, and that there are more."""
    first, *rest = text.split(", ")
    for number, part in enumerate(rest, 1):
        longer = f"{first}, {part}"
        if cell_length(longer) + 3 * (number < len(rest)) > width:
            return f"{first}, …"
        first = longer
    return first


def _drawn(
    columns: Sequence[Column],
    rows: _Rows,
    widths: Sequence[int],
    terminal: int | None,
    marked: Collection[int],
) -> str:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    titled = any(column.title for column in columns)
    grid = Table(
        box=box.SIMPLE_HEAD, show_header=titled, pad_edge=False, show_edge=False,
        collapse_padding=True,
    )  # fmt: skip
    for column, width in zip(columns, widths, strict=True):
        number = column.kind == "number"
        title = Text(printable(column.title))
        grid.add_column(title, justify="right" if number else "left", width=width)
    for place, row in enumerate(rows):
        if row is None:
            grid.add_section()
        else:
            style = "red" if place in marked else ""
            # Text, not str: square brackets in a name are not markup.
            grid.add_row(*(Text("\n".join(lines), style=style) for lines in row))
    # Wider than the terminal only where that is too narrow for what has to be shown.
    return captured(grid, max(_total(widths), terminal or 0), styled=terminal is not None)
