"""JSON lines that anything may have written."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cupl.errors import InputError
from cupl.io.json import parse_json
from cupl.io.reasons import missing, reason

MAX_LINE = 8 * 2**20
"""Bytes of the longest line that is read or written."""

MAX_BLANK = 100_000
"""Lines without a text in a file."""


def numbered_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines of a file, from 1, with their ends; of one that is too long only the beginning.

    Raises:
        MissingFileError: the file is not there.
        InputError: it cannot be read.

    """
    blank = 0
    try:
        with path.open("rb") as file:
            for number in itertools.count(1):
                line = file.readline(MAX_LINE + 1)
                if not line:
                    return
                blank += line.isspace()
                if blank > MAX_BLANK:
                    raise InputError(f"{path}: more than {MAX_BLANK:,} empty lines")
                yield number, line
                while len(line) > MAX_LINE and not line.endswith(b"\n"):
                    line = file.readline(MAX_LINE + 1)
    except FileNotFoundError as error:
        raise missing(path, f"{path} does not exist") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({reason(error, path)})") from error


def load_line(line: bytes) -> dict[str, Any]:
    """The JSON object of a line.

    Raises:
        ValueError: there is none.

    """
    if len(line) > MAX_LINE:
        raise ValueError(f"longer than {MAX_LINE // 2**20} MB")
    try:
        data = parse_json(line)
    except ValueError as error:
        raise ValueError("not JSON") from error
    if not isinstance(data, dict):
        raise ValueError("not a JSON object")
    return data
