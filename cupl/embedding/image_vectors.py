"""Reading the image vectors of a directory, of which one shard at a time is in memory."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from cupl.embedding.image_files import ImageSearch
from cupl.embedding.image_shards import (
    ImageProvenance,
    Shard,
    count_images,
    images_file,
    read_paths,
    read_shard,
    shard_numbers,
)
from cupl.encoders.protocol import Encoder
from cupl.errors import InputError
from cupl.io.file_kinds import EMBEDDINGS, kind_of_file, wrong_kind
from cupl.io.reasons import missing
from cupl.io.terminal import printable
from cupl.io.words import number_of


@dataclass(frozen=True)
class Embeddings:
    """A directory of image vectors; iterating reads one :class:`Shard` after the other.

    Attributes:
        directory: where they are.
        provenance: the encoder, as the first shard names it.
        shards: how many there are.

    """

    directory: Path
    provenance: ImageProvenance
    shards: int

    def __len__(self) -> int:
        """How many images there are, those that could not be read among them.

        No vector is read for it.

        Raises:
            InputError: as for iterating, as far as the tables of paths tell.

        """
        return self._images

    @cached_property
    def _images(self) -> int:
        return sum(map(self.size_of, range(self.shards)))

    def size_of(self, number: int) -> int:
        """How many images a shard has."""
        metadata, images = count_images(self.directory, number)
        self._check_same_run(number, metadata.provenance)
        return images

    def __iter__(self) -> Iterator[Shard]:
        """Read the shards in order.

        Raises:
            InputError: a file is damaged, cupl did not write it, or it belongs to another run.

        """
        return map(self.shard, range(self.shards))

    def shard(self, number: int) -> Shard:
        """Read one of the shards.

        Raises:
            InputError: as for iterating.

        """
        metadata, shard = read_shard(self.directory, number)
        self._check_same_run(number, metadata.provenance)
        return shard

    def paths(self) -> Iterator[list[str]]:
        """The paths of each shard, those that could not be read among them; no vector is read.

        Raises:
            InputError: as for iterating, as far as the tables of paths tell.

        """
        for number in range(self.shards):
            metadata, paths = read_paths(self.directory, number)
            self._check_same_run(number, metadata.provenance)
            yield paths

    def check_encoder(self, encoder: Encoder) -> None:
        """See :meth:`ImageProvenance.check_encoder`."""
        self.provenance.check_encoder(encoder)

    def _check_same_run(self, number: int, other: ImageProvenance) -> None:
        first = self.provenance
        if (other.fingerprint, other.precision) != (first.fingerprint, first.precision):
            raise InputError(
                f"{images_file(self.directory, number)}: made by {other}, but the first shard by "
                f"{self.provenance}; keep each in a directory of its own"
            )


def is_stored(source: str | os.PathLike[str]) -> bool:
    """Whether it is a directory that ``cupl embed`` has written into."""
    kinds: tuple[Literal["images", "vectors"], ...] = ("images", "vectors")
    return os.path.isdir(source) and any(  # noqa: PTH112 (Path's raises for over-long names)
        shard_numbers(Path(source), kind) for kind in kinds
    )


def stored_images(sources: Sequence[str | os.PathLike[str]]) -> Embeddings | None:
    """What ``cupl embed`` wrote, where that is named; None where images are.

    Raises:
        InputError: it is named with something else, or as for :func:`load_embeddings`.

    """
    stored = [source for source in sources if is_stored(source)]
    if not stored:
        return None
    if len(sources) > 1:
        raise InputError(
            f"{os.fspath(stored[0])} holds image vectors that cupl embed wrote: name it alone"
        )
    return load_embeddings(stored[0])


def load_embeddings(directory: str | os.PathLike[str]) -> Embeddings:
    """Open what ``cupl embed`` wrote; of a run that is not done, the shards that are.

    A warning says how many photos lie there too, of which there are no vectors.

    Raises:
        MissingFileError: there is no such directory.
        InputError: it holds no image vectors, a shard between others is missing, or the first is
            damaged or not written by cupl.

    """
    directory = Path(directory)
    if not os.path.exists(directory):  # noqa: PTH110 (Path's raises for over-long names)
        raise missing(directory, f"{directory}: no such directory")
    if not os.path.isdir(directory):  # noqa: PTH112
        raise wrong_kind(directory, kind_of_file(directory) or "a file", EMBEDDINGS)
    numbers = shard_numbers(directory, "images")
    if not numbers and shard_numbers(directory, "vectors"):
        raise InputError(
            f"{images_file(directory, 0)} is missing beside its vectors: it was taken away, or "
            "cupl embed was stopped before its first shard was done; resume that run to make it"
        )
    if not numbers:
        raise InputError(f"{directory} holds no image vectors: cupl embed makes them")
    if numbers[-1] != len(numbers) - 1:
        gap = next(i for i, number in enumerate(numbers) if i != number)
        raise InputError(f"{images_file(directory, gap)} is missing; a run that resumes makes it")
    metadata, _ = read_shard(directory, 0)
    with contextlib.suppress(OSError):  # what cannot be listed can still be read
        if beside := len(ImageSearch().listing(directory)[1]):
            warnings.warn(
                f"left out: {number_of(beside, 'photo')} beside the vectors in "
                f"{printable(str(directory))}; cupl embed makes vectors of photos",
                stacklevel=2,
            )
    return Embeddings(directory, metadata.provenance, len(numbers))
