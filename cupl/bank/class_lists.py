"""Reading lists of classes from files of several kinds, ImageFolders and what comes with cupl."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from cupl.bank.class_data import (
    ALIAS_KEYS,
    CONTAINERS,
    ID_KEYS,
    NAME_KEYS,
    first_of,
    labels_from_data,
)
from cupl.bank.class_folders import classes_of_folders
from cupl.bank.class_lines import describe_labels, labels_from_lines
from cupl.bank.labels import ClassLabel, check_label, check_labels
from cupl.bank.model import PromptBank
from cupl.bank.selecting import ClassSelector
from cupl.errors import InputError, MissingFileError
from cupl.io.arguments import check_path
from cupl.io.csv import is_blank, read_rows
from cupl.io.file_kinds import BANK
from cupl.io.json import parse_json, read_json
from cupl.io.paths import prompts_dir
from cupl.io.reasons import broken_link, reason
from cupl.io.text import read_text
from cupl.io.yaml import read_yaml_texts
from cupl.progress import ignore

Notice = Callable[[str], None]
"""Told in a sentence what was understood where that is not plain."""

_Read = tuple[list[ClassLabel], str | None]
"""The classes, and what was understood, to be told."""

_WANTED = "a list of classes"
_BANK = re.compile(r"^[ -]*prompts[ \t]*:", re.MULTILINE)


def read_classes(source: str | os.PathLike[str], notice: Notice = ignore) -> list[ClassLabel]:
    """Read a class list.

    Args:
        source: a text file (a name a line, ``#`` begins a comment line), a ``.csv`` with the
            columns ``name`` and optionally ``id`` and ``aliases`` (separated by ``|``), a ``.json``
            or ``.jsonl`` of names, numbers or ids (see :mod:`cupl.bank.class_data`), a prompt
            bank (``.yaml``) or a ``data.yaml`` of YOLO, an ImageFolder (each folder with images in
            it is a class), or the name of a list that comes with cupl (``imagenet``).
        notice: told what was understood, where the file is more than a name a line.

    Raises:
        MissingFileError: there is no such file or folder.
        InputError: it holds no usable class list.

    """
    check_path(source, "a list of classes")
    path = _find(Path(source))
    read = classes_of_folders if path.is_dir() else _READERS.get(path.suffix.lower(), _from_text)
    labels, understood = read(path)
    if understood:
        notice(f"{path}: {understood}")
    try:
        check_labels(labels)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    return labels


def classes_from_names(names: Sequence[str], notice: Notice = ignore) -> list[ClassLabel]:
    """Classes as a person types or pastes them, each a line of :func:`read_classes`.

    Args:
        names: on a line each.
        notice: told what was understood, where they are more than names.

    Raises:
        InputError: they are no classes.

    """
    lines = [(number, text) for number, name in enumerate(names, 1) if (text := name.strip())]
    if len(lines) < len(names):
        check_label(ClassLabel(""))
    labels, understood = labels_from_lines(lines, lambda number: f"class {number}")
    if understood:
        notice(understood)
    check_labels(labels)
    return labels


def select_classes(bank: PromptBank, given: Sequence[str], notice: Notice = ignore) -> PromptBank:
    """Some classes of a bank, as a person types them.

    Args:
        bank: its classes are found by name, id or alias.
        given: each a class, several with commas between them, or what :func:`read_classes` reads;
            the classes get this order.
        notice: told what was understood in a file.

    Raises:
        MissingFileError: a file is gone while it is read.
        InputError: a name means no class, or a file holds no class list.

    """
    selector, names = ClassSelector(bank.classes, bank.name), list[str | ClassLabel]()
    for text in given:
        if text in selector:
            names.append(text)
        elif os.path.exists(text):  # noqa: PTH110 (Path's raises for over-long names)
            names += read_classes(text, notice)
        else:
            names += selector.split(text)
    return bank.select(names)


def _find(path: Path) -> Path:
    """``path``, or the list of that name that comes with cupl."""
    try:
        if path.exists():
            return path
    except OSError as error:  # such as a text in place of a file name
        raise InputError(f"{path}: {reason(error, path)}") from error
    shipped = prompts_dir() / "classes" / f"{path}.csv"
    if path.name != str(path) or not shipped.is_file():
        raise MissingFileError(
            f"{path}: {broken_link(path) or 'no such class list'}; give a file, a folder or the "
            "names themselves",
            arguments={"name": ...},
        )
    return shipped


def _from_text(path: Path) -> _Read:
    lines = io.StringIO(read_text(path, _WANTED), newline=None)  # any of the three line endings
    named = [
        (number, text)
        for number, line in enumerate(lines, 1)
        if (text := line.strip()) and not text.startswith("#")
    ]
    return labels_from_lines(named, lambda number: f"{path}: line {number}")


def _from_json(path: Path) -> _Read:
    return _from_data(read_json(path, wanted=_WANTED), path)


def _from_json_lines(path: Path) -> _Read:
    lines = [
        (n, line) for n, line in enumerate(read_text(path, _WANTED).split("\n"), 1) if line.strip()
    ]
    found = []
    for number, line in lines:
        try:
            found.append(parse_json(line, "key"))
        except ValueError as error:
            raise InputError(f"{path}: line {number}: {error}") from error
    return _from_data(found, path)


def _from_yaml(path: Path) -> _Read:
    # A pipe can be read once, and then as a bank.
    if path.is_file() and not _BANK.search(read_text(path, BANK)):
        data = read_yaml_texts(path, CONTAINERS)
        if data is not None:
            return _from_data(data, path)
    return [entry.label for entry in PromptBank.load(path)], None


def _from_data(data: Any, path: Path) -> _Read:
    try:
        labels = labels_from_data(data)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    return labels, describe_labels(labels, "ids and names" if labels and labels[0].id else "names")


def _from_csv(path: Path) -> _Read:
    rows = read_rows(
        path,
        lambda columns: any(name in columns for name in NAME_KEYS),
        "must name the columns, one of them 'name', e.g. id,name",
        _WANTED,
    )
    return [_from_row(row, where) for where, row in rows if not is_blank(row)], None


def _from_row(row: dict[str, str | None], where: str) -> ClassLabel:
    # csv keeps surplus fields under the key None: almost always a name with an unquoted comma.
    if None in row:
        raise InputError(f'{where}: more fields than columns; put a name with a comma in "quotes"')
    label = ClassLabel(
        (first_of(row, NAME_KEYS) or "").strip(),
        (first_of(row, ID_KEYS) or "").strip() or None,
        tuple(
            alias
            for text in (first_of(row, ALIAS_KEYS) or "").split("|")
            if (alias := text.strip())
        ),
    )
    try:
        check_label(label)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    return label


_READERS: dict[str, Callable[[Path], _Read]] = {
    ".yaml": _from_yaml,
    ".yml": _from_yaml,
    ".json": _from_json,
    ".jsonl": _from_json_lines,
    ".ndjson": _from_json_lines,
    ".csv": _from_csv,
    ".tsv": _from_csv,
}
"""By the ending of the file; another is text."""
