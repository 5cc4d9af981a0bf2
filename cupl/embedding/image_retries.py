"""Images that could not be read for no fault of theirs: noticing a lost drive, and trying again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Protocol, TypeVar

from cupl.embedding.image_errors import may_pass
from cupl.embedding.images import open_without_blocking
from cupl.errors import InputError

LOST_IN_A_ROW = 50
"""Images that say nothing good of a drive. More than anyone has of strays side by side, and few
enough where each waits a minute for a server that is gone."""


class ImageOutcome(Protocol):
    """What became of an image: a vector, a prediction or an error."""

    @property
    def path(self) -> str | None:
        """Of the image."""

    @property
    def error(self) -> str | None:
        """Why there is nothing else."""


_Outcome = TypeVar("_Outcome", bound=ImageOutcome)


def until_lost(
    images: Iterable[_Outcome], kept: Callable[[], str], arguments: Mapping[str, object]
) -> Iterator[_Outcome]:
    """The images as they are, until ``LOST_IN_A_ROW`` could not be read for no fault of theirs.

    Args:
        images: what became of each.
        kept: what to say of those before, once all that came has been taken.
        arguments: that lead out of it; see :class:`~cupl.errors.CuplError`.

    Raises:
        InputError: so many failed, one after the other.

    """
    lost, first = 0, ""
    for image in images:
        lost = lost + 1 if may_pass(image.error) else 0
        if lost == 1:
            first = f"{image.path or 'an image':.200}: {image.error}"
        yield image
        if lost == LOST_IN_A_ROW:
            raise InputError(
                f"{lost} images in a row could not be read, as if their drive was gone, the first "
                f"{first}; {kept()}",
                arguments=arguments,
            )


def tried_again(
    images: Iterable[_Outcome], size: int, encode: Callable[[list[str]], Iterable[_Outcome]]
) -> Iterator[_Outcome]:
    """Outcomes of an earlier run, those that may have passed made anew.

    Whole batches are, since the last digits of a vector depend on what shares its batch. Nothing is
    lost where less can be read than then.

    Args:
        images: of the earlier run, from the beginning of a batch.
        size: images a batch.
        encode: makes the outcomes of a batch.

    """
    rest = iter(images)
    while batch := list(islice(rest, size)):
        if any(may_pass(image.error) and _can_be_opened(image.path) for image in batch):
            again = encode([str(image.path) for image in batch])
            batch = [
                old if may_pass(new.error) else new for old, new in zip(batch, again, strict=True)
            ]
        yield from batch


def _can_be_opened(path: str | None) -> bool:
    """Whether it is worth reading a batch again."""
    try:
        with open(path or "", "rb", buffering=0, opener=open_without_blocking) as file:
            file.read(1)
    except (OSError, ValueError):
        return False
    return True
