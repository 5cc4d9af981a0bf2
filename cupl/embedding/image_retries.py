"""Images that could not be read for no fault of theirs: noticing a lost drive, and trying again."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Protocol, TypeVar

from cupl.embedding.image_errors import may_pass
from cupl.embedding.image_files import ImagePaths
from cupl.embedding.images import open_without_blocking
from cupl.embedding.remote_stores import is_stored_remotely
from cupl.embedding.stored_objects import read_range
from cupl.embedding.tar_files import tar_and_member
from cupl.errors import InputError

LOST_IN_A_ROW = 50
"""Images that say nothing good of a drive. More than anyone has of strays side by side, and few
enough where each waits a minute for a server that is gone."""
_TRIED = 10
"""Other images, from all over the list, that are opened to see whether it is the drive."""


CanOpen = Callable[[Sequence[str | None]], bool]
"""Whether any of some files can be read from."""


class ImageOutcome(Protocol):
    """What became of an image: a vector, a prediction or an error."""

    @property
    def path(self) -> str | None:
        """Of the image."""

    @property
    def error(self) -> str | None:
        """Why there is nothing else."""


_Outcome = TypeVar("_Outcome", bound=ImageOutcome)


def any_can_be_opened(paths: Sequence[str | None]) -> bool:
    """Whether any of some files can be read from on this machine."""
    return any(map(_can_be_opened, paths))


def _can_be_opened(path: str | None) -> bool:
    """Whether it is worth reading a batch again."""
    try:
        if member := tar_and_member(path or ""):
            path = member[0]
        if path and is_stored_remotely(path):
            return bool(read_range(path, 0, 1))
        with open(path or "", "rb", buffering=0, opener=open_without_blocking) as file:
            file.read(1)
    except (OSError, ValueError):  # an ImageError, too
        return False
    return True


def until_lost(
    images: Iterable[_Outcome],
    paths: ImagePaths,
    kept: Callable[[], str],
    arguments: Mapping[str, object],
    can_open: CanOpen = any_can_be_opened,
) -> Iterator[_Outcome]:
    """The images as they are, until their drive is gone.

    That is when ``LOST_IN_A_ROW`` could not be read for no fault of theirs, and of all others none
    that is tried can be opened: a list may have any number of files that are not there any more.

    Args:
        images: what became of each.
        paths: of all images.
        kept: what to say of those before, once all that came has been taken.
        arguments: that lead out of it; see :class:`~cupl.errors.CuplError`.
        can_open: tries the others where the images are read.

    Raises:
        InputError: the drive is gone.

    """
    lost, first, read = 0, "", None
    for image in images:
        if may_pass(image.error):
            lost += 1
        else:
            lost, read = 0, image.path
        if lost == 1:
            first = f"{image.path or 'an image':.200}: {image.error}"
        yield image
        if lost and lost % LOST_IN_A_ROW == 0:
            others = islice(paths, 0, None, max(1, len(paths) // _TRIED))
            if can_open([read, *(os.fspath(path) for path in others)]):
                continue
            raise InputError(
                f"{lost} images in a row could not be read, as if their drive was gone, the first "
                f"{first}; {kept()}",
                arguments=arguments,
            )


def tried_again(
    images: Iterable[_Outcome],
    size: int,
    encode: Callable[[list[str]], Iterable[_Outcome]],
    can_open: CanOpen = any_can_be_opened,
) -> Iterator[_Outcome]:
    """Outcomes of an earlier run, those that may have passed made anew.

    Whole batches are, since the last digits of a vector depend on what shares its batch. Nothing is
    lost where less can be read than then.

    Args:
        images: of the earlier run, from the beginning of a batch.
        size: images a batch.
        encode: makes the outcomes of a batch.
        can_open: whether it is worth reading some again.

    """
    rest = iter(images)
    while batch := list(islice(rest, size)):
        passing = [image.path for image in batch if may_pass(image.error)]
        if passing and can_open(passing):
            again = encode([str(image.path) for image in batch])
            batch = [
                old if may_pass(new.error) else new for old, new in zip(batch, again, strict=True)
            ]
        yield from batch
