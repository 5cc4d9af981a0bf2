"""Zero-shot classification: an image gets the class whose vector it is closest to."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from cupl.bank.labels import ClassLabel, check_labels
from cupl.bank.model import PromptBank
from cupl.classification.calibration import fit_temperature
from cupl.classification.decision import DecisionRule, Decisions, decide, find_classes
from cupl.classification.explanation import PROMPTS_NAMED, Explanation, explain_vectors
from cupl.classification.prediction import Prediction, Score
from cupl.embedding.bank_encoding import bank_embeddings, encode_bank
from cupl.embedding.class_vectors import ClassVectors, Combine
from cupl.embedding.image_sources import ImageSource, one_or_many
from cupl.embedding.image_stream import encode_sources
from cupl.embedding.normalize import NO_DIRECTION, directions, has_direction
from cupl.embedding.pooling import DEFAULT_POOLING
from cupl.encoders.loading import DEFAULT_ENCODER, load_encoder
from cupl.encoders.protocol import Encoder
from cupl.errors import InputError

__all__ = ["Prediction", "Score", "ZeroShotClassifier"]


class ZeroShotClassifier:
    """Class vectors and the encoder they belong to.

    Attributes:
        vectors: the classes.
        encoder: what encodes the images.
        bank: what the vectors were made of, where it is known; only explanations need it.
        reject: vectors of the reject bank, pooled and with templates as ``vectors`` are.

    """

    def __init__(
        self,
        vectors: ClassVectors,
        encoder: Encoder,
        *,
        bank: PromptBank | str | os.PathLike[str] | None = None,
        reject: PromptBank | str | os.PathLike[str] | None = None,
    ) -> None:
        """Join ``vectors`` with the encoder that made them.

        Args:
            vectors: the classes.
            encoder: what encodes the images.
            bank: what the vectors were made of, or its file.
            reject: descriptions of what is none of the classes, a bank or its file: an image that
                is closest to one of its classes is rejected.

        Raises:
            InputError: another encoder or another bank made the vectors, or the reject bank has a
                class of theirs.

        """
        vectors.check_encoder(encoder)
        self.vectors = vectors
        self.encoder = encoder
        self.bank = None if bank is None else _loaded(bank)
        if self.bank is not None:
            _check_bank(self.bank, vectors)
        self._reject_bank = None if reject is None else _loaded(reject)
        self.reject: ClassVectors | None = None
        if self._reject_bank is not None:
            self.reject = _encode_reject(self._reject_bank, vectors, encoder)
        self._embeddings: torch.Tensor | None = None

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
        reject: PromptBank | str | os.PathLike[str] | None = None,
    ) -> ZeroShotClassifier:
        """Encode a prompt bank and classify with it.

        Args:
            bank: a bank or its file.
            encoder: an encoder or its name; see :func:`~cupl.encoders.loading.load_encoder`.
            device: where an encoder given by name is loaded.
            pooling: see :func:`~cupl.embedding.bank_encoding.encode_bank`, as for all that follow.
            templates: hand-written prompts for every class, with ``{}`` for its name, or the name
                or file of a set of them, such as ``photo``.
            combine: ``concat`` or ``average``.
            strict: refuse a prompt of the bank longer than the encoder reads.
            reject: a bank of what is none of the classes, or its file; see :meth:`__init__`.

        Raises:
            CuplError: a bank or the encoder cannot be loaded, or a setting is wrong.

        """
        bank = _loaded(bank)
        if isinstance(encoder, str | os.PathLike):
            encoder = load_encoder(encoder, device)
        vectors = encode_bank(
            bank, encoder, pooling, templates=templates, combine=combine, strict=strict
        )
        return cls(vectors, encoder, bank=bank, reject=reject)

    @classmethod
    def from_vectors(
        cls,
        vectors: ClassVectors | str | os.PathLike[str],
        encoder: Encoder | str | os.PathLike[str] | None = None,
        device: str = "auto",
        *,
        bank: PromptBank | str | os.PathLike[str] | None = None,
        reject: PromptBank | str | os.PathLike[str] | None = None,
    ) -> ZeroShotClassifier:
        """Classify with class vectors made earlier.

        Args:
            vectors: class vectors or their file.
            encoder: an encoder or its name; by default the one that the vectors name.
            device: where an encoder given by name is loaded.
            bank: what the vectors were made of, for explanations, or its file.
            reject: a bank of what is none of the classes, or its file; see :meth:`__init__`.

        Raises:
            CuplError: the vectors or the encoder cannot be loaded, or do not belong together.

        """
        if not isinstance(vectors, ClassVectors):
            vectors = ClassVectors.load(vectors)
        if encoder is None:
            encoder = vectors.provenance.encoder
        if isinstance(encoder, str | os.PathLike):
            encoder = load_encoder(encoder, device)
        return cls(vectors, encoder, bank=bank, reject=reject)

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        encoder: Encoder | str | os.PathLike[str] | None = None,
        device: str = "auto",
        *,
        bank: PromptBank | str | os.PathLike[str] | None = None,
        reject: PromptBank | str | os.PathLike[str] | None = None,
    ) -> ZeroShotClassifier:
        """Read what :meth:`save` wrote; see :meth:`from_vectors`."""
        return cls.from_vectors(path, encoder, device, bank=bank, reject=reject)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the class vectors with their temperature, without the reject bank's.

        See :meth:`ClassVectors.save`.
        """
        self.vectors.save(path)

    @property
    def labels(self) -> list[ClassLabel]:
        """The classes, in order."""
        return self.vectors.labels

    def predict(
        self,
        images: ImageSource | Iterable[ImageSource],
        top_k: int = 5,
        *,
        threshold: float | None = None,
        multi_label: bool = False,
        class_thresholds: Mapping[str, float] | None = None,
        explain: int = 0,
    ) -> Generator[Prediction, None, None]:
        """Classify images, reading them as the predictions are asked for.

        Args:
            images: one image or any number of them; see
                :func:`~cupl.embedding.image_sources.one_or_many`.
            top_k: classes to name for each image; all of them where there are fewer.
            threshold: see :class:`~cupl.classification.decision.DecisionRule`, as for the next two.
            multi_label: give each image all labels that apply.
            class_thresholds: cosines by the name or id of the class.
            explain: prompts to name for each of the two best classes, and as many against it;
                0 for no explanation.

        Returns:
            One prediction an image, in order; an image that cannot be read has an ``error`` and
            the others go on.

        Raises:
            InputError: ``top_k`` is below 1, or a setting cannot be used with this model or
                without a bank.

        """
        rule = DecisionRule(threshold, multi_label, class_thresholds)
        self._check(top_k, rule, explain)
        return self._predict_all(one_or_many(images)[1], top_k, rule, explain)

    def predict_vectors(
        self,
        image_vectors: torch.Tensor | npt.NDArray[Any],
        top_k: int = 5,
        *,
        threshold: float | None = None,
        multi_label: bool = False,
        class_thresholds: Mapping[str, float] | None = None,
        explain: int = 0,
    ) -> list[Prediction]:
        """Classify images encoded earlier by the same encoder.

        Args:
            image_vectors: ``[images, dim]``, of any length.
            top_k: as for :meth:`predict`, as all that follow.
            threshold: see there.
            multi_label: see there.
            class_thresholds: see there.
            explain: see there.

        Returns:
            One prediction a row. Equal scores are ordered as the classes are. A row that is zero
            or not finite has an ``error``.

        Raises:
            InputError: the vectors have another width, or as for :meth:`predict`.

        """
        rule = DecisionRule(threshold, multi_label, class_thresholds)
        self._check(top_k, rule, explain)
        return self._predict_rows(self._rows(image_vectors), top_k, rule, explain)

    def explain(
        self, images: ImageSource | Iterable[ImageSource], most: int = PROMPTS_NAMED
    ) -> Generator[Explanation, None, None]:
        """Say which prompts decided; see :mod:`cupl.classification.explanation`.

        A reject bank's classes are among those that are explained. Probabilities are those of one
        label an image.

        Args:
            images: as for :meth:`predict`.
            most: prompts to name for each of the two best classes, and as many against it.

        Returns:
            One explanation an image, in order; an image that cannot be read has an ``error``.

        Raises:
            InputError: the bank is not known, or ``most`` is below 1.

        """
        if most < 1:
            raise InputError(f"most is {most}; at least one prompt must be named")
        predictions = self.predict(images, 1, explain=most)
        return (
            prediction.explanation or Explanation(prediction.path, error=prediction.error)
            for prediction in predictions
        )

    def calibrate(
        self,
        image_vectors: torch.Tensor | npt.NDArray[Any],
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
        vectors = self._rows(image_vectors)
        named = labels if isinstance(labels, Sequence) else labels.tolist()
        targets = torch.tensor(find_classes(named, self.labels), dtype=torch.int64)
        if wrong := (~has_direction(vectors)).nonzero().flatten().tolist():
            raise InputError(f"image vector {wrong[0]}: {NO_DIRECTION}; leave it out")
        scores = directions(vectors) @ self.vectors.matrix.T
        temperature = fit_temperature(scores, targets, self.vectors.provenance)
        self.vectors = self.vectors.with_temperature(temperature)
        return temperature

    def _check(self, top_k: int, rule: DecisionRule, explain: int) -> None:
        """Refuse before the first image what none can be judged by."""
        if top_k < 1:
            raise InputError(f"top_k is {top_k}; at least one class must be named")
        if explain:
            self._prompts()
        self._judge(torch.empty(0, self.vectors.matrix.shape[1]), rule)

    def _rows(self, image_vectors: torch.Tensor | npt.NDArray[Any]) -> torch.Tensor:
        if isinstance(image_vectors, np.ndarray):
            image_vectors = torch.from_numpy(image_vectors.astype(np.float32))
        vectors = image_vectors.float().cpu()
        width = self.vectors.matrix.shape[1]
        if vectors.ndim != 2 or vectors.shape[1] != width:
            raise InputError(
                f"image vectors of shape {list(vectors.shape)} do not fit: [images, {width}]"
            )
        return vectors

    def _judge(self, vectors: torch.Tensor, rule: DecisionRule) -> tuple[torch.Tensor, Decisions]:
        """Cosines to all that compete, ``[images, classes + those of the reject bank]``."""
        scores = directions(vectors) @ self._competing().matrix.T
        return scores, decide(scores, self.vectors, self.reject, rule)

    def _competing(self) -> ClassVectors:
        """The classes, then those of the reject bank."""
        if self.reject is None:
            return self.vectors
        matrix = torch.cat([self.vectors.matrix, self.reject.matrix])
        return replace(self.vectors, labels=self.labels + self.reject.labels, matrix=matrix)

    def _prompts(self) -> tuple[PromptBank, torch.Tensor]:
        """The prompts of all that compete, and their embeddings, ``[prompts, dim]``."""
        if self.bank is None:
            raise InputError(
                "to explain, the bank that the class vectors were made of is needed: give it too"
            )
        more = [] if self._reject_bank is None else self._reject_bank.classes
        bank = PromptBank(name=self.bank.name, classes=self.bank.classes + more)
        if self._embeddings is None:
            templates = self.vectors.provenance.templates
            self._embeddings = bank_embeddings(bank, self.encoder, templates)
        return bank, self._embeddings

    def _explain(self, vectors: torch.Tensor, most: int) -> Sequence[Explanation | None]:
        if not most:
            return [None] * len(vectors)
        return explain_vectors(vectors, *self._prompts(), self._competing(), most)

    def _predict_rows(
        self, vectors: torch.Tensor, top_k: int, rule: DecisionRule, explain: int
    ) -> list[Prediction]:
        scores, verdict = self._judge(vectors, rule)
        named = max(top_k, *verdict.accepted, 0) if rule.multi_label else top_k
        order = verdict.order[:, :named]
        best = zip(
            order.tolist(),
            scores.gather(1, order).tolist(),
            verdict.probabilities.gather(1, order).tolist(),
            strict=True,
        )
        ranked = [tuple(map(self._score, *row)) for row in best]
        explanations = self._explain(vectors, explain)
        return [
            Prediction(
                ranked[image][:top_k],
                rejected=verdict.rejected[image],
                labels=ranked[image][: verdict.accepted[image]] if rule.multi_label else (),
                explanation=explanations[image],
            )
            if usable
            else Prediction(error=NO_DIRECTION)
            for image, usable in enumerate(has_direction(vectors).tolist())
        ]

    def _score(self, index: int, score: float, probability: float) -> Score:
        label = self.labels[index]
        return Score(label.name, label.id, score, probability)

    def _predict_all(
        self, sources: Iterable[ImageSource], top_k: int, rule: DecisionRule, explain: int
    ) -> Generator[Prediction, None, None]:
        with closing(encode_sources(sources, self.encoder)) as encoded:
            while batch := list(islice(encoded, self.encoder.image_batch)):
                vectors = [image.vector for image in batch if image.vector is not None]
                predictions = iter(
                    self._predict_rows(torch.stack(vectors), top_k, rule, explain)
                    if vectors
                    else ()
                )
                for image in batch:
                    yield (
                        Prediction(path=image.path, error=image.error)
                        if image.vector is None
                        else _at(image.path, next(predictions))
                    )


def _at(path: str | None, prediction: Prediction) -> Prediction:
    explanation = prediction.explanation and replace(prediction.explanation, path=path)
    return replace(prediction, path=path, explanation=explanation)


def _loaded(bank: PromptBank | str | os.PathLike[str]) -> PromptBank:
    return bank if isinstance(bank, PromptBank) else PromptBank.load(bank)


def _check_bank(bank: PromptBank, vectors: ClassVectors) -> None:
    """Accept only the bank that the vectors were made of."""
    made_by = vectors.provenance
    if bank.digest != made_by.bank_digest:
        raise InputError(
            f"the class vectors were not made of this bank {bank.name!r:.100} (digest "
            f"{bank.digest[:12]}, not {(made_by.bank_digest or 'none')[:12]}): give the bank that "
            "they were made of, or encode this one"
        )


def _encode_reject(bank: PromptBank, vectors: ClassVectors, encoder: Encoder) -> ClassVectors:
    """Vectors that can be compared with ``vectors``: made in the same way."""
    try:
        check_labels([*vectors.labels, *(entry.label for entry in bank)])
    except InputError as error:
        raise InputError(f"the reject bank {bank.name!r:.100}: {error}") from error
    made_by = vectors.provenance
    return encode_bank(
        bank,
        encoder,
        made_by.pooling,
        templates=made_by.templates,
        combine=made_by.combine or "concat",
    )
