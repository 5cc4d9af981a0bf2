"""Files, folders and patterns to lists of image files."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from cupl.embedding.image_kinds import FORMAT_ENDINGS, IMAGE_ENDINGS
from cupl.embedding.image_sources import url_scheme
from cupl.errors import InputError, MissingFileError

ImagePaths = Sequence[str | os.PathLike[str]]


def find_images(sources: ImagePaths | str | os.PathLike[str]) -> list[str]:
    """List the image files that files, folders and patterns name, or a single one of these.

    A folder is searched through all its sub-folders for names with one of
    :data:`IMAGE_ENDINGS`; links to folders are followed, each folder is searched once, and hidden
    names are skipped. A pattern (``*``, ``?``, ``[...]``, and ``**`` for any depth) stands for the
    files it matches among such names, unless a file is called just that. Every other name is kept
    as it is, whatever its ending, a URL too, and even if there is no such file, so that its reader
    can say what is wrong with it.

    Returns:
        Paths in the order of ``sources``, sorted within each, without duplicates; as text, which
        takes a fifth of the memory that ``Path`` objects do.

    Raises:
        InputError: a folder holds no image, or it or a folder in it cannot be listed.
        MissingFileError: a pattern matches no image.

    """
    found: list[str] = []
    for source in [sources] if isinstance(sources, str | os.PathLike) else sources:
        # os.path, because Path.is_dir and Path.exists raise for names that cannot be looked up.
        if os.path.isdir(source):  # noqa: PTH112
            found += _folder_images(source)
        elif url_scheme(os.fspath(source)):
            found.append(os.fspath(source))
        elif not os.path.lexists(source) and any(sign in os.fspath(source) for sign in "*?["):
            found += _matching_images(Path(source))
        else:
            found.append(str(Path(source)))
    here = Path.cwd()
    unique: dict[str, str] = {}
    for path in found:
        unique.setdefault(os.path.join(here, path), path)  # noqa: PTH118 - ten times faster
    return list(unique.values())


def _folder_images(root: str | os.PathLike[str]) -> list[str]:
    names: list[str] = []
    searched: set[tuple[int, int]] = set()
    # Linked folders wait at the left end, so that files found twice keep their real names.
    pending = deque([os.fspath(root)])
    while pending:
        folder = pending.pop()
        try:
            status = Path(folder).stat()
            if (status.st_dev, status.st_ino) in searched:
                continue
            searched.add((status.st_dev, status.st_ino))
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            raise InputError(f"cannot list the folder {folder}: {error.strerror}") from error
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if _is_folder(entry):
                (pending.appendleft if entry.is_symlink() else pending.append)(entry.path)
            elif entry.name.lower().endswith(IMAGE_ENDINGS):
                names.append(entry.path)
    if not names:
        raise InputError(f"the folder {root} holds no image ({', '.join(FORMAT_ENDINGS)})")
    return [str(Path(name)) for name in sorted(names)]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself, or into a folder that is closed to us
        return False


def _matching_images(pattern: Path) -> list[str]:
    # Path.glob, because glob.glob follows links to folders round in circles.
    root = Path(pattern.anchor)
    parts = pattern.parts[len(root.parts) :]
    if parts[-1] == "**":
        parts += ("*",)  # what a final ** matches differs between versions of Python
    try:
        matches = sorted(
            path
            for path in root.glob("/".join(parts))
            if path.name.lower().endswith(IMAGE_ENDINGS)
            and not any(part.startswith(".") and part not in parts for part in path.parts)
            and not path.is_dir()
        )
    except (OSError, ValueError) as error:
        raise InputError(f"cannot search for {pattern}: {error}") from error
    if not matches:
        raise MissingFileError(f"no image matches {pattern}")
    return list(map(str, matches))
