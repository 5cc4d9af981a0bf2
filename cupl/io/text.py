"""Text files that a person or another program wrote."""

from __future__ import annotations

import codecs
import os
from pathlib import Path

from cupl.errors import InputError
from cupl.io.file_kinds import START_BYTES, kind_of_folder, kind_of_start, own_kind, wrong_kind
from cupl.io.reasons import missing, reason

MAX_TEXT_BYTES = 100_000_000
"""A million prompts; what readers make of a text is bounded by its length."""

FREE_LINES = 1_000_000
"""Lines that any text may have; of a longer one each has at least eight bytes."""


def name_as_text(name: str | os.PathLike[str]) -> str:
    r"""A file name as text that UTF-8 has, its odd bytes spelled out, as ``\xff``."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def read_text(path: Path, wanted: str | None = None, *, odd_bytes: bool = False) -> str:
    """Text of a UTF-8 file, or of a pipe, of bounded size.

    UTF-16 is read where its mark begins the file, as Excel's "Unicode text" has it.

    Args:
        path: the file.
        wanted: what it is to be, for the message; no other kind of text that cupl itself writes
            (see :mod:`cupl.io.file_kinds`) is then taken for it. By default any text will do.
        odd_bytes: keep bytes that are not UTF-8 as those of a file's name (``surrogateescape``).

    Raises:
        MissingFileError: there is no such file.
        InputError: it is a folder, unreadable, too large, neither, or known to be something else.

    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_TEXT_BYTES + 1)
        if len(data) > MAX_TEXT_BYTES:
            raise InputError(f"{path}: larger than {MAX_TEXT_BYTES // 1_000_000} MB; split it")
        start = data[:START_BYTES]
        own = own_kind(start) if wanted else None
        if (kind := kind_of_start(start) or own) and kind != wanted:
            raise wrong_kind(path, kind, wanted)
        if data.count(b"\n") > FREE_LINES + len(data) // 8:
            raise InputError(f"{path}: almost nothing but line breaks; is it the right file?")
        if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return data.decode("utf-16")
        return data.decode("utf-8-sig", "surrogateescape" if odd_bytes else "strict")
    except FileNotFoundError as error:
        raise missing(path, f"{path}: no such file") from error
    except IsADirectoryError as error:
        raise wrong_kind(path, kind_of_folder(path), wanted) from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({reason(error, path)})") from error
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}: line {line}: not UTF-8 text; save the file as UTF-8") from error
