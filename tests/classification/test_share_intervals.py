"""Intervals of shares against the definitions."""

import pytest
from scipy.stats import binom, binomtest

from cupl.classification.share_intervals import likely_most, wilson


@pytest.mark.parametrize(("right", "images"), [(0, 10), (3, 40), (40, 40), (500, 1000)])
def test_wilson_is_that_of_scipy(right: int, images: int) -> None:
    known = binomtest(right, images).proportion_ci(method="wilson")
    assert wilson(right / images, images) == pytest.approx((known.low, known.high))


@pytest.mark.parametrize(("place", "number"), [(1, 19), (1, 99), (5, 99), (50, 999)])
def test_a_share_is_likely_below_that(place: int, number: int) -> None:
    """The place-th lowest score has a share above x below it, iff fewer than place are below x."""
    most = likely_most(place, number)
    assert most > place / (number + 1)
    assert binom.cdf(place - 1, number, most) == pytest.approx(0.05)
