"""ConSE: images as mixtures of what a classifier's classes mean (Norouzi et al., arXiv 1312.5650).

An image classifier knows its classes only by number, and a sentence encoder has seen no image. The
classes' texts join them: an image becomes the sentence embeddings of its likeliest classes, the
anchors, in proportion to their probabilities, and lies where the texts of what it shows do.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import torch
from PIL.Image import Image
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch.nn.functional import normalize

from cupl.encoders.batching import encode_images
from cupl.io.kept import keep_in_cache
from cupl.io.paths import cache_dir
from cupl.progress import Progress, ignore

_TOP = 20


class ConseEncoder(ABC):
    """A classifier and a sentence encoder as an :class:`~cupl.encoders.protocol.Encoder`.

    The anchors' mean is taken from anchors and texts alike: it is what all descriptions of things
    share, and tells none from another.
    """

    id: str
    revision: str | None
    fingerprint: str
    precision: str
    dim: int
    max_tokens: int
    image_side: int
    image_batch: int
    logit_scale: float
    logit_bias: float | None = None

    def anchor(self, texts: Sequence[Sequence[str]], folder: str, progress: Progress) -> None:
        """Embed the anchors, or fetch their embeddings from cupl's cache.

        Args:
            texts: about each class, in the order of the classifier's outputs; none is empty.
            folder: of the cache.
            progress: told how many different texts are embedded, and of how many, where the cache
                has none.

        """
        embedded = self._cached(texts, folder, progress)  # [classes, dim], of length 1
        self._centre = embedded.mean(dim=0)
        self._anchors = normalize(embedded - self._centre, dim=-1)

    def encode_text(self, texts: Sequence[str]) -> torch.Tensor:
        """Sentence embeddings less the anchors' mean, float32 ``[len(texts), dim]`` on the CPU.

        A text longer than ``max_tokens`` is cut.
        """
        return self.embed(texts) - self._centre

    def encode_images(self, images: Sequence[Image]) -> torch.Tensor:
        """Anchors weighed by what is seen, float32 ``[len(images), dim]`` on the CPU."""
        return encode_images(self, images)

    def encode_prepared(self, images: torch.Tensor) -> torch.Tensor:
        """Anchors weighed by what is seen, float32 ``[len(images), dim]`` on the CPU."""
        return self.weigh_anchors(self.classify(images))

    def weigh_anchors(self, logits: torch.Tensor) -> torch.Tensor:
        """The anchors of the likeliest classes in proportion to their probabilities.

        Args:
            logits: ``[images, classes]``.

        Returns:
            float32 ``[images, dim]``.

        """
        probabilities = logits.softmax(dim=-1)
        top, classes = probabilities.topk(min(_TOP, logits.shape[-1]))  # [images, _TOP]
        return torch.einsum("bk,bkd->bd", top, self._anchors[classes])

    def spread_of_anchors(self) -> float:
        """How far the cosines of different anchors lie from zero: their root mean square."""
        cosines = self._anchors @ self._anchors.T
        number = len(cosines)
        return float(((cosines.square().sum() - number) / (number * (number - 1))).sqrt())

    @abstractmethod
    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text before truncation, special tokens included."""

    @abstractmethod
    def prepare(self, image: Image) -> torch.Tensor:
        """An upright RGB image as the classifier reads it."""

    @abstractmethod
    def classify(self, images: torch.Tensor) -> torch.Tensor:
        """Logits of prepared images, float32 ``[len(images), classes]`` on the CPU."""

    @abstractmethod
    def embed(self, texts: Sequence[str], progress: Progress = ignore) -> torch.Tensor:
        """Sentence embeddings, float32 ``[len(texts), dim]`` on the CPU, of length 1."""

    def _cached(
        self, texts: Sequence[Sequence[str]], folder: str, progress: Progress
    ) -> torch.Tensor:
        """Embeddings of the anchors, ``[classes, dim]``, of length 1."""
        path = cache_dir() / folder / f"anchors-{self.fingerprint}.safetensors"
        kept = _read(path)
        if kept is not None and kept.shape == (len(texts), self.dim) and kept.isfinite().all():
            return kept
        rows = self.embed([text for group in texts for text in group], progress)
        groups = torch.split(rows, [len(group) for group in texts])
        anchors = normalize(torch.stack([group.mean(dim=0) for group in groups]), dim=-1)
        keep_in_cache(path, save({"anchors": anchors}))
        return anchors


def _read(path: Path) -> torch.Tensor | None:
    with suppress(OSError, SafetensorError, KeyError):
        return load_file(path)["anchors"].clone()  # not a view of a file others may replace
    return None
