"""Images from anywhere to image vectors: threads prepare the next batches while the model runs."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice

import torch

from cupl.embedding.first_images import settle_on
from cupl.embedding.image_cache import CachedVectors, ImageCache
from cupl.embedding.image_errors import NO_MEMORY, ImageError
from cupl.embedding.image_ownership import OwnImage, take_image
from cupl.embedding.image_sources import ImageSource
from cupl.embedding.images import ReadImage, decoded_image, read_image
from cupl.embedding.normalize import NO_DIRECTION, has_direction
from cupl.encoders.protocol import Encoder
from cupl.errors import InputError, is_out_of_memory

MAX_WORKERS = 8
_MOST_THREADS = 1000
Inspect = Callable[[bytes], object]
Skip = Callable[[str], bool]


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """One image's outcome: its vector, or why there is none."""

    path: str | None
    """As it was given; None for an image that is not a file."""
    vector: torch.Tensor | None
    """float32 ``[dim]``, not normalised, neither zero nor infinite; None where ``skip`` said so."""
    error: str | None = None
    digest: str | None = None
    """SHA-256 of the file's content, where it could be read."""
    facts: object = None
    """What ``inspect`` has made of the file's content."""


@dataclass(frozen=True, slots=True, eq=False)
class _Prepared:
    path: str | None
    pixels: torch.Tensor | None
    error: str | None = None
    key: str | None = None
    """Of its vector in the cache."""
    known: torch.Tensor | None = None
    """That vector; then there are no pixels."""
    digest: str | None = None
    facts: object = None


def encode_sources(
    sources: Iterable[ImageSource],
    encoder: Encoder,
    workers: int | None = None,
    image_cache: ImageCache = None,
    *,
    lookup: bool = True,
    inspect: Inspect | None = None,
    skip: Skip | None = None,
) -> Generator[Encoded, None, None]:
    """Encode any number of images, reading them as the results are asked for.

    Files that were encoded before are read and looked up, and neither decoded nor encoded.

    Threads decode, turn upright and prepare the images (Pillow releases the interpreter's lock
    for most of it); the model runs in the thread that asks for results. Two batches and an image
    a worker are held at most, prepared or as they were given: a file is decoded only inside its
    worker. An image is taken as it is when ``sources`` gives it, so that it may be closed, or its
    memory used again, when the next is asked for.

    Args:
        sources: images, see :data:`~cupl.embedding.image_sources.ImageSource`; read a little ahead.
        encoder: its ``image_batch`` says how many images the model gets at once.
        workers: threads; by default one a processor, at most ``MAX_WORKERS``.
        image_cache: where the vectors of files are looked up and kept, see
            :data:`~cupl.embedding.image_cache.ImageCache`.
        lookup: whether they are looked up, not only kept.
        inspect: is given the content of each file, in the thread that read it.
        skip: is given the SHA-256 of each file's content, in that thread too; of those for which it
            holds, no vector is made.

    Yields:
        One result an image, in order; an image that cannot be read or encoded has an ``error``
        and the others go on.

    """
    workers = workers or min(MAX_WORKERS, os.cpu_count() or 1)
    if not 1 <= workers <= _MOST_THREADS:
        raise InputError(f"the number of workers is from 1 to {_MOST_THREADS:,}")
    size = encoder.image_batch
    window = 2 * size + workers
    remaining: Iterator[OwnImage | ImageError] = map(_taken, sources)
    remaining = chain(settle_on(encoder, remaining), remaining)
    waiting: deque[Future[_Prepared]] = deque()
    batch: list[_Prepared] = []
    cache = CachedVectors(image_cache, encoder, lookup=lookup)
    prepare = partial(_prepare, encoder=encoder, cache=cache, inspect=inspect, skip=skip)
    pool = ThreadPoolExecutor(workers, thread_name_prefix="cupl-images")
    try:
        while True:
            for own in islice(remaining, window - len(waiting) - len(batch)):
                waiting.append(_submitted(own, prepare, pool))
            yield from _encode(batch, encoder, cache)
            if not waiting:
                return
            batch = _next_batch(waiting, size)
    finally:
        pool.shutdown(cancel_futures=True)
        cache.close()


def _taken(source: ImageSource) -> OwnImage | ImageError:
    try:
        return take_image(source)
    except ImageError as error:
        return error


def _submitted(
    own: OwnImage | ImageError, prepare: Callable[[OwnImage], _Prepared], pool: ThreadPoolExecutor
) -> Future[_Prepared]:
    if not isinstance(own, ImageError):
        return pool.submit(prepare, own)
    refused: Future[_Prepared] = Future()
    refused.set_result(_Prepared(None, None, str(own)))
    return refused


def _next_batch(waiting: deque[Future[_Prepared]], size: int) -> list[_Prepared]:
    """The next ``size`` images, and as many between them that need no encoding."""
    batch: list[_Prepared] = []
    new = 0
    while waiting and new < size and len(batch) < 2 * size:
        batch.append(one := waiting.popleft().result())
        # What cannot be read counts, too: batches stay those of the runs before.
        new += one.pixels is not None or one.error is not None
    return batch


def _prepare(
    own: OwnImage,
    encoder: Encoder,
    cache: CachedVectors,
    inspect: Inspect | None,
    skip: Skip | None,
) -> _Prepared:
    path = own if isinstance(own, str) else None
    try:
        read = read_image(own)
        digest = read.digest()
        facts = inspect(read.content) if inspect and isinstance(read.content, bytes) else None
        if skip is not None and digest is not None and skip(digest):
            return _Prepared(path, None, digest=digest, facts=facts)
        key = cache.key(read, digest)
        known = cache.get(key)
        pixels = _pixels(read, encoder) if known is None else None
        return _Prepared(path, pixels, None, key, known, digest, facts)
    except ImageError as error:
        return _Prepared(path, None, str(error))


def _pixels(read: ReadImage, encoder: Encoder) -> torch.Tensor:
    """What the image tower reads.

    Raises:
        ImageError: the image cannot be decoded, or prepared.

    """
    with decoded_image(read, side=encoder.image_side) as image:
        try:
            return encoder.prepare(image)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            why = NO_MEMORY
        except ValueError as error:  # what the preprocessing of an odd image raises
            why = f"the image cannot be encoded: {error}"
        finally:
            del image  # before its memory is given back
    raise ImageError(why)


def _encode(batch: list[_Prepared], encoder: Encoder, cache: CachedVectors) -> Iterator[Encoded]:
    """The images of a batch with their vectors, new ones of which are kept."""
    pixels = [image.pixels for image in batch if image.pixels is not None]
    vectors = encoder.encode_prepared(torch.stack(pixels)) if pixels else torch.empty(0, 1)
    usable = has_direction(vectors).tolist()
    keys = [image.key for image in batch if image.pixels is not None]
    rows = list(zip(keys, vectors, usable, strict=True))
    cache.keep([(key, vector) for key, vector, good in rows if good and key is not None])
    encoded = iter(rows)
    for image in batch:
        vector, error = image.known, image.error
        if image.pixels is not None:
            _, vector, good = next(encoded)
            vector, error = (vector, None) if good else (None, NO_DIRECTION)
        yield Encoded(image.path, vector, error, image.digest, image.facts)
