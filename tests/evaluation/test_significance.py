"""Tests of the tests: by hand, by properties, and by simulation of worlds with a known answer."""

from collections.abc import Iterator, Sequence

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, ttest_ind

from cupl.bank.model import PromptBank
from cupl.embedding.normalize import unit
from cupl.embedding.pooling import pool
from cupl.evaluation.bootstrap import Statistic, intervals
from cupl.evaluation.controls import random_words_bank
from cupl.evaluation.ranking import Booleans
from cupl.evaluation.schema import Comparison, Outcome
from cupl.evaluation.significance import PairedTest, holm, paired_test
from tests.evaluation.planted import PlantedEncoder, planted_bank


def row(values: Sequence[int]) -> Booleans:
    return np.array([values], bool)


def test_mcnemar_counts_images_that_one_alone_has_right() -> None:
    first, second = row([1] * 8 + [0, 0] + [1] * 90), row([0] * 8 + [1, 1] + [1] * 90)
    test = paired_test(first, second)
    assert (test.won, test.lost) == (8, 2)
    assert test.p == pytest.approx(2 * binom.cdf(2, 10, 0.5))
    assert paired_test(second, first) == PairedTest(2, 8, test.p)
    assert paired_test(first, first) == PairedTest(0, 0, 1.0)


def test_one_image_is_no_proof() -> None:
    nothing, something = row([0]), row([1])
    assert paired_test(something, nothing) == PairedTest(1, 0, 1.0)
    for draws in (2, 3, 50):
        none = np.repeat(nothing, draws, axis=0)
        assert paired_test(something, none) == PairedTest(1, 0, 1.0)
        assert paired_test(none, something) == PairedTest(0, 1, 1.0)


@pytest.mark.parametrize("won", range(4, 12))
def test_few_images_that_all_are_won_prove_no_more_than_an_exact_test(won: int) -> None:
    """Draws that are all the same add nothing, and take nothing away."""
    one, other = row([1] * won + [1] * 200), row([0] * won + [1] * 200)
    exact = paired_test(one, other).p
    assert exact == pytest.approx(2 * 0.5**won)
    assert paired_test(one, np.repeat(other, 3, axis=0)).p >= exact


def test_draws_that_differ_make_a_difference_harder_to_show() -> None:
    images = np.arange(1000)
    bank = (images % 10 < 8)[None]
    alike = np.stack([images % 10 < 7] * 3)
    apart = np.stack([images % 10 < share for share in (6, 7, 8)])
    assert alike.mean() == apart.mean()
    assert paired_test(bank, alike).p < 1e-9
    assert paired_test(bank, apart).p > 0.3
    more = np.concatenate([apart] * 10)
    assert paired_test(bank, more).p < paired_test(bank, apart).p


def test_with_no_end_of_images_only_the_draws_are_left() -> None:
    """Then it is the test of one value against a sample (Crawford & Howell), Student's t."""
    images = np.arange(400_000) / 400_000
    levels = (0.30, 0.35, 0.33, 0.31)
    draws = np.stack([images < level for level in levels])
    bank = (images < 0.37)[None]
    by_hand = ttest_ind([0.37], levels).pvalue
    assert paired_test(bank, draws).p == pytest.approx(by_hand, rel=0.02)


draws = st.integers(1, 4)


@given(first=draws, second=draws, images=st.integers(1, 30), seed=st.integers(0, 10_000))
def test_the_order_of_the_two_changes_only_who_won(
    first: int, second: int, images: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    one, other = random.random((first, images)) < 0.6, random.random((second, images)) < 0.5
    test, turned = paired_test(one, other), paired_test(other, one)
    assert (test.won, test.lost) == (turned.lost, turned.won)
    assert test.p == pytest.approx(turned.p)
    assert 0 < test.p <= 1
    shuffled = random.permutation(images)
    assert paired_test(one[:, shuffled], other[:, shuffled]).p == pytest.approx(test.p)
    assert paired_test(one[::-1], other).p == pytest.approx(test.p)


@given(st.lists(st.floats(0, 1), max_size=8))
def test_corrected_p_values(ps: list[float]) -> None:
    corrected = holm(ps)
    assert len(corrected) == len(ps)
    for p, q in zip(ps, corrected, strict=True):
        assert p <= q <= min(1, len(ps) * p)
    pairs = sorted(zip(ps, corrected, strict=True))
    assert [q for _, q in pairs] == sorted(corrected)


def test_corrected_p_values_by_hand() -> None:
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert holm([]) == []


def outcome(one: Booleans, other: Booleans, targets: Sequence[int]) -> Outcome:
    """The verdict on the first."""
    test = paired_test(one, other)
    if test.p >= 0.05:
        return "open"
    [difference] = intervals([Statistic(one, other)], np.array(targets))
    return Comparison(to="", difference=difference, won=test.won, lost=test.lost, p=test.p).outcome


def latent_worlds(
    number: int, shift: float, *, images: int, draws: int, of_draws: float, of_classes: float
) -> Iterator[Outcome]:
    """A bank that is one more draw of the control, but for a shift of what it takes to be right.

    An image is right where the sum of its own part (1), one of the draw, one of the draw and
    class, and one of draw and image (0.3) is above zero; in brackets standard deviations.
    """
    random = np.random.default_rng(0)
    targets = np.arange(images) % 10
    for _ in range(number):
        level = random.normal(0.5, 1, images) + 0.3 * random.normal(size=(draws + 1, images))
        level += of_draws * random.normal(size=(draws + 1, 1))
        level += of_classes * random.normal(size=(draws + 1, 10))[:, targets]
        level[0] += shift
        yield outcome(level[:1] > 0, level[1:] > 0, targets.tolist())


WORLDS = [(300, 3, 0.0, 0.0), (300, 3, 0.05, 0.1), (1000, 3, 0.1, 0.1), (300, 10, 0.05, 0.1)]


@pytest.mark.parametrize(("images", "draws", "of_draws", "of_classes"), WORLDS)
def test_a_bank_that_is_one_more_draw_is_seldom_called_better(
    images: int, draws: int, of_draws: float, of_classes: float
) -> None:
    found = list(latent_worlds(
        500, 0.0, images=images, draws=draws, of_draws=of_draws, of_classes=of_classes
    ))  # fmt: skip
    assert found.count("better") <= 0.05 * len(found)
    assert found.count("worse") <= 0.05 * len(found)


@pytest.mark.parametrize(
    ("world", "shift", "least"),
    [(WORLDS[0], 0.3, 0.85), (WORLDS[1], 0.6, 0.85), (WORLDS[2], 0.9, 0.8), (WORLDS[3], 0.3, 0.7)],
)
def test_a_planted_difference_is_found(
    world: tuple[int, int, float, float], shift: float, least: float
) -> None:
    images, draws, of_draws, of_classes = world
    found = list(latent_worlds(
        200, shift, images=images, draws=draws, of_draws=of_draws, of_classes=of_classes
    ))  # fmt: skip
    assert found.count("better") >= least * len(found)
    assert not found.count("worse")


def right_images(
    banks: Sequence[PromptBank],
    encoder: PlantedEncoder,
    images: torch.Tensor,
    targets: Sequence[int],
) -> Booleans:
    """``[banks, images]``."""
    rows = []
    for bank in banks:
        texts = [text for entry in bank for text in entry.texts]
        pooled = pool(encoder.encode_text(texts), [len(entry.texts) for entry in bank])
        rows.append((images @ unit(pooled).T).argmax(dim=1).numpy() == np.array(targets))
    return np.stack(rows)


def test_real_random_words_are_no_better_than_random_words() -> None:
    """The control itself in place of a bank, with other seeds, on images near their class."""
    classes, worlds = 8, 200
    base = planted_bank(classes, {"What?": ["A {} of some kind.", "The {}, seen from here."] * 2})
    random, found = torch.Generator().manual_seed(0), list[Outcome]()
    encoder = PlantedEncoder(classes, noise=2.0)
    targets = [i % classes for i in range(200)]
    for world in range(worlds):
        images = torch.randn(len(targets), encoder.dim, generator=random)
        images[range(len(targets)), targets] += 3
        seeds = range(4 * world, 4 * world + 4)
        made = [random_words_bank(base, seed) for seed in seeds]
        correct = right_images(made, encoder, unit(images), targets)
        found.append(outcome(correct[:1], correct[1:], targets))
    assert found.count("better") <= 0.05 * worlds
    assert 0.2 < correct.mean() < 0.9
