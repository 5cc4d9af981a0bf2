"""Classes from an ImageFolder: a folder for each."""

from __future__ import annotations

import os
from pathlib import Path

from cupl.bank.folder_names import labels_of_folders
from cupl.bank.labels import ClassLabel
from cupl.errors import InputError
from cupl.io.file_kinds import FOLDER, check_own_kind
from cupl.io.folders import is_junk, may_be_image
from cupl.io.reasons import reason
from cupl.io.terminal import printable

_SHOWN = 5


def classes_of_folders(root: Path) -> tuple[list[ClassLabel], str | None]:
    """The classes that the folders in a folder are named after.

    Hidden folders and what systems and tools leave are none. Where some hold images, those that
    hold none are no classes either; where all are empty, they are there for their names.

    Returns:
        The classes, and a sentence on the folders that are none.

    Raises:
        InputError: it cannot be listed, or there is no class in it.

    """
    try:
        with os.scandir(root) as entries:
            there = sorted(entry.name for entry in entries if entry.is_dir())
    except OSError as error:
        raise InputError(f"{root}: cannot be listed ({reason(error, root)})") from error
    check_own_kind(root, "an ImageFolder", FOLDER)
    junk = [name for name in there if is_junk(name)]
    folders = [name for name in there if not name.startswith(".") and name not in junk]
    if not folders:
        raise InputError(f"{root}: an ImageFolder has a folder for each class; this has none")
    full = [name for name in folders if may_hold_images(root / name)]
    empty = [name for name in folders if name not in set(full)] if full else []
    labels, named = labels_of_folders(full or folders)
    told = [
        f"{what} {_listed(names)}"
        for what, names in (
            ("skipped what systems and tools keep:", junk),
            ("no classes, for they hold no image:", empty),
        )
        if names
    ]
    return labels, "; ".join([*told, *([named] if named else [])]) or None


def may_hold_images(folder: Path) -> bool:
    """Whether a file in it or below may be an image by its name; one that is closed to us may."""
    closed = list[OSError]()
    for place, folders, files in os.walk(folder, onerror=closed.append):
        folders[:] = [name for name in folders if not name.startswith(".") and not is_junk(name)]
        linked = any(Path(place, name).is_symlink() for name in folders)
        if linked or any(map(may_be_image, files)):
            return True
    return bool(closed)


def _listed(names: list[str]) -> str:
    more = len(names) - _SHOWN
    shown = ", ".join(printable(name[:80]) for name in names[:_SHOWN])
    return shown + (f" and {more:,} more" if more > 0 else "")
