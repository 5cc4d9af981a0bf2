"""Images from anywhere to image vectors: threads prepare the next batches while the model runs."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

import torch

from cupl.embedding.image_errors import NO_MEMORY, ImageError
from cupl.embedding.image_ownership import OwnImage, take_image
from cupl.embedding.image_sources import ImageSource
from cupl.embedding.images import decoded_image
from cupl.embedding.normalize import NO_DIRECTION, has_direction
from cupl.encoders.protocol import Encoder
from cupl.errors import InputError, is_out_of_memory

MAX_WORKERS = 8
_MOST_THREADS = 1000


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """One image's outcome: its vector, or why there is none."""

    path: str | None
    """As it was given; None for an image that is not a file."""
    vector: torch.Tensor | None
    """float32 ``[dim]``, not normalised, neither zero nor infinite."""
    error: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Prepared:
    path: str | None
    pixels: torch.Tensor | None
    error: str | None = None


def encode_sources(
    sources: Iterable[ImageSource], encoder: Encoder, workers: int | None = None
) -> Generator[Encoded, None, None]:
    """Encode any number of images, reading them as the results are asked for.

    Threads decode, turn upright and prepare the images (Pillow releases the interpreter's lock
    for most of it); the model runs in the thread that asks for results. Two batches and an image
    a worker are held at most, prepared or as they were given: a file is decoded only inside its
    worker. An image is taken as it is when ``sources`` gives it, so that it may be closed, or its
    memory used again, when the next is asked for.

    Args:
        sources: images, see :data:`~cupl.embedding.image_sources.ImageSource`; read a little ahead.
        encoder: its ``image_batch`` says how many images the model gets at once.
        workers: threads; by default one a processor, at most ``MAX_WORKERS``.

    Yields:
        One result an image, in order; an image that cannot be read or encoded has an ``error``
        and the others go on.

    """
    workers = workers or min(MAX_WORKERS, os.cpu_count() or 1)
    if not 1 <= workers <= _MOST_THREADS:
        raise InputError(f"the number of workers is from 1 to {_MOST_THREADS:,}")
    size = encoder.image_batch
    window = 2 * size + workers
    remaining = iter(sources)
    waiting: deque[Future[_Prepared]] = deque()
    batch: list[_Prepared] = []
    pool = ThreadPoolExecutor(workers, thread_name_prefix="cupl-images")
    try:
        while True:
            for source in islice(remaining, window - len(waiting) - len(batch)):
                waiting.append(_submitted(source, encoder, pool))
            yield from _encode(batch, encoder)
            if not waiting:
                return
            batch = [waiting.popleft().result() for _ in range(min(size, len(waiting)))]
    finally:
        pool.shutdown(cancel_futures=True)


def _submitted(
    source: ImageSource, encoder: Encoder, pool: ThreadPoolExecutor
) -> Future[_Prepared]:
    try:
        return pool.submit(_prepare, take_image(source), encoder)
    except ImageError as error:
        refused: Future[_Prepared] = Future()
        refused.set_result(_Prepared(None, None, str(error)))
        return refused


def _prepare(own: OwnImage, encoder: Encoder) -> _Prepared:
    path = own if isinstance(own, str) else None
    try:
        with decoded_image(own, side=encoder.image_side) as image:
            try:
                return _Prepared(path, encoder.prepare(image))
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
                return _Prepared(path, None, NO_MEMORY)
            except ValueError as error:  # what the preprocessing of an odd image raises
                return _Prepared(path, None, f"the image cannot be encoded: {error}")
            finally:
                del image  # before its memory is given back
    except ImageError as error:
        return _Prepared(path, None, str(error))


def _encode(batch: list[_Prepared], encoder: Encoder) -> Iterator[Encoded]:
    pixels = [image.pixels for image in batch if image.pixels is not None]
    vectors = encoder.encode_prepared(torch.stack(pixels)) if pixels else torch.empty(0, 1)
    rows = zip(vectors, has_direction(vectors).tolist(), strict=True)
    for image in batch:
        if image.pixels is None:
            yield Encoded(image.path, None, image.error)
            continue
        vector, usable = next(rows)
        yield Encoded(image.path, vector) if usable else Encoded(image.path, None, NO_DIRECTION)
