"""Reading the rows of a CSV file that a person wrote."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from cupl.errors import InputError
from cupl.io.text import read_text


def read_rows(
    file: Path, usable: Callable[[list[str]], bool], needed: str
) -> Iterator[tuple[str, dict[str, str | None]]]:
    """Rows by the names of their columns, which are stripped and in lower case.

    Args:
        file: with a header; surplus fields of a row are under the key None.
        usable: whether the columns are those that are needed.
        needed: what to say where they are not, unless another sign than a comma separates them.

    Yields:
        Where the row is, for a message, and the row.

    Raises:
        MissingFileError: there is no such file.
        InputError: it is not valid CSV, or has other columns.

    """
    rows = csv.DictReader(io.StringIO(read_text(file), newline=""), strict=True)
    try:
        columns = [column.strip().lower() for column in rows.fieldnames or ()]
        if not usable(columns):
            sign = re.search(r"[;\t|]", columns[0]) if len(columns) == 1 else None
            why = f"the columns are separated by {sign[0]!r}; use commas" if sign else needed
            raise InputError(f"{file}: line 1: {why}")
        rows.fieldnames = columns
        for row in rows:
            yield f"{file}: line {rows.line_num}", row
    except csv.Error as error:
        raise InputError(f"{file}: line {rows.line_num}: not valid CSV ({error})") from error
