"""What encoders share whose model one :class:`~cupl.encoders.placement.Placement` lays out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, cast

import torch
from PIL.Image import Image

from cupl.encoders.batching import encode_images
from cupl.encoders.device import encode_halving
from cupl.encoders.placement import Placement

if TYPE_CHECKING:
    from cupl.encoders.protocol import Encoder


class PlacedEncoder(ABC):
    """The images of an :class:`~cupl.encoders.protocol.Encoder`, and what they are computed in."""

    dim: int
    image_batch: int
    device: torch.device
    _placement: Placement

    @property
    def precision(self) -> str:
        """Numbers that image vectors are computed in; int8 is given up where images lose by it."""
        return self._placement.precision

    @property
    def text_precision(self) -> str:
        """Numbers that text vectors are computed in, which are never int8."""
        return self._placement.text_precision

    @property
    def undecided(self) -> bool:
        """Whether int8 is yet to be tried on the first images."""
        return self._placement.undecided

    @torch.inference_mode()
    def settle(self, images: torch.Tensor) -> None:
        """Try int8 on some prepared images, where that is yet to be done."""
        self._placement.settle(partial(encode_halving, self._encode_pixels), images)

    def encode_images(self, images: Sequence[Image]) -> torch.Tensor:
        """Image embeddings, float32 ``[len(images), dim]`` on the CPU, not normalised."""
        return encode_images(cast("Encoder", self), images)  # as all that is made of this

    @abstractmethod
    def prepare(self, image: Image) -> torch.Tensor:
        """An image as the image tower reads it, on the CPU."""

    @torch.inference_mode()
    def encode_prepared(self, images: torch.Tensor) -> torch.Tensor:
        """Embeddings of prepared images, stacked; see :meth:`encode_images`."""
        self.settle(images)
        batches = torch.split(images, self.image_batch)
        parts = [encode_halving(self._encode_pixels, batch) for batch in batches]
        return torch.cat([torch.empty(0, self.dim), *parts])

    @abstractmethod
    def _encode_pixels(self, batch: torch.Tensor) -> torch.Tensor:
        """Embeddings of a batch that fits into memory, float32 on the CPU."""
