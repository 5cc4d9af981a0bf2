"""Where images are encoded: on this machine, or on the machines of a cluster."""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Protocol

from cupl.embedding.image_cache import ImageCache
from cupl.embedding.image_retries import any_can_be_opened
from cupl.embedding.image_stream import Encoded, encode_sources
from cupl.encoders.protocol import Encoder, EncoderIdentity


class ImageEngine(Protocol):
    """Encodes the images of a long run, some of them after the other."""

    @property
    def made_by(self) -> EncoderIdentity:
        """The encoder, wherever it is loaded."""

    @property
    def readers(self) -> str:
        """What to say of who reads the images where none can be read."""

    def encode_parts(self, parts: Iterable[list[str]]) -> Generator[Encoded]:
        """Every image of some lists of paths, in order.

        A vector does not depend on which other parts are encoded: batches end with the parts.
        """

    def encode_again(self, batch: list[str]) -> Iterator[Encoded]:
        """Images that are read and encoded anew, together."""

    def can_open(self, paths: Sequence[str | None]) -> bool:
        """Whether any of some files can be read from where images are read."""


@dataclass(frozen=True)
class LocalEngine:
    """An encoder of this process.

    Attributes:
        made_by: the encoder.
        workers: threads; see :func:`~cupl.embedding.image_stream.encode_sources`.
        image_cache: where vectors of files are looked up and kept.
        readers: that this machine reads the images needs no word.

    """

    made_by: Encoder
    workers: int | None = None
    image_cache: ImageCache = None
    readers: str = ""

    def encode_parts(self, parts: Iterable[list[str]]) -> Generator[Encoded]:
        """See :class:`ImageEngine`; where batches end with the parts anyway, images are read ahead.

        The last digits of a vector depend on how many images share its batch. A part whose size is
        a multiple of that is read while the model is busy with the one before; after any other
        each starts anew.
        """
        for whole, several in itertools.groupby(parts, self._ends_with_batch):
            for part in [itertools.chain.from_iterable(several)] if whole else several:
                with closing(self._encode(part)) as images:
                    yield from images

    def encode_again(self, batch: list[str]) -> Iterator[Encoded]:
        """See :class:`ImageEngine`."""
        return self._encode(batch, lookup=False)

    def can_open(self, paths: Sequence[str | None]) -> bool:
        """See :class:`ImageEngine`."""
        return any_can_be_opened(paths)

    def _ends_with_batch(self, part: list[str]) -> bool:
        return len(part) % self.made_by.image_batch == 0

    def _encode(self, paths: Iterable[str], *, lookup: bool = True) -> Generator[Encoded]:
        return encode_sources(paths, self.made_by, self.workers, self.image_cache, lookup=lookup)
