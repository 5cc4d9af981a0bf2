"""Encoders that are decided about by the first images they are given."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, suppress
from itertools import islice

import torch
from PIL.Image import Image

from cupl.embedding.image_errors import ImageError
from cupl.embedding.image_ownership import OwnImage
from cupl.embedding.images import decoded_image, read_image
from cupl.encoders.int8 import TRIED_ON
from cupl.encoders.placement import Undecided
from cupl.encoders.protocol import Encoder


def settle_on(
    encoder: Encoder, images: Iterable[OwnImage | ImageError]
) -> list[OwnImage | ImageError]:
    """Let an encoder find out by the first images what it can compute in, before vectors are named.

    The same images decide the same, so that a run which is resumed goes on as it began. They are
    taken sixteen at a time until some of these can be read.

    Args:
        encoder: most are decided already, and nothing is done.
        images: of the whole run; only the first are used.

    Returns:
        Those that were taken.

    """
    remaining, taken = iter(images), list[OwnImage | ImageError]()
    while isinstance(encoder, Undecided) and encoder.undecided:
        some = list(islice(remaining, TRIED_ON))
        if not some:
            break
        taken += some
        pixels = []
        for own in some:
            if isinstance(own, ImageError):
                continue  # it is told of in its turn, as is what cannot be decoded
            with suppress(ImageError, ValueError, MemoryError), _decoded(own, encoder) as image:
                pixels.append(encoder.prepare(image))
        if pixels:
            encoder.settle(torch.stack(pixels))
    return taken


def _decoded(own: OwnImage, encoder: Encoder) -> AbstractContextManager[Image]:
    return decoded_image(read_image(own), side=encoder.image_side)
