"""What one set of class vectors says about every image, and which classes it gets wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from cupl.bank.labels import ClassLabel
from cupl.classification.scoring import AT_ONCE
from cupl.embedding.adapter import Adapter
from cupl.embedding.parts import ClassParts
from cupl.embedding.provenance import Provenance
from cupl.evaluation.schema import ClassAccuracy, Confusion
from cupl.evaluation.weighted import StratifiedSample, weights_of

LONGEST_LIST = 20
"""Confusions, prompts and classes in a list of the worst."""

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class ImageRanks:
    """The classes of every image in order of their scores.

    Attributes:
        predicted: int64 ``[images]``, the best class.
        ranks: int64 ``[images]``, place of the true class, 1 the best; of equal scores the first
            class comes first, as in a prediction.
        confidence: float64 ``[images]``, probability of the best class.

    """

    predicted: Integers
    ranks: Integers
    confidence: Floats

    @property
    def correct(self) -> Booleans:
        """Whether the best class is the true one, ``[images]``."""
        first: Booleans = self.ranks == 1
        return first


@dataclass(frozen=True, eq=False)
class ScoreChunks:
    """Scores ``[some images, classes]`` of all images in order, made anew whenever it is read.

    Attributes:
        images: float32 ``[images, dim]`` of length 1.
        classes: float32 ``[classes, dim]``.
        adapter: what is added to the cosines.
        parts: of the classes.

    """

    images: torch.Tensor
    classes: torch.Tensor
    adapter: Adapter | None = None
    parts: ClassParts | None = None

    def __iter__(self) -> Iterator[torch.Tensor]:
        return map(self.scores, self.split(self.images))

    def scores(self, rows: torch.Tensor) -> torch.Tensor:
        """Of some images."""
        cosines = rows @ self.classes.T
        if self.parts is not None:
            cosines = self.parts.blend(cosines, rows)
        return cosines if self.adapter is None else self.adapter.adapted(cosines, rows)

    def split(self, of_images: torch.Tensor) -> Sequence[torch.Tensor]:
        """What has a row for each image, in the same parts."""
        return torch.split(of_images, max(1, AT_ONCE // len(self.classes)))


def join_ranks(parts: Sequence[ImageRanks]) -> ImageRanks:
    """Ranks of all images from those of some after some."""
    columns = ("predicted", "ranks", "confidence")
    return ImageRanks(*(np.concatenate([getattr(one, name) for one in parts]) for name in columns))


def rank_images(scores: torch.Tensor, targets: torch.Tensor, provenance: Provenance) -> ImageRanks:
    """Rank the classes of every image.

    Args:
        scores: cosines, ``[images, classes]``.
        targets: int64 ``[images]``.
        provenance: says how scores become probabilities.

    """
    values, true = scores.numpy(), scores.gather(1, targets[:, None]).numpy()
    # NumPy counts ten times as fast as torch.
    ahead = np.count_nonzero(values > true, axis=1)
    # Rarely more than the true class has its score: only then it matters which comes first.
    tied = np.flatnonzero(np.count_nonzero(values == true, axis=1) > 1)
    before = np.arange(values.shape[1]) < targets[tied, None].numpy()
    ahead[tied] += np.count_nonzero((values[tied] == true[tied]) & before, axis=1)
    predicted = scores.argmax(dim=1)  # the first of equal ones
    return ImageRanks(
        predicted.numpy(), 1 + ahead, probability_of(predicted.numpy(), scores, provenance)
    )


def probability_of(classes: Integers, scores: torch.Tensor, provenance: Provenance) -> Floats:
    """Probability of one class of each image, float64 ``[images]``."""
    chosen = provenance.probabilities(scores).gather(1, torch.from_numpy(classes)[:, None])
    probability: Floats = chosen[:, 0].double().numpy()
    return probability


def confusions(
    run: ImageRanks,
    targets: Integers,
    labels: Sequence[ClassLabel],
    sample: StratifiedSample | None = None,
) -> list[Confusion]:
    """The most frequent wrong classes, most first; shares are those of the collection."""
    # Pairs that occur, not a matrix of all classes. A stable sort: of equally frequent ones the
    # first class of the bank comes first, then the first that it was given.
    wrong, weights = ~run.correct, weights_of(sample, len(targets))
    pairs = np.stack([targets, run.predicted])[:, wrong]
    found, which, numbers = np.unique(pairs, axis=1, return_inverse=True, return_counts=True)
    weighted = np.bincount(which.ravel(), weights[wrong], minlength=len(numbers))
    totals = np.bincount(targets, weights)
    worst = np.argsort(-weighted, kind="stable")[:LONGEST_LIST].tolist()
    return [
        Confusion(
            truth=str(labels[found[0, i]]), predicted=str(labels[found[1, i]]),
            images=int(numbers[i]), share=float(weighted[i] / totals[found[0, i]]),
        )
        for i in worst
    ]  # fmt: skip


def confusion_matrix(run: ImageRanks, targets: Integers, classes: int) -> Integers:
    """Images by true and given class, int64 ``[classes, classes]``."""
    pairs = targets * classes + run.predicted
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def class_accuracies(
    correct: Floats | Booleans,
    targets: Integers,
    labels: Sequence[ClassLabel],
    sample: StratifiedSample | None = None,
) -> list[ClassAccuracy]:
    """Accuracy on each class that has images.

    Args:
        correct: ``[images]``; a share where it is a mean over draws.
        targets: the class of each image.
        labels: of the classes.
        sample: how the images were drawn from a collection.

    """
    weights = weights_of(sample, len(targets))
    counts = np.bincount(targets, minlength=len(labels))
    totals = np.bincount(targets, weights, minlength=len(labels))
    sums = np.bincount(targets, correct * weights, minlength=len(labels))
    return [
        ClassAccuracy(
            name=label.name, id=label.id, images=int(counts[i]), accuracy=float(sums[i] / totals[i])
        )
        for i, label in enumerate(labels)
        if counts[i]
    ]
