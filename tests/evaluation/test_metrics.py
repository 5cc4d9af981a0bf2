import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom
from sklearn.metrics import balanced_accuracy_score, top_k_accuracy_score

from cupl.bank.labels import ClassLabel
from cupl.embedding.class_vectors import Provenance
from cupl.evaluation.metrics import (
    BINS,
    ImageRanks,
    calibrate,
    class_accuracies,
    confusions,
    halves,
    intervals,
    mcnemar,
    rank_images,
)

CLIP = Provenance(encoder="e", fingerprint="f", logit_scale=10.0, pooling="normalized-mean")
SIGLIP = CLIP.model_copy(update={"logit_bias": -3.0})


def run_of(ranks: list[int]) -> ImageRanks:
    return ImageRanks(np.zeros(len(ranks), np.int64), np.array(ranks), np.ones(len(ranks)))


@settings(max_examples=50)
@given(
    images=st.integers(1, 30),
    classes=st.integers(2, 9),
    steps=st.sampled_from([2, 5, 1000]),
    seed=st.integers(0, 1000),
)
def test_ranks_are_the_places_in_a_stable_order(
    images: int, classes: int, steps: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    scores = torch.from_numpy(random.integers(0, steps, (images, classes)) / steps)
    targets = torch.from_numpy(random.integers(0, classes, images))
    run = rank_images(scores, targets, CLIP)
    order = scores.sort(dim=1, descending=True, stable=True).indices
    assert run.predicted.tolist() == order[:, 0].tolist()
    places = (order == targets[:, None]).int().argmax(dim=1) + 1
    assert run.ranks.tolist() == places.tolist()
    probabilities = (10 * scores).softmax(dim=1).amax(dim=1)
    np.testing.assert_allclose(run.confidence, probabilities.numpy(), rtol=1e-6)


def test_accuracies_are_those_of_scikit_learn() -> None:
    random = np.random.default_rng(0)
    targets = random.integers(0, 8, 300)
    scores = random.random((300, 8))
    scores[np.arange(300), targets] += 0.2
    run = rank_images(torch.from_numpy(scores), torch.from_numpy(targets), CLIP)
    five = (run.ranks <= 5).astype(float)
    rows = np.stack([run.right.astype(float), five, run.right.astype(float)])
    found = intervals(rows, targets, [False, False, True])
    for one, k in zip(found, (1, 5), strict=False):
        assert one.value == pytest.approx(top_k_accuracy_score(targets, scores, k=k))
    assert found[2].value == pytest.approx(balanced_accuracy_score(targets, run.predicted))
    names = [ClassLabel(f"c{i}") for i in range(9)]
    each = class_accuracies(run.right, targets, names)
    assert len(each) == 8  # the ninth has no image
    assert np.mean([one.accuracy for one in each]) == pytest.approx(found[2].value)
    assert sum(one.images for one in each) == 300


@pytest.mark.parametrize("right", [40, 280, 396])
def test_an_interval_is_that_of_the_binomial_distribution(right: int) -> None:
    """Resampling 0s and 1s draws from a binomial distribution, so the interval is known."""
    row = np.zeros(400)
    row[:right] = 1
    (found,) = intervals(row[None], np.arange(400) % 7, [False])
    low, high = binom.ppf([0.025, 0.975], 400, right / 400) / 400
    assert found.value == right / 400
    assert found.low == pytest.approx(low, abs=0.006)
    assert found.high == pytest.approx(high, abs=0.006)


def test_intervals_of_figures_that_cannot_vary() -> None:
    rows = np.array([[1.0] * 6, [0.0] * 6, [1.0] * 6])
    targets = np.array([0, 0, 0, 0, 0, 9])
    for found, value in zip(intervals(rows, targets, [False, True, True]), (1, 0, 1), strict=True):
        assert (found.value, found.low, found.high) == (value, value, value)
    (alone,) = intervals(np.array([[1.0]]), np.array([4]), [True])
    assert (alone.value, alone.low, alone.high) == (1, 1, 1)


def test_the_mean_over_classes_is_of_those_in_the_resample() -> None:
    """A class with one image is in 63 % of the resamples only."""
    targets = np.array([0] * 50 + [1])
    rows = np.concatenate([np.zeros(50), [1.0]])[None]
    (found,) = intervals(rows, targets, [True])
    assert (found.value, found.low, found.high) == (0.5, 0, 0.5)


def test_intervals_do_not_depend_on_the_figures_beside_them() -> None:
    random = np.random.default_rng(0)
    rows, targets = random.random((4, 60)), random.integers(0, 5, 60)
    together = intervals(rows, targets, [False, True, False, True])
    for row, one, wide in zip(rows, together, (False, True) * 2, strict=True):
        (alone,) = intervals(row[None], targets, [wide])
        assert alone.model_dump() == pytest.approx(one.model_dump())


def test_mcnemar_counts_images_that_one_alone_has_right() -> None:
    first, second = run_of([1] * 8 + [2, 3] + [1] * 90), run_of([4] * 8 + [1, 1] + [1] * 90)
    won, lost, p = mcnemar(first.right, second.right)
    assert (won, lost) == (8, 2)
    assert p == pytest.approx(2 * binom.cdf(2, 10, 0.5))
    assert mcnemar(second.right, first.right) == (2, 8, p)
    assert mcnemar(first.right, first.right) == (0, 0, 1.0)


@pytest.mark.parametrize("provenance", [CLIP, SIGLIP])
@pytest.mark.parametrize("planted", [0.5, 1.0, 3.0])
def test_a_planted_miscalibration_is_found_and_mended(
    planted: float, provenance: Provenance
) -> None:
    random = torch.Generator().manual_seed(0)
    scores = torch.rand(6000, 6, generator=random)
    true = provenance.model_copy(update={"temperature": planted}).probabilities(scores)
    if provenance is SIGLIP:  # images of exactly one class, as drawn from independent coins
        coins = torch.rand(true.shape, generator=random) < true
        alone = coins.sum(dim=1) == 1
        scores, targets = scores[alone], coins[alone].int().argmax(dim=1)
    else:
        targets = torch.multinomial(true, 1, generator=random)[:, 0]
    found = calibrate(scores, targets, provenance, rank_images(scores, targets, provenance))
    assert found is not None
    calibration, confidence = found
    assert calibration.images_fitted + calibration.images_measured == len(targets)
    if provenance is CLIP:
        assert calibration.temperature == pytest.approx(planted, rel=0.1)
        assert calibration.after < 0.05
        if planted != 1:
            assert calibration.before > calibration.after + 0.05
    assert len(confidence) == len(targets)
    for bins, error in (
        (calibration.bins_before, calibration.before),
        (calibration.bins_after, calibration.after),
    ):
        assert len(bins) == BINS
        assert sum(one.images for one in bins) == calibration.images_measured
        gaps = sum(one.images * abs(one.confidence - one.accuracy) for one in bins)
        assert gaps / calibration.images_measured == pytest.approx(error, abs=1e-3)


def test_too_few_images_are_not_calibrated() -> None:
    scores, targets = torch.rand(20, 3), torch.arange(20) % 3
    run = rank_images(scores, targets, CLIP)
    assert calibrate(scores[:19], targets[:19], CLIP, run) is None
    assert calibrate(scores, targets, CLIP, run) is not None
    one, zeros = torch.rand(20, 1), torch.zeros(20, dtype=torch.int64)
    assert calibrate(one, zeros, CLIP, rank_images(one, zeros, CLIP)) is not None


def test_half_of_the_images_fit_and_half_measure() -> None:
    assert halves(101).sum() == 50
    assert 20 < halves(100)[:50].sum() < 30  # not the first ones
    assert (halves(100) == halves(100)).all()


def test_confusions_are_the_most_frequent_pairs() -> None:
    labels = [ClassLabel("a"), ClassLabel("b", "n1"), ClassLabel("c"), ClassLabel("d")]
    targets = np.array([0] * 6 + [1] * 4 + [2] * 2)
    predicted = np.array([1, 1, 1, 0, 0, 3, 1, 1, 1, 0, 2, 2])
    run = ImageRanks(predicted, np.where(predicted == targets, 1, 2), np.ones(12))
    found = [(one.truth, one.predicted, one.images) for one in confusions(run, targets, labels)]
    assert found == [("a", "b (n1)", 3), ("a", "d", 1), ("b (n1)", "a", 1)]
    assert confusions(run, targets, labels)[0].share == 0.5
    assert confusions(run_of([1] * 5), np.zeros(5, np.int64), labels) == []
