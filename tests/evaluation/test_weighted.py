import itertools

import numpy as np
import pytest
from scipy.stats import binomtest

from cupl.evaluation.bootstrap import Statistic, intervals
from cupl.evaluation.ranking import ImageRanks, class_accuracies, confusions
from cupl.evaluation.significance import paired_test
from cupl.evaluation.weighted import (
    StratifiedSample,
    share_interval,
    stratified,
    weights_of,
)
from tests.models import bank_of


def sample_of(*strata: tuple[int, int, int]) -> StratifiedSample:
    """Of each stratum the photos, those looked at, and of these the ones that count."""
    inside = np.repeat(np.arange(len(strata)), [one[2] for one in strata])
    sizes, looked, _ = zip(*strata, strict=True)
    return StratifiedSample(inside, np.array(sizes, float), np.array(looked))


def test_an_image_stands_for_its_share_of_the_stratum() -> None:
    sample = sample_of((1000, 10, 10), (100, 20, 20))
    assert sample.weights.tolist() == [100] * 10 + [5] * 20
    right = np.array([1.0] * 10 + [0.0] * 20)
    (found,) = intervals([Statistic(right[None])], np.zeros(30, np.int64), sample=sample)
    assert found.value == pytest.approx(1000 / 1100)
    assert found.low < found.value < found.high


def test_what_is_of_no_class_is_looked_at_and_does_not_count() -> None:
    """Half of the first stratum: its images stand for half of its photos."""
    sample = sample_of((1000, 10, 5), (1000, 10, 10))
    right = np.array([True] * 5 + [False] * 10)
    assert sample.interval(right).value == pytest.approx(500 / 1500)
    assert np.average(right, weights=sample.weights) == pytest.approx(500 / 1500)


@pytest.mark.parametrize(("right", "images"), [(0, 100), (37, 100), (99, 100), (100, 100)])
def test_one_stratum_has_the_interval_of_wilson(right: int, images: int) -> None:
    """But that one more image, as right as all, is in the variance: a hundredth of the width."""
    found = share_interval([10**9], [images], [images], [right])
    known = binomtest(right, images).proportion_ci(method="wilson")
    assert found.value == right / images
    assert found.low == pytest.approx(known.low, abs=0.011)
    assert found.high == pytest.approx(known.high, abs=0.011)


def test_all_right_is_not_certainty() -> None:
    sample = sample_of(*[(250, 12, 12)] * 8)
    right = np.ones(96)
    targets = np.arange(96) % 4
    for per_class in (False, True):
        (found,) = intervals([Statistic(right[None], per_class=per_class)], targets, sample=sample)
        assert found.value == found.high == 1
        assert 0.93 < found.low < 0.985
    draws = Statistic(np.ones((3, 96)))
    assert intervals([draws], targets, sample=sample)[0].low < 0.985


def test_a_collection_that_was_looked_at_whole_leaves_nothing_open() -> None:
    sample = sample_of((10, 10, 10), (20, 20, 20))
    right = np.arange(30) % 3 > 0
    found = sample.interval(right)
    assert found.low == found.value == found.high == right.mean()
    other = Statistic(right[None], (~right)[None])
    (difference,) = intervals([other], np.zeros(30, np.int64), sample=sample)
    assert difference.low == pytest.approx(difference.high) == difference.value


@pytest.mark.parametrize(("won", "lost"), [(0, 0), (0, 1), (2, 0), (0, 3), (1, 4)])
def test_a_few_photos_that_differ_show_no_difference(won: int, lost: int) -> None:
    sample = sample_of(*[(250, 12, 12)] * 8)
    first, second = np.zeros((2, 1, 96))
    first[0, np.arange(won) * 12] = 1
    second[0, 50 + np.arange(lost) * 12 % 46] = 1
    less, more = intervals(
        [Statistic(first, second), Statistic(second, first)], np.arange(96) % 4, sample=sample
    )
    assert less.value == pytest.approx((won - lost) / 96)
    assert less.low < 0 < less.high
    assert less.low < less.value < less.high
    assert (more.low, more.high) == pytest.approx((-less.high, -less.low))


def test_a_difference_of_one_stratum_has_the_interval_of_newcombe() -> None:
    """Won 20, lost 9 of 100: as square-and-add of Wilson's intervals has it, about."""
    sample = sample_of((10**9, 100, 100))
    first, second = np.zeros((2, 1, 100))
    first[0, :20], second[0, 20:29] = 1, 1
    (found,) = intervals([Statistic(first, second)], np.zeros(100, np.int64), sample=sample)
    spread = 1.96 * ((0.29 - 0.11**2) / 100) ** 0.5
    assert (found.low, found.high) == pytest.approx((0.11 - spread, 0.11 + spread), abs=0.012)
    drawn = Statistic(np.repeat(first, 3, axis=0), second)
    (several,) = intervals([drawn], np.zeros(100, np.int64), sample=sample)
    assert several.low <= found.low < found.high <= several.high


def test_resamples_vary_as_the_estimate_does() -> None:
    """The variance of a stratified mean: sum of (N_h / N)^2 (1 - m_h / N_h) s_h^2 / m_h."""
    sample = sample_of((60, 20, 20), (400, 20, 20))
    values = np.random.default_rng(0).random(40)
    drawn = sample.resampled(40_000, np.random.default_rng(1))
    means = drawn @ values / 460
    parts = values.reshape(2, 20).var(axis=1, ddof=1) / 20
    expected = (parts * np.array([60, 400]) ** 2 / 460**2 * [1 - 20 / 60, 1 - 20 / 400]).sum()
    assert means.mean() == pytest.approx(np.average(values, weights=sample.weights), abs=1e-3)
    assert means.var() == pytest.approx(expected, rel=0.04)


def test_a_stratum_that_nobody_looked_at_goes_with_its_neighbour() -> None:
    sample = stratified([1, 1, 4], {1: 10, 2: 20, 3: 30, 4: 40}, {})
    assert sample.sizes.tolist() == [30, 70]
    assert sample.looked.tolist() == [2, 1]
    assert sample.weights.sum() == 100
    sample = stratified([1], {1: 10, 2: 20}, {2: 3})
    assert (sample.looked.tolist(), sample.weights.tolist()) == ([1, 3], [10])


def test_equal_weights_are_no_weights() -> None:
    assert weights_of(None, 3).tolist() == [1, 1, 1]
    rng = np.random.default_rng(0)
    first, second = rng.random((1, 60)) < 0.8, rng.random((1, 60)) < 0.6
    equal = sample_of((300, 30, 30), (300, 30, 30))
    plain, weighted = paired_test(first, second), paired_test(first, second, equal)
    assert (plain.won, plain.lost) == (weighted.won, weighted.lost)
    assert weighted.p == pytest.approx(plain.p, abs=0.005)
    drawn = rng.random((3, 60)) < 0.6
    assert paired_test(first, drawn).p == pytest.approx(paired_test(first, drawn, equal).p)


def test_a_paired_test_counts_what_images_stand_for() -> None:
    """As sums over all tosses tell, where there are few."""
    sample = sample_of((900, 3, 3), (30, 3, 3))
    first = np.array([[True, True, False, True, True, False]])
    second = np.array([[False, False, False, False, False, True]])
    d = np.array([1, 1, 0, 1, 1, -1]) * sample.weights
    tossed = [abs((np.array(signs) * d).sum()) for signs in itertools.product([-1, 1], repeat=6)]
    exact = np.mean(np.array(tossed) >= abs(d.sum()) - 1e-9)
    assert paired_test(first, second, sample).p == pytest.approx(exact, abs=0.01)
    assert paired_test(first, first, sample).p == 1


def test_a_paired_test_is_wrong_as_rarely_as_it_says() -> None:
    """Two models that are equally good in each stratum, over many samples."""
    rng, shown = np.random.default_rng(0), 0
    sample = sample_of((800, 15, 15), (100, 15, 15), (100, 15, 15))
    accuracy = np.repeat([0.9, 0.7, 0.4], 15)
    for _ in range(400):
        one, other = (rng.random((1, 45)) < accuracy for _ in range(2))
        shown += paired_test(one, other, sample).p < 0.05
    assert shown <= 30


def test_classes_and_confusions_are_those_of_the_collection() -> None:
    labels = [entry.label for entry in bank_of({"cat": ["a"], "dog": ["b"], "emu": ["c"]})]
    sample = sample_of((900, 3, 3), (30, 3, 3))
    targets = np.array([0, 0, 1, 0, 0, 0])
    run = ImageRanks(np.array([0, 1, 1, 2, 2, 2]), np.array([1, 2, 1, 2, 2, 2]), np.ones(6))
    cat, dog = class_accuracies(run.correct, targets, labels, sample)
    assert cat.images == 5
    assert cat.accuracy == pytest.approx(300 / 630)
    assert (dog.images, dog.accuracy) == (1, 1)
    first, second = confusions(run, targets, labels, sample)
    assert (first.predicted, first.images) == ("dog", 1)
    assert (second.predicted, second.images) == ("emu", 3)
    assert first.share == pytest.approx(300 / 630)
    assert second.share == pytest.approx(30 / 630)
