"""A filter of images by what is unwanted and what is fine, with what is neither for review.

It says so and does nothing. It is no safety system: it finds what its encoder finds similar to the
words that it was given, misses the rest, and has the biases of what the encoder learned from. What
it misses is measured on labelled examples (:meth:`ContentFilter.fit`), and holds for photos like
these alone.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import chain
from typing import Any, overload

import numpy.typing as npt
import torch

from cupl.classification.assembly import recorded_encoder
from cupl.classification.filter_classes import (
    BLOCK,
    ClosestPrompts,
    FilterClasses,
    FilterSides,
    encode_sides,
    joined_sides,
)
from cupl.classification.filter_decision import FilterDecision
from cupl.classification.filter_judging import FilterJudge
from cupl.classification.filter_thresholds import (
    FilterThresholds,
    check_filter_rate,
    fit_filter_thresholds,
    usual_thresholds,
)
from cupl.classification.image_input import encoded_batches, image_sources, is_image_vectors
from cupl.classification.scoring import ImageVectors, float_rows
from cupl.classification.vector_classifier import Scorable
from cupl.embedding.image_cache import ImageCache
from cupl.embedding.image_shards import Shard
from cupl.embedding.image_sources import ImageSource
from cupl.embedding.image_stream import Encoded
from cupl.embedding.stored_vectors import Embeddings
from cupl.embedding.text_cache import TextCache
from cupl.encoders.loading import DEFAULT_ENCODER, named_encoder
from cupl.encoders.protocol import Encoder
from cupl.errors import InputError
from cupl.progress import Progress, counted, ignore

_Batch = tuple[Sequence[tuple[str | None, str | None]], ImageVectors]
"""Path and error of images, and the vectors of those without an error, ``[images, dim]``."""


class ContentFilter:
    """What is unwanted, what is fine, the encoder, and the thresholds between.

    Attributes:
        vectors: the blocked classes, then the allowed ones.
        blocked: how many of them are blocked ones.
        thresholds: from where on a margin is blocked, and up to where it is allowed; None where
            only one side is given, until they are set or fitted.
        image_cache: where the vectors of image files are looked up and kept.

    """

    def __init__(
        self,
        block: FilterClasses | None = None,
        allow: FilterClasses | None = None,
        encoder: Encoder | str | os.PathLike[str] | None = None,
        device: str = "auto",
        *,
        thresholds: FilterThresholds | None = None,
        precision: str = "auto",
        batch_size: int | str = "auto",
        revision: str | None = None,
        templates: str | os.PathLike[str] | Sequence[str] = (),
        text_cache: TextCache = None,
        image_cache: ImageCache = None,
        progress: Progress = ignore,
    ) -> None:
        """Encode both sides.

        Args:
            block: descriptions of what is unwanted: a bank or class vectors, the file of either, or
                a list of names. With neither ``allow`` nor examples nothing says where the rest
                begins: give ``thresholds``, or :meth:`fit`.
            allow: of what is explicitly fine, likewise. Alone it allows what is close to it.
            encoder: an encoder or its name; by default the one that the class vectors name, which
                is loaded from this machine, or the usual one.
            device: where an encoder given by name computes: ``auto``, ``cpu``, ``cuda``,
                ``cuda:N`` or ``mps``.
            thresholds: of the margin; by default, with both sides, what is for review has odds
                below 2 to 1 either way.
            precision: of an encoder given by name.
            batch_size: likewise.
            revision: likewise.
            templates: prompts for every class of a bank, with ``{}`` for its name, or a set of
                them.
            text_cache: where embeddings of prompts are kept, or False for nowhere.
            image_cache: where vectors of image files are kept, or False for nowhere.
            progress: told how many different prompts are encoded, and of how many.

        Raises:
            CuplError: both sides are missing or have a class in common, class vectors are of
                another encoder or pooling, or something cannot be loaded.

        """
        self.sides = FilterSides.of(block, allow, templates)
        self.image_cache: ImageCache = image_cache
        self._how = (device, precision, batch_size)
        self._encoder: Encoder | None = None
        if encoder is None and revision is not None:
            raise InputError("a revision is of an encoder that is named: give its name too")
        if encoder is not None:
            self._encoder = named_encoder(encoder, *self._how, revision)
        elif self.sides.banks:
            made = self.sides.vectors
            self._encoder = (
                made[0].load_encoder(*self._how)
                if made
                else named_encoder(DEFAULT_ENCODER, *self._how)
            )
        self.encoded = encode_sides(self.sides, self._encoder, templates, text_cache, progress)
        self.vectors = joined_sides(self.encoded)
        self.blocked = len(self.encoded[BLOCK].labels) if BLOCK in self.encoded else 0
        self.thresholds = thresholds
        if thresholds is None and len(self.encoded) == 2:
            self.thresholds = usual_thresholds(self.vectors.provenance)
        prompts = None
        if self.sides.banks and self._encoder is not None:
            prompts = ClosestPrompts(self.encoded, self.sides, self._encoder, text_cache)
        self._judge = FilterJudge(self.vectors, self.blocked, prompts)

    def __repr__(self) -> str:
        allowed = len(self.vectors.labels) - self.blocked
        made_by = self.vectors.provenance.encoder
        return f"ContentFilter(block={self.blocked}, allow={allowed}, {made_by!r:.100})"

    @property
    def encoder(self) -> Encoder:
        """What encodes the images; that of class vectors is loaded when it is first needed.

        Raises:
            CuplError: it is not here, or nothing is known of it.

        """
        if self._encoder is None:
            self._encoder = recorded_encoder(self.vectors, *self._how)
        if self._encoder is None:
            raise InputError(
                "this filter has class vectors that were made outside of cupl, and cannot encode "
                "images: give image vectors of the same encoder"
            )
        return self._encoder

    @overload
    def predict(
        self, images: npt.NDArray[Any] | torch.Tensor, *, progress: Progress = ignore
    ) -> Any: ...  # one or many, which only the number of dimensions says
    @overload
    def predict(  # type: ignore[overload-overlap]  # a path is an iterable of its letters, too
        self, images: ImageSource, *, progress: Progress = ignore
    ) -> FilterDecision: ...
    @overload
    def predict(
        self, images: Embeddings | Iterable[ImageSource], *, progress: Progress = ignore
    ) -> Generator[FilterDecision, None, None]: ...
    def predict(
        self, images: Scorable, *, progress: Progress = ignore
    ) -> FilterDecision | Generator[FilterDecision, None, None]:
        """Judge one image, or any number of them as the decisions are asked for.

        Args:
            images: an image (a path, the bytes of a file, an array, a Pillow image), an iterable of
                images, image vectors ``[images, dim]`` of any length, or what
                :func:`~cupl.embedding.image_vectors.load_embeddings` gives, of which one shard is
                in memory at a time.
            progress: told how many images are done, and of how many (0: not known).

        Returns:
            For one image its decision; else a generator, one an image, in order. An image that
            cannot be read, or a vector without a direction, has an ``error`` and is for review:
            never allowed.

        Raises:
            InputError: there are no thresholds, no encoder, or other image vectors.

        """
        self.sides.check_thresholds(self.thresholds is not None)
        thresholds = self.thresholds or usual_thresholds(self.vectors.provenance)
        batches, one, total = self._batches(images)
        decisions = _decided(batches, self._judge, thresholds, progress, total)
        if not one:
            return decisions
        [decision] = decisions
        return decision

    def fit(
        self,
        blocked: Scorable,
        fine: Scorable,
        miss_rate: float = 0.01,
        false_alarm_rate: float | None = None,
    ) -> FilterThresholds:
        """Take thresholds from examples, at stated rates; decisions go by them from then on.

        See :mod:`cupl.classification.filter_thresholds` for what is promised. The examples are to
        be such as will be judged, drawn as these are, and none that the words were chosen by.

        Args:
            blocked: images of what is to be blocked, as for :meth:`predict`; what cannot be read is
                left out. 99 are needed for a miss rate of 0.01.
            fine: images of what is fine, likewise.
            miss_rate: share of images to be blocked that may be allowed.
            false_alarm_rate: share of fine images that may be blocked; by default the same.

        Returns:
            The thresholds, with what the examples say of them.

        Raises:
            InputError: a rate is none, or there are too few examples for it.

        """
        alarms = miss_rate if false_alarm_rate is None else false_alarm_rate
        rates = {"miss_rate": miss_rate, "false_alarm_rate": alarms}
        given = [self._batches(images) for images in (blocked, fine)]
        for (name, rate), (_, _, total) in zip(rates.items(), given, strict=True):
            check_filter_rate(name, rate, total or None)  # before they are read
        margins = [self._margins(batches) for batches, _, _ in given]
        self.thresholds = fit_filter_thresholds(margins[0], margins[1], miss_rate, alarms)
        return self.thresholds

    def margins(self, images: Scorable) -> torch.Tensor:
        """Margins of images, as for :meth:`predict`; float32, of those that can be judged."""
        return self._margins(self._batches(images)[0])

    def _margins(self, batches: Iterable[_Batch]) -> torch.Tensor:
        found = chain.from_iterable(self._judge.margins(rows) for _, rows in batches)
        return torch.cat([torch.empty(0), *found])

    def _batches(self, images: Any) -> tuple[Iterator[_Batch], bool, int]:
        """Images encoded, whether it is one image, and how many there are (0: not known)."""
        if isinstance(images, Embeddings):
            self.vectors.check_embeddings(images.provenance)
            return map(_of_shard, images), False, len(images)
        if is_image_vectors(images):
            float_rows(images[:0], self.vectors.matrix.shape[1])  # refused before the first
            return iter([([(None, None)] * len(images), images)]), False, len(images)
        one, sources, total = image_sources(images)
        return _encoded(encoded_batches(sources, self.encoder, self.image_cache)), one, total


def _decided(
    batches: Iterable[_Batch],
    judge: FilterJudge,
    thresholds: FilterThresholds,
    progress: Progress,
    total: int,
) -> Generator[FilterDecision, None, None]:
    def each() -> Iterator[FilterDecision]:
        for images, rows in batches:
            judged = judge.decisions(rows, thresholds)
            for path, error in images:
                unread = None if error is None else FilterDecision("review", error=error)
                yield replace(unread or next(judged), path=path)

    yield from counted(each(), progress, total)


def _of_shard(shard: Shard) -> _Batch:
    return list(zip(shard.paths, shard.errors, strict=True)), shard.vectors


def _encoded(batches: Generator[list[Encoded], None, None]) -> Iterator[_Batch]:
    with closing(batches):
        for batch in batches:
            vectors = [image.vector for image in batch if image.vector is not None]
            rows = torch.stack(vectors) if vectors else torch.empty(0, 0)  # none is looked at
            yield [(image.path, image.error) for image in batch], rows
