"""Figures of a whole collection from a stratified sample of it: weights, intervals, resamples.

Of stratum h, which holds N_h photos, m_h were drawn by chance and looked at; each of these stands
for N_h / m_h photos (Horvitz & Thompson, JASA 47, 1952). A share is the weighted right ones over
the weighted ones that count at all (Hájek's ratio), which is the plain mean where all weights are
equal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cupl.classification.share_intervals import wilson
from cupl.evaluation.schema import Interval

_MOST = 2.0
"""Times as many images as there are, that strata can be worth at most."""
_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class StratifiedSample:
    """Images that were drawn from the strata of a collection.

    Attributes:
        strata: int64 ``[images]``, of each image that is judged.
        sizes: float64 ``[strata]``, photos of the collection in each.
        looked: int64 ``[strata]``, photos drawn and looked at: the images, and those that are of
            none of the classes.

    """

    strata: npt.NDArray[np.int64]
    sizes: _Floats
    looked: npt.NDArray[np.int64]

    @property
    def weights(self) -> _Floats:
        """How many photos of the collection each image stands for, ``[images]``."""
        each: _Floats = (self.sizes / self.looked)[self.strata]
        return each

    def interval(self, shares: npt.NDArray[np.float64] | npt.NDArray[np.bool_]) -> Interval:
        """The share of the collection that is right, and its 95 % interval.

        Args:
            shares: ``[images]``, whether each is right, or in what share of several draws.

        """
        count = len(self.sizes)
        inside = np.bincount(self.strata, minlength=count)
        return share_interval(
            self.sizes, self.looked, inside, np.bincount(self.strata, shares, minlength=count)
        )

    def difference(self, gains: npt.NDArray[np.float64]) -> Interval:
        """How much more of the collection one has right than another, with its 95 % interval.

        The share won less the share lost, by square-and-add of their intervals with the
        correlation of two shares of one sample (Newcombe, Statistics in Medicine 17, 1998, on
        paired data; Zou & Donner, ibid. 27, 2008). So neither side is held to be nothing where no
        image of the sample was won or lost. Simulated in
        ``tests/benchmarks/bench_label_sample.py``.

        Args:
            gains: ``[images]``, 1 where the first alone is right, -1 where the second is; of
                several draws the mean.

        """
        won, lost = self.interval(np.maximum(gains, 0)), self.interval(np.maximum(-gains, 0))
        apart = 2 * self._apart(np.maximum(gains, 0), np.maximum(-gains, 0))

        def end(one: float, other: float) -> float:
            return float((one**2 + other**2 + apart * one * other) ** 0.5)

        value = won.value - lost.value
        return Interval(
            value=value,
            low=max(-1.0, value - end(won.value - won.low, lost.high - lost.value)),
            high=min(1.0, value + end(won.high - won.value, lost.value - lost.low)),
        )

    def _apart(self, won: _Floats, lost: _Floats) -> float:
        """The correlation of the two shares, 0 to 1 for 0 to -1: a photo won is none that is lost.

        In strata of many images that differ it is stronger than in the whole.
        """
        count = len(self.sizes)
        w, x = (np.bincount(self.strata, one, minlength=count) / self.looked for one in (won, lost))
        part = np.square(self.sizes) / self.looked
        spread = float((part * w * (1 - w)).sum() * (part * x * (1 - x)).sum())
        return min(1.0, float((part * w * x).sum()) / spread**0.5) if spread > 0 else 0.0

    def widened(self, interval: Interval, parts: _Floats) -> Interval:
        """A mean of shares whose interval allows for what so few images cannot show.

        Where all images are right, no resample has a wrong one.

        Args:
            interval: of resamples.
            parts: ``[images]``, what each image counts in the mean; together 1.

        """
        low, high = wilson(interval.value, 1 / float(np.square(parts).sum()))
        return Interval(
            value=interval.value, low=min(interval.low, low), high=max(interval.high, high)
        )

    def resampled(self, number: int, rng: np.random.Generator) -> _Floats:
        """Weights of the images in so many resamples, ``[number, images]``.

        The rescaled bootstrap for strata (Rao & Wu, JASA 83, 1988; Rao, Wu & Yue, Survey
        Methodology 18, 1992): m_h - 1 of the m_h are drawn with replacement, and what that changes
        is scaled by sqrt(1 - m_h / N_h), since a collection that was looked at whole has no chance
        in it.
        """
        resampled = np.repeat(self.weights[None], number, axis=0)
        for stratum, (size, looked) in enumerate(zip(self.sizes, self.looked, strict=True)):
            columns = np.flatnonzero(self.strata == stratum)
            if looked < 2 or not len(columns):
                continue
            cells = rng.integers(looked, size=(number, looked - 1))
            cells += looked * np.arange(number)[:, None]
            drawn = np.bincount(cells.ravel(), minlength=number * looked).reshape(number, looked)
            scale = max(0.0, 1 - looked / size) ** 0.5
            factor = 1 - scale + scale * looked / (looked - 1) * drawn[:, : len(columns)]
            resampled[:, columns] *= factor
        return resampled


def weights_of(sample: StratifiedSample | None, images: int) -> _Floats:
    """Of a sample its weights; of images that stand for themselves all 1."""
    return np.ones(images) if sample is None else sample.weights


def share_interval(
    sizes: npt.ArrayLike, looked: npt.ArrayLike, inside: npt.ArrayLike, right: npt.ArrayLike
) -> Interval:
    """A share of a collection from a stratified sample, with its 95 % interval.

    Wilson's interval (JASA 22, 1927) with the effective sample size P (1 - P) / V, as studied for
    surveys by Franco, Little, Louis and Slud (J. Survey Statistics and Methodology 7, 2019). V is
    the variance of the stratified ratio, in which one more image, as right as all are together, is
    added to each stratum: a stratum of few images that are all right is not without variance. That
    it covers the truth 93 to 97 times of 100 is simulated in
    ``tests/benchmarks/bench_label_sample.py``.

    Args:
        sizes: ``[strata]``, photos of the collection.
        looked: ``[strata]``, of them drawn and looked at; in each one at least.
        inside: ``[strata]``, of these the ones that count.
        right: ``[strata]``, of these the right ones.

    """
    size, m, k, y = (np.asarray(one, np.float64) for one in (sizes, looked, inside, right))
    part = size / size.sum()
    counted, correct = float((part * k / m).sum()), float((part * y / m).sum())
    share = min(1.0, correct / counted)
    images = float(k.sum())
    if m.sum() >= size.sum():  # all of it was looked at
        return Interval(value=share, low=share, high=share)
    middle = min(max(share, 0.5 / images), 1 - 0.5 / images)
    # Right, wrong, and what does not count, with one more of their mixture.
    is_right = (y + middle * counted) / (m + 1)
    is_wrong = (k - y + (1 - middle) * counted) / (m + 1)
    mean = is_right * (1 - middle) - is_wrong * middle
    spread = is_right * (1 - middle) ** 2 + is_wrong * middle**2 - mean**2
    variance = float((part**2 * spread / m * np.maximum(1 - m / size, 0)).sum()) / counted**2
    worth = middle * (1 - middle) / max(variance, 1e-12)
    if share in (0, 1):  # nothing is known of where the others are: only weights count
        worth = min(worth, 1 / float((part**2 / m * np.maximum(1 - m / size, 0)).sum()))
    low, high = wilson(share, min(worth, _MOST * images / (1 - m.sum() / size.sum())))
    return Interval(value=share, low=low, high=high)


def stratified(
    strata: Sequence[int], sizes: Mapping[int, int], outside: Mapping[int, int]
) -> StratifiedSample:
    """The sample that images with these strata are.

    A stratum of which nothing was looked at is judged by its neighbour (collapsed strata; Cochran,
    Sampling Techniques, section 5A.12).

    Args:
        strata: of each image.
        sizes: photos of the collection in each stratum; neighbours are alike.
        outside: of each stratum, photos looked at that are of none of the classes.

    """
    looked = {number: outside.get(number, 0) for number in sorted(sizes)}
    for number in strata:
        looked[number] += 1
    seen = [number for number, count in looked.items() if count]
    place = {number: min(seen, key=lambda one: abs(one - number)) for number in looked}
    totals = dict.fromkeys(seen, 0)
    for number, size in sizes.items():
        totals[place[number]] += size
    index = {number: position for position, number in enumerate(seen)}
    return StratifiedSample(
        np.array([index[number] for number in strata], np.int64),
        np.array(list(totals.values()), np.float64),
        np.array([looked[number] for number in seen], np.int64),
    )
