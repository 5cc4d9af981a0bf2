"""Which photos are sent: a few of each class, spread over all that it has."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from cupl.bank.class_folders import classes_of_folders
from cupl.bank.labels import ClassLabel
from cupl.description.sent_photos import PreparedPhoto, SentPhotos
from cupl.embedding.elsewhere import check_on_disk
from cupl.embedding.image_files import ImageSearch
from cupl.embedding.image_sources import ImageSource
from cupl.embedding.left_out import LeftOut
from cupl.errors import InputError
from cupl.io.arguments import check_whole
from cupl.io.reasons import missing
from cupl.io.words import number_of
from cupl.llm.request_image import RequestImage
from cupl.progress import Progress, ignore

_SHOWN = 5
_MOST = 1000


@dataclass
class ChosenPhotos:
    """What is sent of each class.

    Attributes:
        images: of each class, in order.
        unreadable: path and reason of photos that were to be sent and cannot be read.

    """

    images: dict[ClassLabel, list[RequestImage]] = field(default_factory=dict)
    unreadable: list[tuple[str, str]] = field(default_factory=list)

    @property
    def number(self) -> int:
        """How many are sent."""
        return sum(map(len, self.images.values()))

    @property
    def one_by_one(self) -> dict[ClassLabel, list[tuple[RequestImage, ...]]]:
        """For a plan: each photo in a request by itself."""
        return {label: [(image,) for image in images] for label, images in self.images.items()}


def spread(number: int) -> Iterator[int]:
    """Numbers from 0 below ``number``, each once; the first of them lie far apart.

    The sequence of van der Corput: however many of them are taken, whoever takes more takes those
    again, so that what was asked about the first photos stays of use.
    """
    bits = max(0, number - 1).bit_length()
    seen: set[int] = set()
    for count in range(2**bits):
        reversed_bits = int(f"{count:0{bits}b}"[::-1], 2) if bits else 0
        place = reversed_bits * number >> bits
        if place < number and place not in seen:
            seen.add(place)
            yield place


def choose_photos(
    classes: Sequence[tuple[ClassLabel, Sequence[ImageSource]]],
    sent: SentPhotos,
    most: int,
    *,
    order: Callable[[int], Iterable[int]] = spread,
    progress: Progress = ignore,
) -> ChosenPhotos:
    """Prepare so many photos of each class to be sent.

    One that cannot be read, or is the same as another of its class, makes room for the next.

    Args:
        classes: each with its photos.
        sent: prepares them.
        most: photos of a class.
        order: of so many photos, in which they are taken.
        progress: told how many photos are prepared, and of how many at most.

    Raises:
        InputError: ``most`` is out of range, or no photo of a class can be read.

    """
    check_whole(per_class=most)
    if not 1 <= most <= _MOST:
        raise InputError(f"per_class is from 1 to {_MOST:,}, not {most}")
    chosen, tried = ChosenPhotos(), 0
    waiting = [(label, _taken(photos, order(len(photos)))) for label, photos in classes]
    total = sum(min(most, len(photos)) for _, photos in classes)
    while waiting:
        owners, batch = list[ClassLabel](), list[ImageSource]()
        for label, rest in waiting:
            taken = list(islice(rest, most - len(chosen.images.setdefault(label, []))))
            owners += [label] * len(taken)
            batch += taken
        for owner, photo in zip(owners, sent.prepare(batch), strict=True):
            _keep(photo, chosen.images[owner], chosen.unreadable)
            progress(tried := tried + 1, max(tried, total))
        left = set(owners)
        waiting = [
            (label, rest) for label, rest in waiting
            if label in left and len(chosen.images[label]) < most
        ]  # fmt: skip
    _check_none_is_bare(chosen)
    return chosen


def _taken(photos: Sequence[ImageSource], places: Iterable[int]) -> Iterator[ImageSource]:
    return (photos[place] for place in places)


def _keep(
    photo: PreparedPhoto, images: list[RequestImage], unreadable: list[tuple[str, str]]
) -> None:
    if photo.image is None:
        unreadable.append((photo.path or "an image", photo.error or ""))
    elif photo.image not in images:
        images.append(photo.image)


def _check_none_is_bare(chosen: ChosenPhotos) -> None:
    bare = [str(label) for label, images in chosen.images.items() if not images]
    if not bare:
        return
    more = len(bare) - _SHOWN
    names = ", ".join(bare[:_SHOWN]) + (f" and {more:,} more" if more > 0 else "")
    first = next((f" ({path}: {why})" for path, why in chosen.unreadable), "")
    raise InputError(f"no photo can be read of {names}{first}; nothing was asked")


@dataclass
class FolderPhotos:
    """What a folder of folders holds: a class in each.

    Attributes:
        classes: with the paths of their photos.
        notes: sentences on what is none of it.
        complete: whether all folders could be listed.

    """

    classes: list[tuple[ClassLabel, list[str]]]
    notes: list[str]
    complete: bool


def photos_of_folders(root: str | os.PathLike[str], *, all_files: bool = False) -> FolderPhotos:
    """The classes that the folders in a folder are named after, and their photos.

    Raises:
        MissingFileError: there is no such folder.
        InputError: it cannot be listed, there is no class in it, or a class has no photo.

    """
    root = Path(root)
    check_on_disk([root], "to describe their folders")
    if not os.path.lexists(root):
        raise missing(root, f"there is no folder {root}")
    try:
        labels, told = classes_of_folders(root)
    except InputError as error:
        without_classes = {"groups": ..., "captions": ...}
        raise InputError(
            f"{error}; photos without classes are put into groups, or get captions",
            arguments=without_classes,
        ) from error
    search = ImageSearch(all_files=all_files)
    # A name that was changed has that of the folder as its id.
    classes = [(label, search.folder(root / (label.id or label.name))) for label in labels]
    if empty := [label.name for label, photos in classes if not photos]:
        raise search.nothing(f"no image in the folder of {', '.join(empty[:_SHOWN])}")
    _, beside = ImageSearch(all_files=all_files, left_out=LeftOut()).listing(root)
    notes = [*([told] if told else []), *search.left_out.notes()]
    if beside:
        notes.append(f"{number_of(len(beside), 'image')} beside the folders, of no class: left out")
    return FolderPhotos(classes, notes, not search.left_out.closed)
