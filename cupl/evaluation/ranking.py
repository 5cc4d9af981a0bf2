"""What one set of class vectors says about every image, and which classes it gets wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from sklearn.metrics import confusion_matrix

from cupl.bank.labels import ClassLabel
from cupl.embedding.provenance import Provenance
from cupl.evaluation.schema import ClassAccuracy, Confusion

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


def confusions(run: ImageRanks, targets: Integers, labels: Sequence[ClassLabel]) -> list[Confusion]:
    """The most frequent wrong classes, most first."""
    present, place = np.unique(np.concatenate([targets, run.predicted]), return_inverse=True)
    if len(present) == 1:
        return []
    true, predicted = np.split(place, 2)
    matrix = confusion_matrix(true, predicted, labels=range(len(present)))
    totals = matrix.sum(axis=1)
    np.fill_diagonal(matrix, 0)
    order = np.argsort(-matrix, axis=None, kind="stable")[:LONGEST_LIST]
    pairs = [divmod(int(cell), len(present)) for cell in order if matrix.flat[cell]]
    return [
        Confusion(
            truth=str(labels[present[row]]), predicted=str(labels[present[column]]),
            images=int(matrix[row, column]), share=float(matrix[row, column] / totals[row]),
        )
        for row, column in pairs
    ]  # fmt: skip


def class_accuracies(
    correct: Floats | Booleans, targets: Integers, labels: Sequence[ClassLabel]
) -> list[ClassAccuracy]:
    """Accuracy on each class that has images.

    Args:
        correct: ``[images]``; a share where it is a mean over draws.
        targets: the class of each image.
        labels: of the classes.

    """
    counts = np.bincount(targets, minlength=len(labels))
    sums = np.bincount(targets, correct, minlength=len(labels))
    return [
        ClassAccuracy(
            name=label.name, id=label.id, images=int(counts[i]), accuracy=float(sums[i] / counts[i])
        )
        for i, label in enumerate(labels)
        if counts[i]
    ]
