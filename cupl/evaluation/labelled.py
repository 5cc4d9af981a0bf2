"""Labelled images, and what becomes of labels that mean no class."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from cupl.bank.labels import ClassLabel
from cupl.bank.lookup import ClassIndex
from cupl.bank.model import PromptBank
from cupl.embedding.image_cache import ImageCache
from cupl.embedding.image_retries import until_lost
from cupl.embedding.image_shards import ImageProvenance
from cupl.embedding.image_stream import encode_sources
from cupl.encoders.protocol import Encoder
from cupl.errors import InputError
from cupl.evaluation.weighted import StratifiedSample, stratified
from cupl.io.placing import file_digest
from cupl.io.words import number_of
from cupl.progress import Progress, ignore

_SHOWN = 3
_CAN_GO_ON = "nothing is kept here; what cupl embed has read is, and it can go on"


@dataclass(frozen=True, eq=False)
class LabelledSample:
    """How labelled images were drawn from a collection.

    Attributes:
        photos: of the collection.
        sizes: of each stratum.
        strata: of each labelled path.
        outside: of each stratum, photos that somebody looked at and that are of none of the
            classes.
        unsure: photos that nobody could tell.
        unlabelled: photos of the sample that have no label yet.
        missing: photos that were drawn, and whose rows were taken out of the file.

    """

    photos: int
    sizes: Mapping[int, int]
    strata: Mapping[str, int]
    outside: Mapping[int, int]
    unsure: int = 0
    unlabelled: int = 0
    missing: int = 0

    @property
    def looked_at(self) -> int:
        """Photos that somebody looked at and that have no class."""
        return sum(self.outside.values()) + self.unsure

    def of(self, paths: Sequence[str]) -> StratifiedSample:
        """The design of the images that are judged; others are missing, as if by chance."""
        return stratified([self.strata[path] for path in paths], self.sizes, self.outside)


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """Images and the class of each, before anything is encoded.

    Attributes:
        paths: the images that have a class, each once; of vectors without files a name for each.
        targets: its number.
        vectors: float32 ``[images, dim]`` where the images were encoded before.
        provenance: of these vectors.
        unmatched: labels that mean no class, and the images of each; they are not in ``paths``. The
            label of an image that has none is empty.
        unreadable: path and error of images that could not be read.
        notes: a sentence on each kind of thing that was passed over.
        has_files: whether the paths are those of files.
        source: the folder or file that they were read from.
        label_file: that of the labels, where it is another.
        sample: how they were drawn, where they are a sample to judge a collection by.
        labels: of the images as they were given, whatever the bank calls the class; none where a
            program gave classes only.

    """

    paths: list[str]
    targets: list[int]
    vectors: torch.Tensor | None = None
    provenance: ImageProvenance | None = None
    unmatched: Counter[str] = field(default_factory=Counter)
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    has_files: bool = True
    source: str | None = None
    label_file: str | None = None
    sample: LabelledSample | None = None
    labels: list[str] = field(default_factory=list)

    @property
    def design(self) -> StratifiedSample | None:
        """What weights the images, where they are a sample."""
        return None if self.sample is None else self.sample.of(self.paths)

    @property
    def by_name(self) -> npt.NDArray[np.int64]:
        """The images in the order of their paths, int64 ``[images]``; of no files as they are."""
        places = range(len(self.paths))
        by_path = sorted(places, key=self.paths.__getitem__) if self.has_files else places
        return np.array(by_path, np.int64)


def explain_unmatched(
    images: LabelledImages, labels: Sequence[ClassLabel], most: int | None = None
) -> list[str]:
    """A line for each label that means no class, the most frequent first.

    Args:
        images: whose ``unmatched`` labels are explained.
        labels: the classes, to suggest one that may be meant.
        most: lines.

    """
    index, lines = ClassIndex(labels), []
    for label, number in images.unmatched.most_common(most):
        hint = index.hint(label) if label else None
        name = f"{label!r:.80}" if label else "no label"
        more = f", {hint}" if hint else ""
        lines.append(f"{name}{more} ({images_in_words(number)})")
    return lines


def check_matched(images: LabelledImages, labels: Sequence[ClassLabel], skip: bool) -> None:
    """Accept images whose labels all mean a class, or with ``skip`` some.

    Raises:
        InputError: a label means none; the message names the most frequent ones.

    """
    if not images.unmatched or (skip and images.paths):
        return
    number = len(images.unmatched)
    lines = "; ".join(explain_unmatched(images, labels, _SHOWN))
    more = f"; and {number - _SHOWN:,} more" if number > _SHOWN else ""
    mean = "label means" if number == 1 else "labels mean"
    way_out = "rename these labels, add them to the bank as aliases, or leave their images out"
    if not images.paths and images.sample is not None:
        way_out = (
            "rename these labels, add them to the bank as aliases, or take the bank they are of"
        )
    elif not images.paths:
        way_out = "is it the right bank, and the folder that the class folders are in?"
    raise InputError(
        f"{number:,} {mean} no class of the bank: {lines}{more}; {way_out}",
        arguments={"skip_unmatched": True} if images.paths else {},
    )


def keep_classes(images: LabelledImages, bank: PromptBank, some: PromptBank) -> LabelledImages:
    """The images of some classes of a bank; a note says how many others there are.

    Args:
        images: their targets count in the classes of ``bank``.
        bank: all classes.
        some: the same or some of them, in which the targets count then.

    Raises:
        InputError: no image is of these.

    """
    if some is bank:
        return images
    number_of = {entry.label.key: number for number, entry in enumerate(some)}
    number_in = [number_of.get(entry.label.key) for entry in bank]
    found = [(row, number) for row, target in enumerate(images.targets)
             if (number := number_in[target]) is not None]  # fmt: skip
    if not found:
        raise InputError("no image is of the classes that were chosen", arguments={"classes": ...})
    rows, left = [row for row, _ in found], len(images.paths) - len(found)
    note = f"{images_in_words(left)} of other classes left out"
    return replace(
        images,
        paths=[images.paths[row] for row in rows],
        targets=[number for _, number in found],
        labels=[images.labels[row] for row in rows] if images.labels else [],
        vectors=None if images.vectors is None else images.vectors[rows],
        notes=[*images.notes, *([note] if left else [])],
    )


def encode_labelled(
    data: LabelledImages,
    encoder: Encoder,
    progress: Progress = ignore,
    image_cache: ImageCache = None,
) -> LabelledImages:
    """The same with a vector for each image; those that cannot be read go to ``unreadable``.

    Vectors of files are looked up and kept in ``image_cache``.

    Raises:
        InputError: the vectors are another encoder's, no image can be read, or so many in a row
            cannot be that the drive must be gone.

    """
    if data.provenance is not None:
        data.provenance.check_encoder(encoder)
    if data.vectors is not None:
        if data.vectors.shape[1] != encoder.dim:
            raise InputError(
                f"the image vectors are {data.vectors.shape[1]} wide, but {encoder.id} makes "
                f"{encoder.dim}: name the encoder that made them"
            )
        return data
    paths, targets, unreadable = list[str](), list[int](), list(data.unreadable)
    labels = list[str]()
    vectors = torch.empty(len(data.paths), encoder.dim)
    with closing(encode_sources(data.paths, encoder, image_cache=image_cache)) as images:
        for number, image in enumerate(until_lost(images, data.paths, lambda: _CAN_GO_ON, {})):
            if image.vector is None:
                unreadable.append((data.paths[number], str(image.error)))
            else:
                vectors[len(paths)] = image.vector
                paths.append(data.paths[number])
                targets.append(data.targets[number])
                labels += data.labels[number : number + 1]
            progress(number + 1, len(data.paths))
    if not paths:
        path, error = unreadable[0]
        raise InputError(f"no image could be read; the first was {path}: {error}")
    return replace(
        data, paths=paths, targets=targets, labels=labels, vectors=vectors[: len(paths)],
        unreadable=unreadable,
    )  # fmt: skip


class ImageMatcher:
    """Collects images with their classes, each once.

    Args:
        index: of the classes.
        numbers: the classes of labels that it does not know, being numbers.

    """

    def __init__(self, index: ClassIndex, numbers: Mapping[str, int] | None = None) -> None:
        known = numbers or {}
        self.images = LabelledImages([], [])
        self.repeated = 0
        self._find = cache(lambda label: known.get(label, index.find(label)))
        self._labels: dict[tuple[str, str], str | int] = {}
        self._identity = file_identity()

    def add(self, path: str, label: str | int) -> bool:
        """Whether the image is one more that has a class.

        Args:
            path: of the image.
            label: what may mean a class, or the number of one that there is.

        Raises:
            InputError: the image had another label before.

        """
        identity = self._identity(path)
        if (before := self._labels.get(identity)) is not None:
            if before != label:
                raise InputError(f"{path} has two labels, {before!r:.80} and {label!r:.80}")
            self.repeated += 1
            return False
        self._labels[identity] = label
        number = label if isinstance(label, int) else self._find(label) if label else None
        if number is None:
            self.images.unmatched[str(label)] += 1
            return False
        self.images.paths.append(path)
        self.images.targets.append(number)
        self.images.labels.append(str(label))
        return True

    def done(self) -> LabelledImages:
        """All of them, with a note on images that came several times."""
        if self.repeated:
            repeated = images_in_words(self.repeated, "repeated ")
            self.images.notes.append(f"{repeated} left out: each counts once")
        return self.images


def file_identity() -> Callable[[str], tuple[str, str]]:
    """A function from a path to a folder and a name that other ways to the same file share.

    Links to folders are followed, links to files are not: in some stores equal files are one.
    """
    real = cache(os.path.realpath)

    def identify(path: str) -> tuple[str, str]:
        folder, name = os.path.split(path)
        try:
            return real(folder), name
        except ValueError:  # no name that a folder can have
            return folder, name

    return identify


def images_in_words(number: int, kind: str = "") -> str:
    """``1 image``, ``2 repeated images``."""
    return number_of(number, f"{kind}image")


def digest_of_data(data: LabelledImages) -> str:
    """SHA-256 that tells labelled images from all others.

    Of each image: its path below the folder that all are in, its label as it was given, and the
    SHA-256 of the bytes of its file, or of its vector (float32, little-endian) where there is one.
    It does not change with the folder that the images lie in, with their order, with the bank, or
    with the encoder of files.
    """
    paths = data.paths
    shared = os.path.dirname(os.path.commonprefix(paths))  # noqa: PTH120, RUF071
    labels = data.labels or list(map(str, data.targets))
    lines = sorted(
        f"{path[len(shared) :].lstrip(os.sep)}\0{label}\0{_content(data, row)}\n"
        for row, (path, label) in enumerate(zip(paths, labels, strict=True))
    )
    digest = hashlib.sha256()
    for line in lines:
        digest.update(line.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _content(data: LabelledImages, row: int) -> str:
    if data.vectors is not None:
        return hashlib.sha256(data.vectors[row].numpy().astype("<f4").tobytes()).hexdigest()
    try:
        return file_digest(Path(data.paths[row]))
    except (OSError, ValueError):  # what becomes of it, the evaluation says
        return "cannot be read"
