"""Zero-shot classification: an image gets the class whose vector it is closest to."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL.Image import Image

from cupl.bank import PromptBank
from cupl.classes import ClassLabel
from cupl.encoders import DEFAULT_ENCODER, load_encoder
from cupl.encoders.base import Encoder
from cupl.errors import InputError
from cupl.images import ImageSource
from cupl.loading import NO_DIRECTION, Encoded, encode_sources, has_direction
from cupl.pooling import DEFAULT_POOLING
from cupl.vectors import ClassVectors, Combine, encode_bank


@dataclass(frozen=True, slots=True)
class Score:
    """How well one class fits one image."""

    label: str
    id: str | None
    score: float
    """Cosine; for the pooling ``similarity`` the mean cosine over the prompts."""
    probability: float
    """Of the classes together 1, or each for itself; see :meth:`Provenance.probabilities`."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the classifier says about one image: the best classes, or an error."""

    top: tuple[Score, ...] = ()
    """The k best, best first; empty where there is an error."""
    path: str | None = None
    error: str | None = None

    @property
    def label(self) -> str | None:
        """Name of the best class."""
        return self.top[0].label if self.top else None

    @property
    def id(self) -> str | None:
        """Id of the best class, where it has one."""
        return self.top[0].id if self.top else None

    @property
    def score(self) -> float | None:
        """Score of the best class."""
        return self.top[0].score if self.top else None

    @property
    def probability(self) -> float | None:
        """Probability of the best class."""
        return self.top[0].probability if self.top else None


class ZeroShotClassifier:
    """Class vectors and the encoder they belong to.

    Attributes:
        vectors: the classes.
        encoder: what encodes the images.

    """

    def __init__(self, vectors: ClassVectors, encoder: Encoder) -> None:
        """Join ``vectors`` with the encoder that made them.

        Raises:
            InputError: another encoder made them.

        """
        vectors.check_encoder(encoder)
        self.vectors = vectors
        self.encoder = encoder

    @classmethod
    def from_bank(
        cls,
        bank: PromptBank | str | os.PathLike[str],
        encoder: Encoder | str | os.PathLike[str] = DEFAULT_ENCODER,
        device: str = "auto",
        *,
        pooling: str = DEFAULT_POOLING,
        templates: str | os.PathLike[str] | Sequence[str] = (),
        combine: Combine = "concat",
        strict: bool = False,
    ) -> ZeroShotClassifier:
        """Encode a prompt bank and classify with it.

        Args:
            bank: a bank or its file.
            encoder: an encoder or its name; see :func:`~cupl.encoders.load_encoder`.
            device: where an encoder given by name is loaded.
            pooling: see :func:`~cupl.vectors.encode_bank`, as for all that follow.
            templates: hand-written prompts for every class, with ``{}`` for its name, or the name
                or file of a set of them, such as ``photo``.
            combine: ``concat`` or ``average``.
            strict: refuse a prompt longer than the encoder reads.

        Raises:
            CuplError: the bank or the encoder cannot be loaded, or a setting is wrong.

        """
        if not isinstance(bank, PromptBank):
            bank = PromptBank.load(bank)
        if isinstance(encoder, str | os.PathLike):
            encoder = load_encoder(encoder, device)
        vectors = encode_bank(
            bank, encoder, pooling, templates=templates, combine=combine, strict=strict
        )
        return cls(vectors, encoder)

    @classmethod
    def from_vectors(
        cls,
        vectors: ClassVectors | str | os.PathLike[str],
        encoder: Encoder | str | os.PathLike[str] | None = None,
        device: str = "auto",
    ) -> ZeroShotClassifier:
        """Classify with class vectors made earlier.

        Args:
            vectors: class vectors or their file.
            encoder: an encoder or its name; by default the one that the vectors name.
            device: where an encoder given by name is loaded.

        Raises:
            CuplError: the vectors or the encoder cannot be loaded, or do not belong together.

        """
        if not isinstance(vectors, ClassVectors):
            vectors = ClassVectors.load(vectors)
        if encoder is None:
            encoder = vectors.provenance.encoder
        if isinstance(encoder, str | os.PathLike):
            encoder = load_encoder(encoder, device)
        return cls(vectors, encoder)

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        encoder: Encoder | str | os.PathLike[str] | None = None,
        device: str = "auto",
    ) -> ZeroShotClassifier:
        """Read what :meth:`save` wrote; see :meth:`from_vectors`."""
        return cls.from_vectors(path, encoder, device)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the class vectors; see :meth:`ClassVectors.save`."""
        self.vectors.save(path)

    @property
    def labels(self) -> list[ClassLabel]:
        """The classes, in order."""
        return self.vectors.labels

    def predict(
        self, images: ImageSource | Iterable[ImageSource], top_k: int = 5
    ) -> Generator[Prediction, None, None]:
        """Classify images, reading them as the predictions are asked for.

        Args:
            images: one image or any number of them: paths, bytes, arrays, Pillow images.
            top_k: classes to name for each image; all of them where there are fewer.

        Returns:
            One prediction an image, in order; an image that cannot be read has an ``error`` and
            the others go on.

        Raises:
            InputError: ``top_k`` is below 1.

        """
        _check_top_k(top_k)
        if isinstance(images, str | os.PathLike | bytes | np.ndarray | Image):
            images = [images]
        return self._predict_all(images, top_k)

    def predict_vectors(
        self, image_vectors: torch.Tensor | npt.NDArray[Any], top_k: int = 5
    ) -> list[Prediction]:
        """Classify images encoded earlier by the same encoder.

        Args:
            image_vectors: ``[images, dim]``, of any length.
            top_k: as for :meth:`predict`.

        Returns:
            One prediction a row. Equal scores are ordered as the classes are. A row that is zero
            or not finite has an ``error``.

        Raises:
            InputError: the vectors have another width, or ``top_k`` is below 1.

        """
        _check_top_k(top_k)
        if isinstance(image_vectors, np.ndarray):
            image_vectors = torch.from_numpy(image_vectors.astype(np.float32))
        vectors = image_vectors.float().cpu()
        width = self.vectors.matrix.shape[1]
        if vectors.ndim != 2 or vectors.shape[1] != width:
            raise InputError(
                f"image vectors of shape {list(vectors.shape)} do not fit: [images, {width}]"
            )
        usable = has_direction(vectors).tolist()
        directions = vectors / vectors.norm(dim=1, keepdim=True)
        scores = directions @ self.vectors.matrix.T  # [images, classes]
        probabilities = self.vectors.provenance.probabilities(scores)
        order = scores.sort(dim=1, descending=True, stable=True).indices[:, :top_k]
        rows = zip(
            usable,
            order.tolist(),
            scores.gather(1, order).tolist(),
            probabilities.gather(1, order).tolist(),
            strict=True,
        )
        return [
            Prediction(top=tuple(map(self._score, *best)))
            if is_usable
            else Prediction(error=NO_DIRECTION)
            for is_usable, *best in rows
        ]

    def _score(self, index: int, score: float, probability: float) -> Score:
        label = self.labels[index]
        return Score(label.name, label.id, score, probability)

    def _predict_all(
        self, sources: Iterable[ImageSource], top_k: int
    ) -> Generator[Prediction, None, None]:
        with closing(encode_sources(sources, self.encoder)) as encoded:
            while batch := list(islice(encoded, self.encoder.image_batch)):
                yield from self._predict_batch(batch, top_k)

    def _predict_batch(self, batch: list[Encoded], top_k: int) -> Iterator[Prediction]:
        vectors = [image.vector for image in batch if image.vector is not None]
        predictions = iter(self.predict_vectors(torch.stack(vectors), top_k) if vectors else ())
        for image in batch:
            if image.vector is None:
                yield Prediction(path=image.path, error=image.error)
            else:
                yield replace(next(predictions), path=image.path)


def _check_top_k(top_k: int) -> None:
    if top_k < 1:
        raise InputError(f"top_k is {top_k}; at least one class must be named")
