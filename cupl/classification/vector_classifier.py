"""Class vectors as a classifier of image vectors, which needs no encoder."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch

from cupl.bank.labels import ClassLabel
from cupl.classification.calibration import fit_temperature
from cupl.classification.decision import NEAREST_CLASS, DecisionRule, find_classes
from cupl.classification.explainer import Explainer
from cupl.classification.explanation import Explanation
from cupl.classification.head import ClassifierHead
from cupl.classification.prediction import Prediction
from cupl.classification.rejection import rejection_of
from cupl.classification.scoring import (
    ImageVectors,
    at_paths,
    competing,
    float_rows,
    in_chunks,
    predict_rows,
    scores_of,
)
from cupl.embedding.class_vectors import ClassVectors
from cupl.embedding.image_shards import Shard
from cupl.embedding.image_sources import ImageSource
from cupl.embedding.normalize import NO_DIRECTION, has_direction
from cupl.embedding.stored_vectors import Embeddings
from cupl.errors import InputError
from cupl.io.arguments import check_whole
from cupl.io.words import number_of
from cupl.progress import Progress, counted, ignore

Scorable: TypeAlias = "ImageVectors | Embeddings | ImageSource | Iterable[ImageSource]"
"""What :meth:`VectorClassifier.predict_proba` takes."""
Judge = Callable[[torch.Tensor], list[Prediction]]
"""Image vectors, float32 ``[images, dim]``, to a prediction a row."""


class VectorClassifier:
    """What a :class:`~cupl.classification.classifier.ZeroShotClassifier` does without its encoder.

    Attributes:
        vectors: the classes.
        reject: what is none of the classes, made in the same way: an image that is closest to one
            of these is rejected.
        words: names of what is none of them, drawn from a list of words; see
            :mod:`cupl.classification.negative_words`.
        explainer: the prompts of both, where they are known.

    """

    def __init__(self, vectors: ClassVectors) -> None:
        self.vectors = vectors
        self.reject: ClassVectors | None = None
        self.words: ClassVectors | None = None
        self.explainer: Explainer | None = None

    def __repr__(self) -> str:
        made_by = self.vectors.provenance
        bank = f"{made_by.bank!r:.100}, " if made_by.bank else ""
        classes = number_of(len(self.labels), "class", "classes")
        return f"{type(self).__name__}({bank}{classes}, {made_by.encoder!r:.100})"

    @property
    def labels(self) -> list[ClassLabel]:
        """The classes, in order."""
        return self.vectors.labels

    @property
    def may_reject(self) -> bool:
        """Whether an image can be without a label that no rule of a call takes from it."""
        fitted = self.vectors.provenance.threshold
        return any(one is not None for one in (self.reject, self.words, fitted))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the class vectors with all that was fitted, without a reject bank.

        See :meth:`ClassVectors.save`.
        """
        self.vectors.save(path)

    def predict_vectors(
        self,
        image_vectors: ImageVectors | Embeddings,
        top_k: int = 5,
        *,
        threshold: float | None = None,
        multi_label: bool = False,
        class_thresholds: Mapping[str, float] | None = None,
        explain: int = 0,
        progress: Progress = ignore,
    ) -> list[Prediction]:
        """Classify images encoded earlier by the same encoder.

        The memory that it takes besides its result does not grow with the images.

        Args:
            image_vectors: ``[images, dim]``, of any length, or what
                :func:`~cupl.embedding.image_vectors.load_embeddings` gives.
            top_k: classes to name for each image; all of them where there are fewer.
            threshold: no label where the best probability is below this; with ``multi_label``
                every class from this probability on, by default one half. In place of a threshold
                that was fitted.
            multi_label: give each image all labels that apply, each class judged alone.
            class_thresholds: for ``multi_label``, the cosine from which on a class is a label, by
                its name or id; of every class.
            explain: prompts to name for each of the two best classes, and as many against it;
                0 for no explanation. This needs the encoder and the bank.
            progress: told how many images are done, and of how many.

        Returns:
            One prediction a row. Equal scores are ordered as the classes are. A row that is zero
            or not finite has an ``error``. For ``Embeddings`` one prediction an image, with its
            path; those that could not be read when they were encoded have that ``error``.

        Raises:
            InputError: the vectors have another width or were made by another encoder, ``top_k``
                is below 1, or a setting cannot be used with this model or without a bank.

        """
        rule = DecisionRule(threshold, multi_label, class_thresholds)
        judge = self._judge(top_k, rule, explain)
        predictions = self._predict_stored(image_vectors, judge)
        return list(counted(predictions, progress, len(image_vectors)))

    def predict_stored(
        self,
        embeddings: Embeddings,
        top_k: int = 5,
        *,
        start: int = 0,
        rule: DecisionRule = NEAREST_CLASS,
        explain: int = 0,
    ) -> Generator[Prediction, None, None]:
        """Classify what ``cupl embed`` wrote, one after the other; see :meth:`predict_vectors`.

        Args:
            embeddings: what :func:`~cupl.embedding.image_vectors.load_embeddings` gives.
            top_k: classes to name for each image; all of them where there are fewer.
            start: images to pass over; shards of nothing else are not read.
            rule: how scores become labels.
            explain: prompts to name for each of the two best classes, and as many against it.

        Raises:
            InputError: as for :meth:`predict_vectors`.

        """
        judge = self._judge(top_k, rule, explain)
        self.vectors.check_embeddings(embeddings.provenance)
        return self._predict_shards(embeddings, judge, start)

    def scores(self, images: Scorable, *, progress: Progress = ignore) -> npt.NDArray[np.float32]:
        """Cosines of images with the classes; see :meth:`predict_proba` for what images may be.

        Returns:
            float32 ``[images, classes]``; for the pooling ``similarity`` mean cosines. After
            adaptation the best is as high as the best cosine, and the others are behind it by what
            text and photos say together.

        """
        return self._matrix(images, progress, lambda scores: scores)

    def predict_proba(
        self, images: Scorable, *, progress: Progress = ignore
    ) -> npt.NDArray[np.float32]:
        """Probabilities of the classes, as those of a :class:`Prediction` of one label an image.

        A float array or tensor of one or two dimensions is always image vectors, and refused where
        it is not ``[images, dim]``. Everything else is one image or any number of them, as for
        :meth:`ZeroShotClassifier.predict`: a grey image of floats must stand in a list.

        Args:
            images: image vectors ``[images, dim]``, of any length; or what
                :func:`~cupl.embedding.image_vectors.load_embeddings` gives; or images.
            progress: told how many images are done, and of how many.

        Returns:
            float32 ``[images, classes]``, ``[1, classes]`` for one image, the columns in the order
            of ``labels``. Rows of a softmax sum to 1, or to less where a reject bank has its share.
            A row is NaN where an image could not be read, of which a warning tells, or where a
            vector is zero or not finite. Of ``Embeddings`` there is a row for each image that
            could be read: ``[path for shard in embeddings for path in shard.readable]``.

        Raises:
            InputError: vectors of another width or encoder, or images where there is no encoder.

        """
        return self._matrix(images, progress, self.vectors.provenance.probabilities)

    def calibrate(
        self,
        image_vectors: ImageVectors,
        labels: Sequence[str | int] | torch.Tensor | npt.NDArray[Any],
    ) -> float:
        """Fit the temperature to labelled images; :meth:`save` keeps it.

        It changes probabilities, never a label or an order. Take other images than those that the
        probabilities will be judged by. A reject bank is left out, so that the temperature means
        the same with any.

        Args:
            image_vectors: ``[images, dim]``, of any length.
            labels: the true class of each, by index, name or id.

        Returns:
            The temperature; see :func:`~cupl.classification.calibration.fit_temperature`.

        Raises:
            InputError: no image, one without a direction, or a label that is no class.

        """
        rows = float_rows(image_vectors, self.vectors.matrix.shape[1])
        if wrong := (~has_direction(rows)).nonzero().flatten().tolist():
            raise InputError(f"image vector {wrong[0]}: {NO_DIRECTION}; leave it out")
        targets = self._targets(labels)
        scores = scores_of(rows, self.vectors)
        temperature = fit_temperature(scores, targets, self.vectors.provenance)
        self.vectors = self.vectors.with_temperature(temperature)
        return temperature

    def _targets(
        self, labels: Sequence[str | int] | torch.Tensor | npt.NDArray[Any]
    ) -> torch.Tensor:
        """The class of each label, int64 ``[images]``."""
        named = labels if isinstance(labels, Sequence) else labels.tolist()
        return torch.tensor(find_classes(named, self.labels), dtype=torch.int64)

    def to_torch(self) -> ClassifierHead:
        """A module of PyTorch: image vectors ``[images, dim]`` to logits ``[images, classes]``.

        Where there is a reject bank, its classes are the last columns. The module has a copy of
        the class vectors; training it does not change this classifier.
        """
        return ClassifierHead(self.vectors, self.reject)

    def _judge(self, top_k: int, rule: DecisionRule, explain: int) -> Judge:
        """What makes predictions; refuses before the first image what none can be judged by."""
        check_whole(top_k=top_k, explain=explain)
        if top_k < 1:
            raise InputError(f"top_k is {top_k}; at least one class must be named")
        if explain < 0:
            raise InputError(f"explain is {explain}; it is a number of prompts, or 0")
        if explain and self.explainer is None:
            raise InputError(
                "to explain, the bank that the class vectors were made of is needed: give it too"
            )

        rejection = rejection_of(
            self.vectors, self.reject, self.words, fitted=rule.threshold is None
        )

        def judge(rows: torch.Tensor) -> list[Prediction]:
            explanations: Sequence[Explanation | None] = [None] * len(rows)
            if explain and self.explainer is not None:
                every, adapted = competing(self.vectors, self.reject), self.vectors.adapter
                scores = None if adapted is None else scores_of(rows, self.vectors, self.reject)
                explanations = self.explainer.explain(rows, every, explain, scores)
            return predict_rows(
                rows, self.vectors, self.reject, top_k, rule, explanations, rejection
            )

        judge(torch.empty(0, self.vectors.matrix.shape[1]))
        return judge

    def _predict_stored(
        self, image_vectors: ImageVectors | Embeddings, judge: Judge
    ) -> Iterator[Prediction]:
        if isinstance(image_vectors, Embeddings):
            self.vectors.check_embeddings(image_vectors.provenance)
            return self._predict_shards(image_vectors, judge)
        compared = competing(self.vectors, self.reject or self.words)
        return chain.from_iterable(map(judge, in_chunks(image_vectors, compared)))

    def _predict_shards(
        self, embeddings: Embeddings, judge: Judge, start: int = 0
    ) -> Generator[Prediction, None, None]:
        """Predictions with their paths, but for the first ``start``."""
        for number in range(embeddings.shards):
            images = embeddings.size_of(number) if start else 0
            if start and start >= images:
                start -= images
                continue
            shard = embeddings.shard(number)
            # Of whole shards, since the last digits depend on what is computed together.
            found = at_paths(
                zip(shard.paths, shard.errors, strict=True),
                self._predict_stored(shard.vectors, judge),
            )
            yield from islice(found, start, None)
            start = 0

    def _matrix(
        self,
        images: Scorable,
        progress: Progress,
        convert: Callable[[torch.Tensor], torch.Tensor],
    ) -> npt.NDArray[np.float32]:
        """A row an image of what ``convert`` makes of the cosines, without a reject bank's."""
        chunks, total = self._rows(images)
        number = len(self.labels)
        matrices = (
            convert(scores_of(chunk, self.vectors, self.reject))[:, :number].numpy()
            for chunk in chunks
        )
        rows = counted(chain.from_iterable(matrices), progress, total)
        return np.fromiter(rows, np.dtype((np.float32, (number,))))

    def _rows(self, images: Scorable) -> tuple[Iterator[torch.Tensor], int]:
        """Image vectors, float32 ``[chunk, dim]`` each, and how many; 0 where that is not known."""
        every = competing(self.vectors, self.reject)
        if isinstance(images, Embeddings):
            parts = (in_chunks(shard.vectors, every) for shard in self._shards(images))
            return chain.from_iterable(parts), 0
        vectors: Any = images
        try:
            return in_chunks(vectors, every), len(vectors)
        except InputError as error:
            raise InputError(f"{error} (a grey image of floats must stand in a list)") from None

    def _shards(self, embeddings: Embeddings) -> Iterator[Shard]:
        """Its shards, where the encoder of the class vectors made them."""
        self.vectors.check_embeddings(embeddings.provenance)
        return iter(embeddings)
