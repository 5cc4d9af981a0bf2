"""Files, folders and patterns to lists of image files."""

from __future__ import annotations

import os
import stat
import warnings
from collections import deque
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from cupl.embedding.elsewhere import as_url
from cupl.embedding.image_kinds import (
    EXTRA_PACKAGES,
    FORMAT_ENDINGS,
    HEAD_BYTES,
    LFS_POINTER,
    can_be_read,
    kind_of,
    kind_of_name,
)
from cupl.embedding.image_sources import url_scheme
from cupl.embedding.images import open_without_blocking
from cupl.embedding.left_out import LeftOut
from cupl.embedding.remote_search import RemoteSearch
from cupl.embedding.remote_stores import check_keyless, is_stored_remotely, without_keys
from cupl.embedding.tar_files import is_tar, numbered_names
from cupl.errors import InputError, MissingFileError
from cupl.io.file_kinds import INDEX, is_index, wrong_kind
from cupl.io.folders import NO_IMAGE_ENDINGS, is_junk
from cupl.io.reasons import reason

ImagePaths = Sequence[str | os.PathLike[str]]


def is_pattern(name: str) -> bool:
    """Whether it stands for the images that it matches, unless there is a file of that name."""
    return any(sign in name for sign in "*?[")


def find_images(
    sources: ImagePaths | str | os.PathLike[str],
    *,
    all_files: bool = False,
    left_out: LeftOut | None = None,
) -> list[str]:
    """List the image files that files, folders and patterns name, or a single one of these.

    A folder is searched through all its sub-folders (see :class:`ImageSearch`); links to folders
    are followed, each folder is searched once. A pattern (``*``, ``?``, ``[...]``, and ``**`` for
    any depth) stands for the images it matches, unless a file is called just that.

    The URL of an object store (``s3://``, ``gs://``, ``az://``, ``abfss://``, ``hf://datasets/``)
    is that of an image, of all below it, or a pattern. A tar stands for the images in it, each a
    path such as ``shard.tar::0001.jpg``; tars may be numbered, ``shard-{0000..0003}.tar``.

    Every other name is kept as it is, whatever its ending, another URL too, and even if there is no
    such file, so that its reader can say what is wrong with it. Only what systems and tools leave
    in folders is skipped among several names, as a shell writes them for ``photos/*``; named alone
    it is read.

    Args:
        sources: files, folders, patterns.
        all_files: open every file in folders to see whether it is an image, also those whose
            ending says that they are something else.
        left_out: counts what is passed over, for its notes; without it a warning says it.

    Returns:
        Paths in the order of ``sources``, sorted within each, without duplicates; as text, which
        takes a fifth of the memory that ``Path`` objects do.

    Raises:
        InputError: no folder holds an image, or the only one cannot be listed; or there is a key
            in a URL.
        MissingFileError: a pattern matches no image, or there is no such bucket.
        ServerError: a store cannot be read.
        MissingPackageError: the package for it is not installed.

    """
    search = ImageSearch(all_files=all_files, left_out=left_out)
    listed = [sources] if isinstance(sources, str | os.PathLike) else list(sources)
    found: list[str] = []
    for source in listed:
        found += search.source(source, alone=len(listed) == 1)
    if listed and not found:
        raise search.nothing(f"none of these {len(listed)} folders holds an image")
    for note in search.left_out.notes() if left_out is None else ():
        warnings.warn(note, stacklevel=2)
    here = Path.cwd()
    unique: dict[str, str] = {}
    for path in found:
        unique.setdefault(os.path.join(here, path), path)  # noqa: PTH118 - ten times faster
    return list(unique.values())


class ImageSearch:
    """Finds the images in folders, and counts what it passes over.

    An image is a file with a known ending, or one whose ending says nothing (``photo.jpg.1``, none
    at all) and whose first bytes are those of an image. Hidden names are skipped, and so is what
    :func:`~cupl.io.folders.is_junk` knows.
    """

    def __init__(self, *, all_files: bool = False, left_out: LeftOut | None = None) -> None:
        self.all_files = all_files
        self.left_out = LeftOut() if left_out is None else left_out
        self._remote = RemoteSearch(self.left_out, all_files=all_files)
        self._kind_of_name, self._can_be_read = cache(kind_of_name), cache(can_be_read)

    def source(self, source: str | os.PathLike[str], *, alone: bool) -> list[str]:
        """The images that one name stands for; see :func:`find_images`.

        Args:
            source: a file, a folder or a pattern.
            alone: whether nothing else was named.

        """
        name = as_url(source)
        # os.path, because Path.is_dir and Path.exists raise for names that cannot be looked up.
        if is_stored_remotely(name) or is_tar(name):
            return self._elsewhere(name)
        if url_scheme(name):
            check_keyless(name)
            return [name]
        there = os.path.lexists(source)
        if there and not alone and is_junk(Path(source).name):
            self.left_out.add_junk(Path(source).name)
            return []
        if os.path.isdir(source):  # noqa: PTH112
            return self._named_folder(source, alone)
        if not there and is_pattern(name):
            return self._matching(Path(source))
        return [str(Path(source))]

    def folder(self, root: str | os.PathLike[str]) -> list[str]:
        """The images in a folder and its sub-folders, sorted; none is no error here."""
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
                folders, images = self.listing(folder)
            except OSError as error:
                self.left_out.closed.append(f"{folder} ({reason(error, folder)})")
                continue
            names += images
            for entry in folders:
                (pending.appendleft if entry.is_symlink() else pending.append)(entry.path)
        return [str(Path(name)) for name in sorted(names)]

    def listing(self, folder: str | os.PathLike[str]) -> tuple[list[os.DirEntry[str]], list[str]]:
        """The folders in a folder, and the images.

        Raises:
            OSError: it cannot be listed.

        """
        with os.scandir(folder) as entries:
            there = sorted(entries, key=lambda entry: entry.name)
        folders, images = list[os.DirEntry[str]](), list[str]()
        for entry in there:
            if is_junk(entry.name):
                self.left_out.add_junk(entry.name)
            elif _is_folder(entry):
                if not entry.name.startswith(".") and not is_index(entry.path):
                    folders.append(entry)
            elif self._is_image(entry.path, entry.name):
                images.append(entry.path)
        return folders, images

    def nothing(self, what: str) -> InputError:
        """The error where no image was found, with the reason as far as it is known."""
        notes = self.left_out.notes()
        if self.left_out.unopened:
            notes.append(f"not opened: {self.left_out.unopened:,} with endings of other kinds")
        opened = {} if self.all_files or not self.left_out.unopened else {"all_files": True}
        return InputError("; ".join([what, *notes]), arguments=opened)

    def _named_folder(self, root: str | os.PathLike[str], alone: bool) -> list[str]:
        if is_index(root):
            raise wrong_kind(root, INDEX, "images")
        images = self.folder(root)
        if images:
            return images
        if not alone:
            self.left_out.empty.append(os.fspath(root))
            return []
        raise self.nothing(f"the folder {root} holds no image ({', '.join(FORMAT_ENDINGS)})")

    def _elsewhere(self, name: str) -> list[str]:
        """Of the URL of a store, and of tars."""
        names = numbered_names(name)
        if is_stored_remotely(name):
            found = [image for url in names for image in self._remote.url(url)]
        else:
            tars = [tar for one in names for tar in _tars(one)]
            found = [image for tar in tars for image in self._remote.tar(tar)]
        if not found:
            raise self.nothing(f"there is no image in {without_keys(name)}")
        return found

    def _is_image(self, path: str, name: str, *, hidden: bool = False) -> bool:
        ending = os.path.splitext(name)[1].lower()  # noqa: PTH122
        named = self._kind_of_name(ending)
        if name.startswith(".") and not hidden:
            if named is not None:
                self.left_out.add_image(name, ending, installable=False)
            return False
        if self._can_be_read(named):
            return True
        if ending in NO_IMAGE_ENDINGS and not self.all_files:
            self.left_out.unopened += 1
            return False
        kind = kind_of(_first_bytes(path)) or named
        if kind is None or kind == LFS_POINTER:
            return False
        if self._can_be_read(kind):
            return True
        self.left_out.add_image(name, ending, installable=kind in EXTRA_PACKAGES)
        return False

    def _matching(self, pattern: Path) -> list[str]:
        # Path.glob, because glob.glob follows links to folders round in circles.
        root = Path(pattern.anchor)
        parts = pattern.parts[len(root.parts) :]
        if parts[-1] == "**":
            parts += ("*",)  # what a final ** matches differs between versions of Python
        try:
            matches = sorted(root.glob("/".join(parts)))
            images = [str(path) for path in matches if self._is_match(path, parts)]
        except (OSError, ValueError) as error:
            raise InputError(f"cannot search for {pattern}: {error}") from error
        if not images:
            missing = self.nothing(f"no image matches {pattern}")
            raise MissingFileError(str(missing), arguments=missing.arguments)
        return images

    def _is_match(self, path: Path, parts: Sequence[str]) -> bool:
        wild = [part for part in path.parts if part not in parts]
        if junk := next(filter(is_junk, wild), None):
            self.left_out.add_junk(junk)
            return False
        if any(part.startswith(".") for part in wild[:-1]) or path.is_dir():
            return False
        return self._is_image(str(path), path.name, hidden=path.name in parts)


def _tars(name: str) -> list[str]:
    """The tars of a pattern, or the one that it names."""
    if os.path.lexists(name) or not is_pattern(name):
        return [str(Path(name))]
    pattern = Path(name)
    root = Path(pattern.anchor)
    matches = sorted(root.glob("/".join(pattern.parts[len(root.parts) :])))
    if not matches:
        raise MissingFileError(f"no tar matches {name}")
    return [str(path) for path in matches if not is_junk(path.name)]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself, or into a folder that is closed to us
        return False


def _first_bytes(path: str) -> bytes:
    """Nothing of what is no regular file, or cannot be read."""
    try:
        if not stat.S_ISREG(Path(path).stat().st_mode):
            return b""
        with open(path, "rb", buffering=0, opener=open_without_blocking) as file:
            return file.read(HEAD_BYTES)
    except (OSError, ValueError):
        return b""
