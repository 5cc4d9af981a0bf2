"""Scores and true classes to figures: accuracy, intervals, comparisons, calibration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.stats import binomtest, bootstrap
from sklearn.calibration import calibration_curve
from sklearn.metrics import confusion_matrix

from cupl.bank.labels import ClassLabel
from cupl.classification.calibration import fit_temperature
from cupl.embedding.class_vectors import Provenance
from cupl.evaluation.schema import Calibration, CalibrationBin, ClassAccuracy, Confusion, Interval

RESAMPLES = 1000
BINS = 15
LONGEST_LIST = 20
"""Confusions, prompts and classes in a list of the worst."""
FEWEST_TO_CALIBRATE = 20
_AT_ONCE = 2**22

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class ImageRanks:
    """What one set of class vectors says about every image.

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
    def right(self) -> Booleans:
        """Whether the best class is the true one."""
        first: Booleans = self.ranks == 1
        return first


def rank_images(scores: torch.Tensor, targets: torch.Tensor, provenance: Provenance) -> ImageRanks:
    """Predictions of one set of class vectors.

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
    return ImageRanks(predicted.numpy(), 1 + ahead, _confidence(scores, predicted, provenance))


def _confidence(scores: torch.Tensor, predicted: torch.Tensor, provenance: Provenance) -> Floats:
    found = provenance.probabilities(scores).gather(1, predicted[:, None])[:, 0]
    confidence: Floats = found.double().numpy()
    return confidence


def intervals(rows: Floats, targets: Integers, per_class: Sequence[bool]) -> list[Interval]:
    """Means over the images, each with its percentile bootstrap interval.

    All rows see the same 1,000 resamples of the images, so their intervals are of one piece.

    Args:
        rows: ``[figures, images]``, a value of each image for each figure.
        targets: the class of each image.
        per_class: for each figure whether it is the mean over classes of their means, of those
            that are in the resample, in place of the mean over images.

    """
    _, group = np.unique(targets, return_inverse=True)
    groups, wide = int(group.max()) + 1, np.asarray(per_class)

    def statistic(index: Integers, axis: int = -1) -> Floats:
        index = np.atleast_2d(index)  # [resamples, images]
        means = np.empty((len(rows), len(index)))
        means[~wide] = rows[~wide][:, index].mean(axis=-1)
        means[wide] = _group_means(rows[wide], group, index, groups)
        return means

    everything = np.arange(len(targets))
    values = statistic(everything)[:, 0]
    if len(targets) == 1:  # nothing to resample
        return [Interval(value=v, low=v, high=v) for v in values.tolist()]
    found: Any = bootstrap(
        (everything,), statistic, vectorized=True, method="percentile", rng=0,
        n_resamples=RESAMPLES, batch=max(1, _AT_ONCE // (len(rows) * len(targets))),
    )  # fmt: skip
    between = found.confidence_interval
    return [
        Interval(value=value, low=low, high=high)
        for value, low, high in zip(
            values.tolist(), between.low.tolist(), between.high.tolist(), strict=True
        )
    ]


def _group_means(rows: Floats, group: Integers, index: Integers, groups: int) -> Floats:
    """Mean over groups of their means in each resample: ``[rows, resamples]``."""
    cells = group[index] + groups * np.arange(len(index))[:, None]
    shape = (len(index), groups)
    counts = np.bincount(cells.ravel(), minlength=shape[0] * groups).reshape(shape)
    means = np.empty((len(rows), len(index)))
    for number, row in enumerate(rows):
        sums = np.bincount(cells.ravel(), row[index].ravel(), minlength=shape[0] * groups)
        each = np.divide(sums.reshape(shape), counts, where=counts > 0, out=np.zeros(shape))
        means[number] = each.sum(axis=1) / (counts > 0).sum(axis=1)
    return means


def mcnemar(first: Booleans, second: Booleans) -> tuple[int, int, float]:
    """Images that only the first has right, those that only the second has, and the exact p.

    Where neither is better each such image is a fair coin (McNemar 1947, as a binomial test).
    """
    won, lost = int((first & ~second).sum()), int((second & ~first).sum())
    return won, lost, float(binomtest(won, won + lost).pvalue) if won + lost else 1.0


def halves(images: int) -> Booleans:
    """Which images a temperature is fitted on; the error is measured on the others."""
    fitted = np.zeros(images, bool)
    fitted[np.random.default_rng(0).permutation(images)[: images // 2]] = True
    return fitted


def calibrate(
    scores: torch.Tensor, targets: torch.Tensor, provenance: Provenance, run: ImageRanks
) -> tuple[Calibration, Floats] | None:
    """Calibration before and after a temperature, and all images' probabilities after it.

    The expected calibration error is over 15 bins of equal width (Guo et al., arXiv 1706.04599).

    Args:
        scores: cosines, ``[images, classes]``.
        targets: int64 ``[images]``.
        provenance: says how scores become probabilities.
        run: what :func:`judge` made of these.

    Returns:
        None where there are fewer than 20 images.

    """
    if len(targets) < FEWEST_TO_CALIBRATE:
        return None
    fitted = halves(len(targets))
    fit = torch.from_numpy(fitted)
    temperature = fit_temperature(scores[fit], targets[fit], provenance)
    warm = provenance.model_copy(update={"temperature": temperature})
    confidence = _confidence(scores, torch.from_numpy(run.predicted), warm)
    measured = ~fitted
    before = _bins(run.confidence[measured], run.right[measured])
    after = _bins(confidence[measured], run.right[measured])
    found = Calibration(
        temperature=temperature,
        before=_calibration_error(before),
        after=_calibration_error(after),
        images_fitted=int(fitted.sum()),
        images_measured=int(measured.sum()),
        bins_before=before,
        bins_after=after,
    )
    return found, confidence


def _bins(confidence: Floats, right: Booleans) -> list[CalibrationBin]:
    edges = np.linspace(0, 1, BINS + 1)
    confidence = confidence.clip(0, 1)  # a softmax can be above by rounding
    place = np.digitize(confidence, edges[1:-1], right=True)
    counts = np.bincount(place, minlength=BINS)
    accuracies, means = np.zeros(BINS), np.zeros(BINS)
    curve = calibration_curve(right, confidence, pos_label=True, n_bins=BINS)
    accuracies[counts > 0], means[counts > 0] = curve
    return [
        CalibrationBin(low=edges[i], high=edges[i + 1], images=int(counts[i]), confidence=means[i],
            accuracy=accuracies[i])
        for i in range(BINS)
    ]  # fmt: skip


def _calibration_error(bins: Sequence[CalibrationBin]) -> float:
    gaps = [abs(one.confidence - one.accuracy) for one in bins]
    return float(np.average(gaps, weights=[one.images for one in bins]))


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
    right: Floats | Booleans, targets: Integers, labels: Sequence[ClassLabel]
) -> list[ClassAccuracy]:
    """Accuracy on each class that has images; ``right`` may be a mean over seeds."""
    counts = np.bincount(targets, minlength=len(labels))
    sums = np.bincount(targets, right, minlength=len(labels))
    return [
        ClassAccuracy(
            name=label.name, id=label.id, images=int(counts[i]), accuracy=float(sums[i] / counts[i])
        )
        for i, label in enumerate(labels)
        if counts[i]
    ]
