"""Class vectors and an encoder as a classifier of images."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import chain
from typing import Any, TypedDict, Unpack, overload

import numpy.typing as npt
import torch

from cupl.classification.decision import NEAREST_CLASS, DecisionRule
from cupl.classification.explanation import PROMPTS_NAMED, Explanation
from cupl.classification.fitting import FittingClassifier
from cupl.classification.image_input import (
    encoded_batches,
    encoded_rows,
    image_sources,
    in_batches,
    is_image_vectors,
)
from cupl.classification.prediction import Prediction
from cupl.classification.scoring import at_paths
from cupl.classification.vector_classifier import (
    Judge,
    Scorable,
)
from cupl.embedding.class_vectors import ClassVectors
from cupl.embedding.image_cache import ImageCache
from cupl.embedding.image_sources import ImageSource
from cupl.embedding.image_stream import Encoded, encode_sources
from cupl.encoders.protocol import Encoder
from cupl.errors import InputError
from cupl.progress import Progress, counted, ignore


class PredictOptions(TypedDict, total=False):
    """Keywords of :meth:`ZeroShotClassifier.predict`."""

    threshold: float | None
    multi_label: bool
    class_thresholds: Mapping[str, float] | None
    explain: int
    progress: Progress


class ImageClassifier(FittingClassifier):
    """What a :class:`~cupl.classification.classifier.ZeroShotClassifier` does, however it was made.

    Args:
        vectors: the classes.
        encoder: what encodes the images; None to classify image vectors alone.
        image_cache: where the vectors of image files are looked up and kept.

    Attributes:
        image_cache: the same.

    Raises:
        InputError: another encoder made the vectors.

    """

    def __init__(
        self,
        vectors: ClassVectors,
        encoder: Encoder | None = None,
        *,
        image_cache: ImageCache = None,
    ) -> None:
        super().__init__(vectors)
        self.image_cache: ImageCache = image_cache
        if encoder is not None:
            vectors.check_encoder(encoder)
        self._encoder = encoder

    @property
    def encoder(self) -> Encoder:
        """What encodes the images.

        Raises:
            InputError: there is none.

        """
        if self._encoder is None:
            made_by = self.vectors.provenance
            if made_by.made_elsewhere:
                raise InputError(
                    "this classifier has class vectors that were made outside of cupl, and cannot "
                    "encode images: give image vectors of the same encoder (predict_vectors)"
                )
            raise InputError(
                "this classifier has class vectors alone: give the encoder that made them, "
                f"ZeroShotClassifier(vectors, load_encoder({made_by.encoder!r:.100})), or image "
                "vectors (predict_vectors)"
            )
        return self._encoder

    @overload
    def predict(
        self, images: npt.NDArray[Any] | torch.Tensor, top_k: int = 5, **how: Unpack[PredictOptions]
    ) -> Any: ...  # one or many, which only the number of dimensions says
    @overload
    def predict(  # type: ignore[overload-overlap]  # a path is an iterable of its letters, too
        self, images: ImageSource, top_k: int = 5, **how: Unpack[PredictOptions]
    ) -> Prediction: ...
    @overload
    def predict(
        self, images: Iterable[ImageSource], top_k: int = 5, **how: Unpack[PredictOptions]
    ) -> Generator[Prediction, None, None]: ...
    def predict(
        self,
        images: ImageSource | torch.Tensor | Iterable[ImageSource],
        top_k: int = 5,
        *,
        threshold: float | None = None,
        multi_label: bool = False,
        class_thresholds: Mapping[str, float] | None = None,
        explain: int = 0,
        progress: Progress = ignore,
    ) -> Prediction | Generator[Prediction, None, None]:
        """Classify one image, or any number of them as the predictions are asked for.

        Args:
            images: an image (a path, the bytes of a file, an array, a Pillow image) or an iterable
                of images; those of a folder are ``cupl.find_images(folder)``.
            top_k: classes to name for each image; all of them where there are fewer.
            threshold: no label where the best probability is below this; with ``multi_label``
                every class from this probability on, by default one half. In place of a threshold
                that was fitted.
            multi_label: give each image all labels that apply, each class judged alone.
            class_thresholds: for ``multi_label``, the cosine from which on a class is a label, by
                its name or id; of every class.
            explain: prompts to name for each of the two best classes, and as many against it;
                0 for no explanation.
            progress: told how many images are done, and of how many; where ``images`` has no
                length, of as many as are done.

        Returns:
            For one image its prediction; for an iterable a generator, one an image, in order. An
            image that cannot be read has an ``error`` and the others go on. ``label`` and ``top``
            are always there; ``labels`` is empty but with ``multi_label`` or a fitted coverage.

        Raises:
            InputError: ``top_k`` is below 1, a setting cannot be used with this model or without a
                bank, there is no encoder, or ``images`` are none, or a folder.

        """
        judge = self._judge(top_k, DecisionRule(threshold, multi_label, class_thresholds), explain)
        one, sources, total = image_sources(images)
        batches = encoded_batches(sources, self.encoder, self.image_cache)
        predictions = _predict_all(batches, judge, progress, total)
        if not one:
            return predictions
        [prediction] = predictions
        return prediction

    def predict_encoded(
        self,
        images: Iterable[Encoded],
        top_k: int = 5,
        *,
        rule: DecisionRule = NEAREST_CLASS,
        explain: int = 0,
        batch: int | None = None,
    ) -> Generator[Prediction, None, None]:
        """Classify images that are encoded elsewhere; see :meth:`predict`.

        Args:
            images: taken as predictions are asked for.
            top_k: as for :meth:`predict`.
            rule: how scores become labels.
            explain: as for :meth:`predict`.
            batch: images that are judged together; by default as many as the encoder takes.

        """
        judge = self._judge(top_k, rule, explain)
        batches = in_batches(images, batch or self.encoder.image_batch)
        return _predict_all(batches, judge, ignore, 0)

    def encode_again(self, images: Sequence[ImageSource]) -> list[Encoded]:
        """Encode images together, whatever the cache has of them."""
        again = encode_sources(images, self.encoder, image_cache=self.image_cache, lookup=False)
        return list(again)

    @overload
    def explain(
        self, images: npt.NDArray[Any] | torch.Tensor, most: int = PROMPTS_NAMED
    ) -> Any: ...
    @overload
    def explain(  # type: ignore[overload-overlap]
        self, images: ImageSource, most: int = PROMPTS_NAMED
    ) -> Explanation: ...
    @overload
    def explain(
        self, images: Iterable[ImageSource], most: int = PROMPTS_NAMED
    ) -> Generator[Explanation, None, None]: ...
    def explain(
        self, images: ImageSource | torch.Tensor | Iterable[ImageSource], most: int = PROMPTS_NAMED
    ) -> Explanation | Generator[Explanation, None, None]:
        """Say which prompts decided; see :mod:`cupl.classification.explanation`.

        A reject bank's classes are among those that are explained. Probabilities are those of one
        label an image.

        Args:
            images: as for :meth:`predict`.
            most: prompts to name for each of the two best classes, and as many against it.

        Returns:
            For one image its explanation; for an iterable a generator, one an image, in order. An
            image that cannot be read has an ``error``.

        Raises:
            InputError: the bank is not known, or ``most`` is below 1.

        """
        if most < 1:
            raise InputError(f"most is {most}; at least one prompt must be named")
        found: Any = self.predict(images, 1, explain=most)
        if isinstance(found, Prediction):
            return _explanation(found)
        return (_explanation(prediction) for prediction in found)

    def _rows(self, images: Scorable) -> tuple[Iterator[torch.Tensor], int]:
        """Image vectors as they are, images encoded."""
        if is_image_vectors(images):
            return super()._rows(images)
        _, sources, total = image_sources(images)
        return encoded_rows(sources, self.encoder, self.image_cache), total


def _predict_all(
    batches: Generator[list[Encoded], None, None], judge: Judge, progress: Progress, total: int
) -> Generator[Prediction, None, None]:
    with closing(batches):
        found = chain.from_iterable(_judged(batch, judge) for batch in batches)
        yield from counted(found, progress, total)


def _judged(batch: Sequence[Encoded], judge: Judge) -> Iterator[Prediction]:
    vectors = [image.vector for image in batch if image.vector is not None]
    found = judge(torch.stack(vectors)) if vectors else []
    return at_paths(((image.path, image.error) for image in batch), found)


def _explanation(prediction: Prediction) -> Explanation:
    return prediction.explanation or Explanation(prediction.path, error=prediction.error)
