"""Where an index is: a folder or object store, or a cluster."""

from __future__ import annotations

import os
import re
from pathlib import Path

from cupl.embedding.image_sources import url_scheme
from cupl.errors import InputError, MissingFileError, MissingPackageError
from cupl.index.cluster import is_cluster
from cupl.index.metadata import IndexMetadata
from cupl.index.object_stores import check_url
from cupl.index.store import PhotoStore
from cupl.io.atomic import check_folder
from cupl.io.file_kinds import (
    INDEX,
    TABLE_FOLDER,
    is_index,
    kind_of_file,
    kind_of_folder,
    wrong_kind,
)
from cupl.io.reasons import broken_link, missing, reason
from cupl.io.terminal import printable

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def check_place(place: str, *, make: bool) -> None:
    """Find out before the work that a folder cannot be an index; clusters say it themselves.

    Args:
        place: a folder, or an address.
        make: whether it may be made.

    Raises:
        MissingFileError: it is not there, or where it is to be made the folder that it belongs in.
        InputError: it is something else than an index of photos.

    """
    if is_cluster(place):
        return
    if url_scheme(place):
        check_url(place)
        return
    folder = Path(place)
    if why := _unusable_name(place):
        raise InputError(f"{place!r:.200} cannot be an index: {why}; give it another name")
    if link := broken_link(folder):
        raise MissingFileError(f"{printable(place)}: {link}")
    if not os.path.lexists(folder):
        if not make:
            raise missing(folder, f"{printable(place)}: there is no such index")
        check_folder(folder)
    elif not os.path.isdir(folder):  # noqa: PTH112
        what = kind_of_file(folder) or "a file"
        raise wrong_kind(folder, what, f"{INDEX}, which is a folder")
    elif not is_index(folder) and _holds_anything(folder):
        raise wrong_kind(folder, kind_of_folder(folder), INDEX)


def _unusable_name(place: str) -> str | None:
    """Why LanceDB cannot use a path, where the machine can."""
    try:
        os.path.abspath(place).encode()  # noqa: PTH100
    except UnicodeEncodeError:
        return "its path is no text in UTF-8"
    return "its path has characters that control a terminal" if _CONTROL.search(place) else None


def _holds_anything(folder: Path) -> bool:
    """Whether there is more in it than a run leaves that is stopped while it makes an index."""
    try:
        names = os.listdir(folder)  # noqa: PTH208
    except OSError as error:
        raise InputError(f"cannot read {folder}: {reason(error, folder)}") from error
    return any(name != TABLE_FOLDER for name in names)


def open_store(place: str, make: IndexMetadata | None = None) -> PhotoStore:
    """Open an index.

    Args:
        place: a folder, the URL of an object store, or the address of a cluster.
        make: what to make it as where there is none.

    Raises:
        MissingFileError: there is none.
        InputError: what is there is no index of cupl, or damaged.
        ServerError: a cluster or object store does not answer, or refuses.
        MissingPackageError: the package for it is not installed.

    """
    try:
        if is_cluster(place):
            from cupl.index.milvus import open_milvus

            return open_milvus(place, make)
        check_place(place, make=make is not None)
        from cupl.index.lance import open_lance

        return open_lance(place, make)
    except ImportError as error:
        if isinstance(error, MissingPackageError):
            raise
        extra = "milvus" if is_cluster(place) else "index"
        raise MissingPackageError(
            f"an index needs a package that is not installed: pip install 'cupl[{extra}]'"
        ) from error
