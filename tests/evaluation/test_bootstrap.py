import numpy as np
import pytest
from scipy.stats import binom

from cupl.evaluation.bootstrap import Statistic, intervals


@pytest.mark.parametrize("right", [40, 280, 396])
def test_an_interval_is_that_of_the_binomial_distribution(right: int) -> None:
    """Resampling 0s and 1s draws from a binomial distribution, so the interval is known."""
    row = np.zeros(400)
    row[:right] = 1
    (found,) = intervals([Statistic(row[None])], np.arange(400) % 7)
    low, high = binom.ppf([0.025, 0.975], 400, right / 400) / 400
    assert found.value == right / 400
    assert found.low == pytest.approx(low, abs=0.006)
    assert found.high == pytest.approx(high, abs=0.006)


def test_all_right_is_not_for_sure() -> None:
    """Of 6 images all right, no resample has a wrong one; of the next 6 some may be."""
    rows = np.array([[1.0] * 6, [0.0] * 6, [1.0] * 6])
    targets = np.array([0, 0, 0, 0, 0, 9])
    figures = [Statistic(row[None], per_class=place > 1) for place, row in enumerate(rows)]
    right, wrong, classes = intervals(figures, targets)
    # Wilson's interval of 6 of 6: n / (n + z^2).
    least = 6 / (6 + 1.96**2)
    assert [right.value, right.low, right.high] == pytest.approx([1, least, 1], abs=1e-3)
    assert [wrong.value, wrong.low, wrong.high] == pytest.approx([0, 0, 1 - least], abs=1e-3)
    # One image is half of the mean over two classes.
    assert classes.high == 1
    assert classes.low < right.low
    (less,) = intervals([Statistic(rows[:1], rows[2:])], targets)
    assert (less.value, less.low, less.high) == (0, 0, 0)


def test_the_mean_over_classes_is_of_those_in_the_resample() -> None:
    """A class with one image is in 63 % of the resamples only."""
    targets = np.array([0] * 50 + [1])
    rows = np.concatenate([np.zeros(50), [1.0]])[None]
    (found,) = intervals([Statistic(rows, per_class=True)], targets)
    assert (found.value, found.low, found.high) == (0.5, 0, 0.5)


def test_intervals_do_not_depend_on_the_figures_beside_them() -> None:
    random = np.random.default_rng(0)
    rows, targets = random.random((4, 60)), random.integers(0, 5, 60)
    figures = [Statistic(row[None], per_class=place % 2 > 0) for place, row in enumerate(rows)]
    together = intervals(figures, targets)
    for figure, one in zip(figures, together, strict=True):
        (alone,) = intervals([figure], targets)
        assert alone.model_dump() == pytest.approx(one.model_dump())


@pytest.mark.parametrize("images", [5, 400])
def test_a_difference_is_that_of_the_images_themselves(images: int) -> None:
    """What both have right alike takes no part in it."""
    random = np.random.default_rng(1)
    one, other = random.random((2, 1, images)) < 0.6
    targets = random.integers(0, 4, images)
    paired, plain = intervals(
        [Statistic(one, other), Statistic(one.astype(float) - other)], targets
    )
    assert paired.model_dump() == pytest.approx(plain.model_dump())


def test_draws_are_part_of_the_interval() -> None:
    """Where only the draws differ, and not the images, all of the interval is theirs."""
    rows = np.repeat([[0.2], [0.5], [0.8]], 50, axis=1)
    targets = np.arange(50) % 3
    for figure in (Statistic(rows), Statistic(rows, per_class=True)):
        (found,) = intervals([figure], targets)
        assert found.value == pytest.approx(0.5)
        assert (found.low, found.high) == pytest.approx((0.2, 0.8), abs=0.11)
    (less,) = intervals([Statistic(np.ones((1, 50)), rows)], targets)
    assert (less.value, less.low, less.high) == pytest.approx((0.5, 0.2, 0.8), abs=0.11)
    (same,) = intervals([Statistic(rows[1:2])], targets)
    assert same.low == same.high == pytest.approx(0.5)


def test_an_interval_over_draws_and_images_covers_both() -> None:
    random = np.random.default_rng(2)
    levels = np.array([[0.4], [0.5], [0.6]])
    rows = random.random((3, 200)) < levels
    both, images = intervals([Statistic(rows), Statistic(rows.mean(axis=0)[None])], rows[0] * 1)
    assert both.value == pytest.approx(images.value)
    assert both.low < images.low < images.high < both.high
