"""What an encoder is to the rest of cupl."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from PIL.Image import Image


class EncoderIdentity(Protocol):
    """Which encoder makes vectors, and in which batches; it may be on another machine."""

    @property
    def id(self) -> str:
        """Name it was loaded by, e.g. ``openai/clip-vit-base-patch32`` or ``mini``."""

    @property
    def revision(self) -> str | None:
        """Commit of the model hub, where it came from one."""

    @property
    def fingerprint(self) -> str:
        """Hex digest of everything that decides a vector; equal only for equal encoders."""

    @property
    def precision(self) -> str:
        """Numbers it computes image vectors in: ``float32``, ``bfloat16``, ``float16``, ``int8``.

        Those of texts too, unless it has a ``text_precision``.
        """

    @property
    def dim(self) -> int:
        """Width of the common space."""

    @property
    def image_batch(self) -> int:
        """How many images to encode at once."""


class Encoder(EncoderIdentity, Protocol):
    """A text tower and an image tower with one common space.

    Nothing here normalises. Vectors are float32 on the CPU, in the order of what they stand for.
    """

    @property
    def logit_scale(self) -> float:
        """Factor on the cosine before the softmax or sigmoid (the inverse temperature)."""

    @property
    def logit_bias(self) -> float | None:
        """Added to scale x cosine before a sigmoid; None for a softmax over the classes."""

    @property
    def image_side(self) -> int:
        """Pixels that are seen of the shorter side of an image."""

    @property
    def max_tokens(self) -> int:
        """Longest text the text tower reads, special tokens included."""

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text before truncation, special tokens included."""

    def encode_text(self, texts: Sequence[str]) -> torch.Tensor:
        """Embeddings of the texts, float32 ``[len(texts), dim]``; a single text is a list of it."""

    def encode_images(self, images: Sequence[Image]) -> torch.Tensor:
        """Embeddings of upright RGB images, float32 ``[len(images), dim]``."""

    def prepare(self, image: Image) -> torch.Tensor:
        """An upright RGB image as the image tower reads it, on the CPU.

        All have one shape and type. It may be called from many threads at once.

        Raises:
            ValueError: the image cannot be read by this encoder.

        """

    def encode_prepared(self, images: torch.Tensor) -> torch.Tensor:
        """Embeddings of any number of prepared images, stacked: float32 ``[len(images), dim]``."""
