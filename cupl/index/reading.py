"""Photos read for an index: what they say of themselves, and where it is missing their vector."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice

import torch

from cupl.embedding.image_cache import ImageCache
from cupl.embedding.image_errors import ImageError
from cupl.embedding.image_ownership import take_image
from cupl.embedding.image_stream import MAX_WORKERS, Skip, encode_sources
from cupl.embedding.images import read_image
from cupl.encoders.protocol import Encoder
from cupl.index.known import KnownPhotos, state_of
from cupl.index.photo_facts import PhotoFacts, photo_facts

WRITTEN_AT_ONCE = 1024
"""Photos that are written together: what a kill can cost."""
_TRIES = 3
_CHANGING = "the file was changed while it was read; it is read again another time"
_UNKNOWN = PhotoFacts()


@dataclass(frozen=True, slots=True, eq=False)
class ReadPhoto:
    """A photo as it was read.

    Attributes:
        path: of the file.
        root: see :class:`~cupl.index.rows.PhotoRow`.
        state: size and time of the file, before it was read and after it.
        digest: of its content.
        facts: what it says of itself.
        vector: None where a photo with this content has one, or where there is an error.
        error: why it could not be read, or encoded.

    """

    path: str
    root: int
    state: tuple[int, int]
    digest: str
    facts: PhotoFacts
    vector: torch.Tensor | None = None
    error: str | None = None


@dataclass(frozen=True)
class PhotoReader:
    """Reads photos, and encodes those whose content an index does not have.

    Args:
        known: what it has.
        encoder: gives the encoder, once one is needed.
        workers: see :func:`~cupl.embedding.image_stream.encode_sources`.
        image_cache: see :data:`~cupl.embedding.image_cache.ImageCache`.

    """

    known: KnownPhotos
    encoder: Callable[[], Encoder]
    workers: int | None = None
    image_cache: ImageCache = None

    def read(self, paths: Sequence[str], roots: Sequence[int]) -> Iterator[ReadPhoto]:
        """Each photo; of several with a content that is new, one is encoded."""
        claimed, lock = set[str](), threading.Lock()

        def skip(digest: str) -> bool:
            with lock:
                skipped = digest in claimed or self.known.may_have(digest)
                claimed.add(digest)
                return skipped

        return self._settled(paths, roots, skip)

    def encode(self, paths: Sequence[str], roots: Sequence[int]) -> Iterator[ReadPhoto]:
        """Each photo, encoded whatever is known."""
        return self._settled(paths, roots, None)

    def _settled(
        self, paths: Sequence[str], roots: Sequence[int], skip: Skip | None
    ) -> Iterator[ReadPhoto]:
        """Each photo; those that changed while they were read are read again at the end."""
        root_of = dict(zip(paths, roots, strict=True))
        for again in range(_TRIES):
            unsettled: list[str] = []
            with closing(self._stream(paths, root_of, skip)) as stream:
                for photo in stream:
                    if photo.error is not None or state_of(photo.path) == photo.state:
                        yield photo
                    elif again == _TRIES - 1:
                        yield replace(photo, vector=None, error=_CHANGING)
                    else:
                        unsettled.append(photo.path)
            if not unsettled:
                return
            paths, skip = unsettled, None

    def _stream(
        self, paths: Sequence[str], root_of: dict[str, int], skip: Skip | None
    ) -> Generator[ReadPhoto]:
        states: dict[str, tuple[int, int]] = {}

        def looked_at() -> Iterator[str]:
            for path in paths:
                states[path] = state_of(path)
                yield path

        stream = encode_sources(
            looked_at(), self.encoder(), self.workers, self.image_cache,
            inspect=photo_facts, skip=skip,
        )  # fmt: skip
        with closing(stream):
            for one in stream:
                path = str(one.path)
                facts = one.facts if isinstance(one.facts, PhotoFacts) else _UNKNOWN
                yield ReadPhoto(path, root_of[path], states.pop(path), one.digest or "", facts,
                                one.vector, one.error)  # fmt: skip


def read_facts(
    paths: Sequence[str], roots: Sequence[int], workers: int | None = None
) -> Iterator[ReadPhoto]:
    """Photos as they are, none encoded, read ahead by threads.

    Args:
        paths: of the files.
        roots: see :class:`~cupl.index.rows.PhotoRow`.
        workers: threads.

    """
    workers = workers or min(MAX_WORKERS, os.cpu_count() or 1)
    pairs = zip(paths, roots, strict=True)
    with ThreadPoolExecutor(workers, thread_name_prefix="cupl-facts") as pool:
        while part := list(islice(pairs, 4 * workers)):
            yield from pool.map(lambda pair: _facts_of(*pair), part)


def _facts_of(path: str, root: int) -> ReadPhoto:
    for _ in range(_TRIES):
        before = state_of(path)
        try:
            read = read_image(take_image(path))
        except ImageError as error:
            return ReadPhoto(path, root, before, "", _UNKNOWN, error=str(error))
        if state_of(path) == before and isinstance(read.content, bytes):
            return ReadPhoto(path, root, before, read.digest() or "", photo_facts(read.content))
    return ReadPhoto(path, root, before, "", _UNKNOWN, error=_CHANGING)
