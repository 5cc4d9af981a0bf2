"""What a classifier is given: one image, many images, or vectors; and images to vectors."""

from __future__ import annotations

import os
import warnings
from collections.abc import Generator, Iterable, Iterator, Sized
from contextlib import ExitStack, closing
from itertools import islice
from typing import Any

import numpy as np
import torch

from cupl.embedding.image_cache import ImageCache
from cupl.embedding.image_sources import ImageSource, one_or_many
from cupl.embedding.image_stream import Encoded, encode_sources
from cupl.embedding.image_vectors import is_stored
from cupl.embedding.stored_vectors import Embeddings
from cupl.encoders.protocol import Encoder
from cupl.errors import InputError
from cupl.io.terminal import printable

_TO_THE_CALLER = 6
"""Frames from a warning here to the line that asked for the matrix (``predict_proba``)."""


def is_image_vectors(images: object) -> bool:
    """Whether these are encoded images: stored ones, or floats of at most two dimensions."""
    if isinstance(images, torch.Tensor):
        return images.ndim <= 2 and images.is_floating_point()
    if isinstance(images, np.ndarray):
        return images.ndim <= 2 and images.dtype.kind == "f"
    return isinstance(images, Embeddings)


def image_sources(images: Any) -> tuple[bool, Iterator[ImageSource], int]:
    """Whether this is one image, an iterator over it or them, and how many (0: not known).

    Raises:
        InputError: they are no images.

    """
    if isinstance(images, Embeddings):
        raise InputError("these are image vectors, not images: predict_vectors classifies them")
    if isinstance(images, str | os.PathLike) and os.path.isdir(images):  # noqa: PTH112
        raise InputError(_explain_folder(images))
    one, sources = one_or_many(images)
    return one, sources, 1 if one else len(images) if isinstance(images, Sized) else 0


def _explain_folder(folder: str | os.PathLike[str]) -> str:
    name = os.fsdecode(folder)
    if is_stored(folder):
        way = f"predict_vectors(cupl.load_embeddings({name!r})) classifies them"
        return f"{name} is a folder of image vectors: {way}"
    return f"{name} is a folder, not an image: give the images in it, cupl.find_images({name!r})"


def encoded_batches(
    sources: Iterable[ImageSource], encoder: Encoder, image_cache: ImageCache = None
) -> Generator[list[Encoded], None, None]:
    """The images as :func:`encode_sources` gives them, a batch of the encoder at a time."""
    encoded = encode_sources(sources, encoder, image_cache=image_cache)
    return in_batches(encoded, encoder.image_batch)


def in_batches(images: Iterable[Encoded], size: int) -> Generator[list[Encoded], None, None]:
    """The images, so many at a time; what gives them is closed with this."""
    with ExitStack() as ended:
        if isinstance(images, Generator):
            ended.enter_context(closing(images))
        rest = iter(images)
        while batch := list(islice(rest, size)):
            yield batch


def encoded_rows(
    sources: Iterable[ImageSource], encoder: Encoder, image_cache: ImageCache = None
) -> Generator[torch.Tensor, None, None]:
    """Image vectors, float32 ``[batch, dim]`` each, NaN for an image that could not be read.

    A warning at the end says how many these were.
    """
    number, failed, first = 0, 0, ""
    with closing(encoded_batches(sources, encoder, image_cache)) as batches:
        for batch in batches:
            rows = torch.full((len(batch), encoder.dim), torch.nan)
            for row, image in enumerate(batch):
                if image.vector is not None:
                    rows[row] = image.vector
                else:
                    failed += 1
                    first = first or f"{image.path or f'image {number + row}'}: {image.error}"
            number += len(batch)
            yield rows
    if failed:
        warnings.warn(
            f"{failed:,} of {number:,} images could not be read and are rows of NaN, the first "
            f"{printable(first):.300}",
            stacklevel=_TO_THE_CALLER,
        )
