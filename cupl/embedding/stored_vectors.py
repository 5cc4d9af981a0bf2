"""Image vectors on disk, of which one shard at a time is in memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cupl.embedding.image_shards import (
    ImageProvenance,
    Shard,
    count_images,
    images_file,
    read_paths,
    read_shard,
)
from cupl.encoders.protocol import Encoder
from cupl.errors import InputError


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

    @property
    def has_files(self) -> bool:
        """Whether the images are named by their paths."""
        return True

    def made_ns(self, number: int) -> int:
        """When a shard was written, in nanoseconds since 1970."""
        return images_file(self.directory, number).stat().st_mtime_ns

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
