"""Whether a difference of two accuracies is more than chance.

A difference counts as shown where its 95 % interval leaves out zero and the p of the paired test,
corrected for the number of comparisons, is below 5 %: :attr:`Comparison.outcome`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest, t

from cupl.evaluation.ranking import Booleans, Floats
from cupl.evaluation.weighted import StratifiedSample, weights_of

_SIGNS = 100_000
"""Draws of signs."""


@dataclass(frozen=True, slots=True)
class PairedTest:
    """Two candidates on the same images.

    Attributes:
        won: images that the first has right in a larger share of its draws than the second.
        lost: images that the second has right in a larger share.
        p: two-sided.

    """

    won: int
    lost: int
    p: float


def paired_test(
    first: Booleans, second: Booleans, sample: StratifiedSample | None = None
) -> PairedTest:
    """Test whether two candidates are equally good.

    Where neither was drawn at random this is McNemar's exact test: where both are equally good,
    each image that one alone has right is a fair coin (McNemar 1947, as a binomial test).

    Where one was drawn several times, a difference has two sources of chance: which images there
    are, and which draws. With d the difference of the shares of draws that have an image right,
    over n images, and s^2 the variance of the accuracies of the K draws,

        V = sum(d^2) / n^2 + s^2 / K + s'^2 / K'

    The first term is the variance in McNemar's statistic. A candidate that was not drawn is held
    to be one more draw of the other (K' = 1, s' = s; Crawford & Howell, The Clinical
    Neuropsychologist 12, 1998): a bank is better than random words where it is better than
    further random words would be. mean(d) / sqrt(V) is compared with Student's t, with the degrees
    of freedom of Welch and Satterthwaite (Biometrics Bulletin 2, 1946) from K - 1 for the draws
    and, for the images, one less than those that differ. With few draws that takes a large
    difference; more draws make it smaller. Simulated in tests/evaluation/test_significance.py.

    Where images of a sample stand for more or fewer of a collection, each coin is worth its weight
    w: d is w d, n the sum of w, and the coins are tossed 100,000 times (a randomization test of the
    weighted sum, which with equal weights is McNemar's).

    Args:
        first: ``[draws, images]``, what each draw has right; one row of what was not drawn.
        second: ``[draws, images]``.
        sample: how the images were drawn from a collection, where that is what is tested.

    """
    weights = weights_of(sample, first.shape[1])
    d = first.mean(axis=0) - second.mean(axis=0)
    won, lost = int((d > 0).sum()), int((d < 0).sum())
    if len(first) == len(second) == 1 and sample is not None:
        return PairedTest(won, lost, _weighted_coins(d, sample))
    if len(first) == len(second) == 1:
        p = float(binomtest(won, won + lost).pvalue) if won + lost else 1.0
        return PairedTest(won, lost, p)
    if won + lost < 2:
        return PairedTest(won, lost, 1.0)
    d, total = d * weights, float(weights.sum())
    terms = [(float(np.square(d).sum()) / total**2, won + lost - 1)]
    terms += _draws(first, second, weights)
    variance = sum(term for term, _ in terms)
    freedom = variance**2 / sum(term**2 / degrees for term, degrees in terms)
    return PairedTest(won, lost, float(2 * t.sf(abs(d.sum() / total) / variance**0.5, freedom)))


def _draws(first: Booleans, second: Booleans, weights: Floats) -> list[tuple[float, int]]:
    """The variance that comes from the draws, in parts, each with its degrees of freedom."""
    drawn = [draws for draws in (first, second) if len(draws) > 1]
    spread = [float((draws @ weights / weights.sum()).var(ddof=1)) for draws in drawn]
    alone = len(drawn) == 1
    return [
        (s2 * (1 / len(draws) + alone), len(draws) - 1)
        for s2, draws in zip(spread, drawn, strict=True)
    ]


def _weighted_coins(d: Floats, sample: StratifiedSample) -> float:
    """Two-sided p of the weighted sum of signs, by as many tosses as there are images that differ.

    All images of a stratum weigh the same, so that a toss of them is one binomial number.
    """
    which = sample.strata[d != 0]
    numbers = np.bincount(which, minlength=len(sample.sizes))
    weights = sample.sizes / sample.looked
    observed = abs(float((d * sample.weights).sum()))
    heads = np.random.default_rng(0).binomial(numbers, 0.5, size=(_SIGNS, len(numbers)))
    tossed = np.abs((2 * heads - numbers) @ weights)
    as_far = int((tossed >= observed * (1 - 1e-9)).sum())
    return min(1.0, (1 + as_far) / (1 + _SIGNS))


def holm(ps: Sequence[float]) -> list[float]:
    """P values corrected for their number (Holm, Scandinavian Journal of Statistics 6, 1979).

    Where all that are below 5 % are called shown, the chance that one of them is not true is below
    5 %, however many there are and however they hang together.
    """
    corrected, highest = [0.0] * len(ps), 0.0
    for place, index in enumerate(np.argsort(ps, kind="stable")):
        highest = max(highest, min(1.0, (len(ps) - place) * ps[index]))
        corrected[index] = highest
    return corrected
