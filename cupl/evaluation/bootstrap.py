"""95 % intervals by resampling the images, and the draws of what was drawn at random."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cupl.classification.share_intervals import wilson
from cupl.evaluation.ranking import Floats, Integers
from cupl.evaluation.schema import Interval
from cupl.evaluation.weighted import StratifiedSample, weights_of

RESAMPLES = 1000
_AT_ONCE = 2**22
"""Numbers of one array."""


@dataclass(frozen=True, eq=False)
class Statistic:
    """A mean over images and draws, or the difference of two such means.

    Attributes:
        rows: ``[draws, images]``, what each draw gives each image; of what was not drawn one row.
        less: ``[draws, images]`` of another, where it is the difference to it.
        per_class: the mean over the classes of the mean over the images of each.

    """

    rows: npt.NDArray[Any]
    less: npt.NDArray[Any] | None = None
    per_class: bool = False

    @property
    def sides(self) -> list[npt.NDArray[Any]]:
        """What is added up, and what is taken off that."""
        return [self.rows] if self.less is None else [self.rows, self.less]


def intervals(
    statistics: Sequence[Statistic],
    targets: Integers,
    by_name: Integers | None = None,
    sample: StratifiedSample | None = None,
) -> list[Interval]:
    """Each statistic with its percentile bootstrap interval; where all are right, with Wilson's.

    Images are drawn with replacement, and of what has several draws these too, independently
    of the images: the pigeonhole bootstrap (Owen, Annals of Applied Statistics 1, 2007), so that
    the luck of the draws is part of the interval. Three draws say little of their own spread:
    what decides is the test in :mod:`cupl.evaluation.significance`, which allows for that. All
    see the same 1,000 resamples of the images.

    Args:
        statistics: over the same images.
        targets: the class of each image; a mean over classes is over those in the resample.
        by_name: the images in an order that does not depend on how they were listed, int64
            ``[images]``: the same images then have the same intervals in any order.
        sample: how the images were drawn from a collection, where the figures are to be of that;
            resampled is then within the strata, and an interval is never narrower than that of
            :func:`~cupl.evaluation.weighted.share_interval`, or of a difference
            :meth:`~cupl.evaluation.weighted.StratifiedSample.difference`.

    """
    if by_name is None:
        by_name = np.arange(len(targets))
    order = by_name[np.argsort(targets[by_name], kind="stable")]
    starts = np.flatnonzero(np.diff(targets[order], prepend=-1))
    rows = np.concatenate([side for one in statistics for side in one.sides])
    rows = np.ascontiguousarray(rows[:, order], dtype=np.float64)
    per_class = np.concatenate(
        [[one.per_class] * len(side) for one in statistics for side in one.sides]
    )
    weights = weights_of(sample, len(order))[order]
    values = _means(weights[None], rows, per_class, starts)
    resampled = np.concatenate(
        [_means(drawn, rows, per_class, starts) for drawn in _resamples(order, by_name, sample)]
    )
    low, high = np.quantile(_values(statistics, resampled), [0.025, 0.975], axis=0)
    found = [
        Interval(value=value, low=low[i], high=high[i])
        for i, value in enumerate(_values(statistics, values)[0].tolist())
    ]
    return [
        _beyond_resamples(one, interval, targets)
        if sample is None
        else _of_sample(one, interval, targets, sample)
        for one, interval in zip(statistics, found, strict=True)
    ]


def _beyond_resamples(one: Statistic, interval: Interval, targets: Integers) -> Interval:
    """Wilson's interval where all images are right, or none: no resample says anything else.

    A difference that no image makes stays without one.
    """
    if one.less is not None or interval.value not in (0, 1) or interval.low < interval.high:
        return interval
    images = float(len(targets))
    if one.per_class:  # as many as would say as much, were all worth the same
        counts = np.bincount(targets)
        counts = counts[counts > 0]
        images = len(counts) ** 2 / float((1 / counts).sum())
    low, high = wilson(interval.value, images)
    return Interval(value=interval.value, low=low, high=high)


def _of_sample(
    one: Statistic, interval: Interval, targets: Integers, sample: StratifiedSample
) -> Interval:
    """The interval of a share of a collection, or a difference: more than resamples show."""
    if one.per_class and one.less is not None:
        return interval
    if one.per_class:
        weights = sample.weights
        parts = weights / np.bincount(targets, weights)[targets] / len(set(targets.tolist()))
        return sample.widened(interval, parts)
    right = one.rows.mean(axis=0)
    if one.less is None:
        share = sample.interval(right)
    else:
        share = sample.difference(right - one.less.mean(axis=0))
    if all(len(side) == 1 for side in one.sides):
        return share
    return Interval(
        value=share.value, low=min(share.low, interval.low), high=max(share.high, interval.high)
    )


def _resamples(
    order: Integers, by_name: Integers, sample: StratifiedSample | None
) -> Iterator[Floats]:
    """How often each resample has each image, ``[some resamples, images]``, columns by class."""
    images, rng = len(order), np.random.default_rng(0)
    column = np.empty(images, np.int64)
    column[order] = np.arange(images)
    column = column[by_name]
    step = max(1, _AT_ONCE // images)
    for start in range(0, RESAMPLES, step):
        number = min(step, RESAMPLES - start)
        if sample is not None:
            yield sample.resampled(number, rng)[:, order]
            continue
        cells = column[rng.integers(images, size=(number, images))]
        cells += images * np.arange(number)[:, None]
        counts = np.bincount(cells.ravel(), minlength=number * images)
        yield counts.reshape(number, images).astype(np.float64)


def _means(weights: Floats, rows: Floats, per_class: npt.NDArray[Any], starts: Integers) -> Floats:
    """Mean of each row in each resample, ``[resamples, rows]``, or over the classes from starts."""
    means: Floats = weights @ rows.T / weights.sum(axis=1, keepdims=True)
    if per_class.any():
        counts = np.add.reduceat(weights, starts, axis=1)  # [resamples, classes]
        present = counts > 0
        for row in np.flatnonzero(per_class):
            sums = np.add.reduceat(weights * rows[row], starts, axis=1)
            each = np.divide(sums, counts, where=present, out=np.zeros_like(sums))
            means[:, row] = each.sum(axis=1) / present.sum(axis=1)
    return means


def _values(statistics: Sequence[Statistic], means: Floats) -> Floats:
    """``[resamples, statistics]``; in more than one resample the draws are resampled too."""
    done, columns = 0, []
    for one in statistics:
        parts = []
        for number, side in enumerate(one.sides):
            draws = means[:, done : done + len(side)]
            done += len(side)
            if len(side) > 1 and len(means) > 1:
                picked = np.random.default_rng(1 + number).integers(len(side), size=draws.shape)
                draws = np.take_along_axis(draws, picked, axis=1)
            parts.append(draws.mean(axis=1))
        columns.append(parts[0] if len(parts) == 1 else parts[0] - parts[1])
    return np.stack(columns, axis=1)
