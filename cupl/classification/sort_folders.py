"""Names of folders for classes, and of files in them, that every file system can have."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import count

UNSURE = "unsure"
"""The folder of photos without a label."""
NONE_OF_THESE_FOLDER = "none of these"
"""The folder of photos that are of none of the classes."""
LIST_NAME = "sorted.csv"
_LONGEST_FOLDER = 120
_LONGEST_FILE = 255
_NOT_IN_NAMES = re.compile(
    r'[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff/\\:*?"<>|]'
)
_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)


def alike(name: str) -> str:
    """What two names have in common that some file system takes for one."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def folder_name(label: str) -> str:
    """A label as the name of a folder, in one part that is not hidden and means nothing else."""
    name = _NOT_IN_NAMES.sub("_", unicodedata.normalize("NFC", label)).strip()
    name = _cut(name, _LONGEST_FOLDER).rstrip(". ")
    if name.startswith("."):
        name = "_" + name[1:]
    return f"_{name}" if not name or _DEVICES.fullmatch(name) else name


class FolderNames:
    """A folder for each class, never one for two.

    Args:
        known: folders of labels and ids from runs before.

    """

    def __init__(self, known: Iterable[tuple[str, str | None, str]] = ()) -> None:
        self._folders: dict[tuple[str, str | None], str] = {}
        self._taken = {alike(name) for name in (UNSURE, NONE_OF_THESE_FOLDER, LIST_NAME)}
        for label, id_, folder in known:
            self._folders[label, id_] = folder
            self._taken.add(alike(folder))

    def of(self, label: str, id_: str | None = None) -> str:
        """The folder of a class; a new one where it has none yet."""
        if (label, id_) not in self._folders:
            name = next(name for name in self._names(label, id_) if alike(name) not in self._taken)
            self._folders[label, id_] = name
            self._taken.add(alike(name))
        return self._folders[label, id_]

    @staticmethod
    def _names(label: str, id_: str | None) -> Iterator[str]:
        name = folder_name(label)
        yield name
        if id_ is not None:
            yield folder_name(f"{name} ({_cut(id_, _LONGEST_FOLDER // 2)})")
        yield from (f"{name} ({number})" for number in count(2))


class FreeNames:
    """Names in folders that nothing has yet, whatever a file system takes for the same."""

    def __init__(self) -> None:
        self._taken: dict[str, set[str]] = {}

    def of(self, folder: str, name: str) -> Iterator[tuple[str, bool]]:
        """The name and others like it, each with whether it is free."""
        taken = self._taken.get(folder)
        if taken is None:
            listed = os.listdir(folder) if os.path.isdir(folder) else []  # noqa: PTH112, PTH208
            taken = self._taken[folder] = set(map(alike, listed))
        stem, ending = os.path.splitext(name)  # noqa: PTH122
        yield name, alike(name) not in taken
        for number in count(2):
            end = f" ({number}){ending}"
            other = _cut(stem, _LONGEST_FILE - len(os.fsencode(end))) + end
            yield other, alike(other) not in taken

    def take(self, folder: str, name: str) -> None:
        """Note that a name is used."""
        self._taken.setdefault(folder, set()).add(alike(name))


def _cut(text: str, most: int) -> str:
    """The beginning of a text that has so many bytes as a file name."""
    while len(os.fsencode(text)) > most:
        text = text[: min(len(text) - 1, most)]
    return text
