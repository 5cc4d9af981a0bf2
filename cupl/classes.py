"""Class labels, and reading lists of them."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cupl.errors import InputError, MissingFileError
from cupl.paths import prompts_dir
from cupl.yamlfile import read_text

MAX_NAME = 500


@dataclass(frozen=True, slots=True)
class ClassLabel:
    """One class: the name a person reads, an id where names repeat, other names it goes by."""

    name: str
    id: str | None = None
    aliases: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, str]:
        """What tells this class from every other: the id where there is one, else the name."""
        return ("id", self.id) if self.id is not None else ("name", self.name)

    def __str__(self) -> str:
        return f"{self.name} ({self.id})" if self.id is not None else self.name


def check_labels(labels: Sequence[ClassLabel]) -> None:
    """Accept labels that can be told apart.

    Raises:
        InputError: no label, an empty or over-long name, a line break or control character in
            one, an id twice, or a name twice where not every bearer has an id.

    """
    if not labels:
        raise InputError("no classes: name at least one")
    by_id: set[str] = set()
    by_name: dict[str, ClassLabel] = {}
    for label in labels:
        for text in (label.name, *label.aliases, *([label.id] if label.id is not None else [])):
            _check_text(text)
        if label.id is not None and label.id in by_id:
            raise InputError(f"the class id {label.id!r} stands here twice")
        other = by_name.setdefault(label.name, label)
        if other is not label and (other.id is None or label.id is None):
            raise InputError(
                f"two classes are named {label.name!r}; give each an id or another name"
            )
        by_id.update([label.id] if label.id is not None else [])


def _check_text(text: str) -> None:
    if not text.strip():
        raise InputError("a class has an empty name or id")
    if len(text) > MAX_NAME:
        raise InputError(f"the class name {text[:40]!r}... is longer than {MAX_NAME} characters")
    if not all(char.isprintable() or char in "\u200c\u200d\u00ad" for char in text):
        # Joiners are part of names in several scripts; everything else unprintable is damage.
        raise InputError(f"the class name {text!r} holds a line break or control character")


def labels_from_names(names: Iterable[str]) -> list[ClassLabel]:
    """Labels of plain names, checked."""
    labels = [ClassLabel(name.strip()) for name in names]
    check_labels(labels)
    return labels


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
    path = Path(source)
    shipped = prompts_dir() / "classes" / f"{path}.csv"
    if not path.exists():
        if path.name != str(path) or not shipped.is_file():
            raise MissingFileError(f"{path}: no such class list; give a file, a folder or -c NAME")
        path = shipped
    if path.suffix.lower() in (".yaml", ".yml"):
        from cupl.bank import PromptBank

        return [entry.label for entry in PromptBank.load(path).classes]
    if path.is_dir():
        labels = _from_folder(path)
    elif path.suffix.lower() == ".csv":
        labels = _from_csv(path)
    else:
        lines = (line.strip() for line in read_text(path).splitlines())
        labels = [ClassLabel(line) for line in lines if line and not line.startswith("#")]
    try:
        check_labels(labels)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    return labels


def _from_folder(path: Path) -> list[ClassLabel]:
    try:
        folders = sorted(entry.name for entry in os.scandir(path) if entry.is_dir())
    except OSError as error:
        raise InputError(f"{path}: cannot be listed ({error.strerror or error})") from error
    labels = [ClassLabel(name) for name in folders if not name.startswith(".")]
    if not labels:
        raise InputError(f"{path}: an ImageFolder has a folder for each class; this has none")
    return labels


def _from_csv(path: Path) -> list[ClassLabel]:
    rows = csv.DictReader(io.StringIO(read_text(path), newline=""), strict=True)
    try:
        if "name" not in (rows.fieldnames or ()):
            raise InputError(f"{path}: the first line must name the columns, e.g. id,name")
        return [_from_row(row, f"{path}: line {rows.line_num}") for row in rows]
    except csv.Error as error:
        raise InputError(f"{path}: line {rows.line_num}: not valid CSV ({error})") from error


def _from_row(row: dict[str, str | None], where: str) -> ClassLabel:
    # csv keeps surplus fields under the key None: almost always a name with an unquoted comma.
    if None in row:
        raise InputError(f'{where}: more fields than columns; put a name with a comma in "quotes"')
    aliases = (alias.strip() for alias in (row.get("aliases") or "").split("|"))
    return ClassLabel(
        name=(row["name"] or "").strip(),
        id=(row.get("id") or "").strip() or None,
        aliases=tuple(alias for alias in aliases if alias),
    )
