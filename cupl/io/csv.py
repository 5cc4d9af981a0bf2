"""Reading and writing CSV files, safe to open in a spreadsheet.

A spreadsheet runs a cell that begins with one of ``= + - @``, a tab or a line break as a formula,
and class names, paths and prompts come from others. Every CSV file that cupl writes has an
apostrophe in front of such a text (not of a number), and :func:`read_rows` takes it off again. A
text that itself is an apostrophe before such a sign gets another one, so that all come back as
they were.
"""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from cupl.errors import InputError
from cupl.io.text import read_text

Cell = str | int | float | None

MAX_COLUMNS = 1000
"""Of a table; each row is a mapping of all."""
_MAX_SIGNS = 100_000
"""Separators in a line, those in quotes too."""

_FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")
_SIGNS = frozenset("'=+-@\t\r\n＝＋－＠")
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")


def csv_lines(rows: Iterable[Sequence[Cell]], end: str = "\n") -> Iterator[str]:
    """Rows as lines of a CSV file, each made when it is asked for.

    Args:
        rows: the header is one of them.
        end: of a line.

    """
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)  # its CR LF makes it quote a text with either
    for row in rows:
        writer.writerow([_guarded(cell) if isinstance(cell, str) else cell for cell in row])
        yield buffer.getvalue().removesuffix("\r\n") + end
        buffer.seek(0)
        buffer.truncate()


def _guarded(text: str) -> str:
    # The first sign alone clears nearly every cell, in a tenth of the time.
    if text[:1] in _SIGNS and _FORMULA.match(text) and not _NUMBER.fullmatch(text):
        return f"'{text}"
    return text


def _unguarded(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def _bounded(lines: Iterable[str], separator: str) -> Iterator[str]:
    for line in lines:
        if line.count(separator) > _MAX_SIGNS:
            raise csv.Error(f"more than {_MAX_SIGNS:,} separators in a line")
        yield line


def is_blank(row: Mapping[str, str | None]) -> bool:
    """Whether no cell of a row says anything: Excel writes ``,`` for a blank one."""
    return not any("".join(cell or ()).strip() for cell in row.values())


def _separator(text: str) -> str:
    """A comma, unless the first line has none and one of the signs that spreadsheets use instead.

    Excel writes semicolons where a comma stands in numbers.
    """
    first = text[: text.find("\n") + 1] or text
    return next((sign for sign in ",;\t" if sign in first), ",")


def read_rows(
    file: Path,
    usable: Callable[[list[str]], bool],
    needed: str,
    wanted: str | None = None,
    *,
    own: bool = False,
) -> Iterator[tuple[str, dict[str, str | None]]]:
    """Rows by the names of their columns, which are stripped and in lower case.

    Args:
        file: with a header; surplus fields of a row are under the key None. Tabs separate the
            columns of a ``.tsv``, else commas or, where the header has none, semicolons or tabs.
        usable: whether the columns are those that are needed.
        needed: what to say where they are not.
        wanted: what the file is to be; see :func:`~cupl.io.text.read_text`.
        own: whether cupl wrote it: a ``path`` may have any bytes then, else only where there is
            such a file. All other text is UTF-8.

    Yields:
        Where the row is, for a message, and the row.

    Raises:
        MissingFileError: there is no such file.
        InputError: it is not valid CSV, or has other columns.

    """
    text = read_text(file, wanted, odd_bytes=True)
    separator = "\t" if file.suffix.lower() == ".tsv" else _separator(text)
    lines = _bounded(io.StringIO(text, newline=""), separator)
    rows = csv.DictReader(lines, strict=True, delimiter=separator)
    try:
        if len(rows.fieldnames or ()) > MAX_COLUMNS:
            raise InputError(f"{file}: line 1: more than {MAX_COLUMNS:,} columns")
        columns = [column.strip().lower() for column in rows.fieldnames or ()]
        _check_utf_8(f"{file}: line 1", columns)
        if not usable(columns):
            raise InputError(f"{file}: line 1: {needed}")
        rows.fieldnames = columns
        for row in rows:
            cells = {
                name: _unguarded(cell) if isinstance(cell, str) else cell
                for name, cell in row.items()
            }
            place, path = f"{file}: line {rows.line_num}", cells.get("path")
            odd = {"path"} if own or (path is not None and _is_there(file, path)) else set()
            _check_utf_8(place, (one for key, one in cells.items() if key not in odd))
            yield place, cells
    except csv.Error as error:
        raise InputError(f"{file}: line {rows.line_num}: not valid CSV ({error})") from error


def _is_there(file: Path, path: str) -> bool:
    try:
        return os.path.lexists(path) or os.path.lexists(file.parent / path)
    except ValueError:  # a NUL in it
        return False


def _check_utf_8(place: str, cells: Iterable[object]) -> None:
    """Refuse text that is not, as :func:`~cupl.io.text.read_text` does."""
    for cell in cells:
        try:
            str(cell).encode()
        except UnicodeEncodeError as error:
            raise InputError(f"{place}: not UTF-8 text; save the file as UTF-8") from error
