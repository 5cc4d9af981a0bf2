"""Which images an URL stands for, and a tar: by the names of objects and members."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import chain

from cupl.embedding.image_errors import ImageError
from cupl.embedding.image_kinds import (
    EXTRA_PACKAGES,
    HEAD_BYTES,
    can_be_read,
    kind_of,
    kind_of_name,
)
from cupl.embedding.left_out import LeftOut
from cupl.embedding.remote_stores import check_store_url
from cupl.embedding.stored_objects import (
    check_reached,
    objects_below,
    objects_matching,
    read_range,
)
from cupl.embedding.tar_files import SEPARATOR, is_tar, tar_and_member, tar_at
from cupl.errors import InputError
from cupl.io.folders import is_junk


class RemoteSearch:
    """Finds images by names alone, and counts what it passes over.

    Nothing is opened, but with ``all_files`` the beginning of each object whose name says nothing.
    """

    def __init__(self, left_out: LeftOut, *, all_files: bool) -> None:
        self.left_out, self.all_files = left_out, all_files
        self._reached = set[str]()

    def url(self, url: str) -> list[str]:
        """The images that the URL of an object, a prefix, a pattern or a tar stands for.

        Raises:
            InputError: there is a key in it.
            MissingFileError: there is no such bucket, or nothing there.
            ServerError: the store cannot be read.

        """
        check_store_url(url)
        if any(sign in url for sign in "*?["):
            objects = objects_matching(url)
        elif kind_of_name(url) or is_tar(url) or tar_and_member(url):
            self._check_once(url)
            return self.tar(url) if is_tar(url) else [url]
        else:
            objects = objects_below(url)
            if objects == [url]:
                return objects
        if objects and all(map(is_tar, objects)):
            return list(chain.from_iterable(map(self.tar, objects)))
        return list(self._images(objects, len(url) if url.endswith("/") else url.rfind("/") + 1))

    def tar(self, path: str) -> list[str]:
        """The images in a tar, as paths; what comes after damage is left out, and told."""
        found: list[str] = []
        try:
            for name in tar_at(path).names():
                if self._may_be_image(name) and self._is_image(name, None):
                    found.append(f"{path}{SEPARATOR}{name}")
        except ImageError as error:
            if not found:
                raise InputError(f"{path}: {error}") from error
            self.left_out.closed.append(f"the rest of {path} ({error})")
        unique = list(dict.fromkeys(found))
        for _ in found[len(unique) :]:
            self.left_out.add_image("", "of a name twice", installable=False)
        return unique

    def _check_once(self, url: str) -> None:
        bucket = "/".join(url.split("/", 3)[:3])
        if bucket not in self._reached:
            check_reached(url)
            self._reached.add(bucket)

    def _images(self, objects: list[str], start: int) -> Iterator[str]:
        for one in objects:
            if self._may_be_image(one[start:]) and self._is_image(
                one, lambda url: kind_of(read_range(url, 0, HEAD_BYTES))
            ):
                yield one

    def _may_be_image(self, name: str) -> bool:
        parts = name.split("/")
        if junk := next(filter(is_junk, parts), None):
            self.left_out.add_junk(junk)
            return False
        return not any(part.startswith(".") and part not in (".", "..") for part in parts)

    def _is_image(self, name: str, opened: Callable[[str], str | None] | None) -> bool:
        ending = os.path.splitext(name)[1].lower()  # noqa: PTH122
        kind = kind_of_name(ending)
        if kind is None and self.all_files and opened is not None:
            kind = opened(name)
        if can_be_read(kind):
            return True
        if kind is None:
            self.left_out.unopened += not self.all_files
        else:
            self.left_out.add_image("", ending, installable=kind in EXTRA_PACKAGES)
        return False
