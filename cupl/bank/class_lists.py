"""Reading lists of classes from text files, CSV, banks, ImageFolders and what comes with cupl."""

from __future__ import annotations

import io
import os
from pathlib import Path

from cupl.bank.labels import ClassLabel, check_label, check_labels
from cupl.bank.model import PromptBank
from cupl.errors import InputError, MissingFileError
from cupl.io.csv import read_rows
from cupl.io.paths import prompts_dir
from cupl.io.text import read_text


def read_classes(source: str | os.PathLike[str]) -> list[ClassLabel]:
    """Read a class list.

    Args:
        source: a text file (a name a line, ``#`` begins a comment line), a ``.csv`` with the
            columns ``name`` and optionally ``id`` and ``aliases`` (separated by ``|``), a prompt
            bank (``.yaml``), an ImageFolder (each folder in it is a class), or the name of a list
            that comes with cupl (``imagenet``).

    Raises:
        MissingFileError: there is no such file or folder.
        InputError: it holds no usable class list.

    """
    path = _find(Path(source))
    ending = path.suffix.lower()
    if path.is_dir():
        labels = _from_folder(path)
    elif ending in (".yaml", ".yml"):
        return [entry.label for entry in PromptBank.load(path)]
    elif ending == ".json":
        raise InputError(f"{path}: make a bank of JSON first: cupl bank import {path} -o BANK.yaml")
    elif ending == ".csv":
        labels = _from_csv(path)
    else:
        labels = _from_text(path)
    try:
        check_labels(labels)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    return labels


def _find(path: Path) -> Path:
    """``path``, or the list of that name that comes with cupl."""
    try:
        if path.exists():
            return path
    except OSError as error:  # such as a text in place of a file name
        raise InputError(f"{path}: {error.strerror or error}") from error
    shipped = prompts_dir() / "classes" / f"{path}.csv"
    if path.name != str(path) or not shipped.is_file():
        raise MissingFileError(
            f"{path}: no such class list; give a file, a folder or the names themselves",
            arguments={"name": ...},
        )
    return shipped


def _from_folder(path: Path) -> list[ClassLabel]:
    try:
        folders = sorted(entry.name for entry in os.scandir(path) if entry.is_dir())
    except OSError as error:
        raise InputError(f"{path}: cannot be listed ({error.strerror or error})") from error
    labels = [ClassLabel(name) for name in folders if not name.startswith(".")]
    if not labels:
        raise InputError(f"{path}: an ImageFolder has a folder for each class; this has none")
    return labels


def _from_text(path: Path) -> list[ClassLabel]:
    lines = io.StringIO(read_text(path), newline=None)  # any of the three line endings
    return [
        _label(f"{path}: line {number}", text)
        for number, line in enumerate(lines, 1)
        if (text := line.strip()) and not text.startswith("#")
    ]


def _from_csv(path: Path) -> list[ClassLabel]:
    rows = read_rows(
        path,
        lambda columns: "name" in columns,
        "must name the columns, one of them 'name', e.g. id,name",
    )
    return [_from_row(row, where) for where, row in rows]


def _from_row(row: dict[str, str | None], where: str) -> ClassLabel:
    # csv keeps surplus fields under the key None: almost always a name with an unquoted comma.
    if None in row:
        raise InputError(f'{where}: more fields than columns; put a name with a comma in "quotes"')
    aliases = (alias.strip() for alias in (row.get("aliases") or "").split("|"))
    return _label(
        where,
        (row["name"] or "").strip(),
        (row.get("id") or "").strip() or None,
        tuple(alias for alias in aliases if alias),
    )


def _label(
    where: str, name: str, id: str | None = None, aliases: tuple[str, ...] = ()
) -> ClassLabel:
    label = ClassLabel(name, id, aliases)
    try:
        check_label(label)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    return label
