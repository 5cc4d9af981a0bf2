"""Images that are no files of their own: objects in stores, members of tars."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

from cupl.embedding.remote_stores import is_stored_remotely, without_keys
from cupl.embedding.tar_files import tar_and_member
from cupl.errors import InputError

_ONE_SLASH = re.compile(r"^([a-z][a-z0-9+.-]+):/(?!/)", re.IGNORECASE)


def as_url(path: str | os.PathLike[str]) -> str:
    """A path as text; of the URL of a store that ``Path`` has taken a slash from, whole again."""
    name = os.fspath(path)
    return _ONE_SLASH.sub(r"\1://", name) if is_stored_remotely(name) else name


def is_elsewhere(path: str) -> bool:
    """Whether an image can be read only, with nothing beside it: in a store, or in a tar."""
    return is_stored_remotely(path) or tar_and_member(path) is not None


def check_on_disk(paths: Iterable[str | os.PathLike[str]], purpose: str) -> None:
    """Refuse images that are no files of their own.

    Args:
        paths: of the images.
        purpose: what only files can be used for, as ``to sort them``.

    Raises:
        InputError: one is none.

    """
    for path in paths:
        if is_elsewhere(os.fspath(path)):
            raise InputError(
                f"{without_keys(as_url(path))}: photos in object stores and in tars are only read; "
                f"copy them to this machine {purpose}"
            )
