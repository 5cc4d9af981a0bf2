import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cupl.classification.thresholds import check_rate, examples_needed, fit_thresholds
from cupl.embedding.fitted import FittedThreshold
from cupl.errors import InputError


def passes(fitted: FittedThreshold, score: float, nearest: int) -> bool:
    own = fitted.by_class[nearest]
    return score >= (fitted.common if own is None else own)


@pytest.mark.parametrize(("rate", "needed"), [(0.95, 19), (0.9, 9), (0.5, 1), (0.99, 99)])
def test_how_many_examples_a_rate_needs(rate: float, needed: int) -> None:
    assert examples_needed(rate) == needed
    scores = torch.arange(float(needed))
    fitted = fit_thresholds(scores, torch.zeros(needed, dtype=torch.int64), 1, rate)
    assert fitted.expected == pytest.approx(rate)
    with pytest.raises(InputError, match=f"at least {needed} examples, and there"):
        fit_thresholds(scores[1:], torch.zeros(needed - 1, dtype=torch.int64), 1, rate)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 5), min_size=21, max_size=60),
    st.sampled_from([0.5, 0.8, 0.9, 0.95]),
    st.integers(1, 3),
    st.randoms(use_true_random=False),
)
def test_each_left_out_in_turn_passes_at_the_rate(
    values: list[int], keep: float, classes: int, random: object
) -> None:
    """The exact statement: of n + 1 exchangeable scores, each in turn being the new one."""
    nearest = torch.tensor([number % classes for number in range(len(values))])
    scores = torch.tensor(values, dtype=torch.float32)
    passed = [0] * classes
    for number in range(len(values)):
        rest = torch.arange(len(values)) != number
        # Without the classes, so that the thresholds are of all.
        fitted = fit_thresholds(scores[rest], torch.zeros_like(nearest[rest]), 1, keep)
        passed[int(nearest[number])] += passes(fitted, values[number], 0)
    assert sum(passed) / len(values) >= keep


def test_a_class_with_enough_examples_has_its_own_threshold() -> None:
    scores = torch.cat(
        [torch.linspace(1, 2, 50), torch.linspace(5, 6, 44), torch.linspace(0, 1, 9)]
    )
    nearest = torch.tensor([0] * 50 + [1] * 44 + [2] * 9)
    fitted = fit_thresholds(scores, nearest, 4, 0.9)
    assert fitted.own == 1
    assert fitted.by_class[0] == pytest.approx(float(scores[4]), abs=1e-5)
    assert fitted.by_class[1:] == (None, None, None)
    others = scores[50:].sort().values  # 53: the fifth lowest
    assert fitted.common == pytest.approx(float(others[4]), abs=1e-5)


def test_new_photos_pass_at_the_rate_in_each_class() -> None:
    random = np.random.default_rng(0)
    shares = []
    for _ in range(200):
        scores = torch.from_numpy(random.normal(size=200)) + torch.arange(4.0).repeat(50) * 3
        nearest = torch.arange(4).repeat(50)
        new = torch.from_numpy(random.normal(size=200)) + torch.arange(4.0).repeat(50) * 3
        fitted = fit_thresholds(scores.float(), nearest, 4, 0.9)
        found = [passes(fitted, float(new[i]), int(nearest[i])) for i in range(200)]
        shares.append([np.mean(found[kind::4]) for kind in range(4)])
    assert np.abs(np.mean(shares, axis=0) - fitted.expected).max() < 0.015


@pytest.mark.parametrize("keep", [0.0, 1.0, -0.1, 1.5, float("nan")])
def test_no_share_is_refused(keep: float) -> None:
    with pytest.raises(InputError, match="between 0 and 1"):
        fit_thresholds(torch.ones(50), torch.zeros(50, dtype=torch.int64), 1, keep)


@pytest.mark.parametrize("rate", ["a", None, True, 0, 1, -0.5, 95, float("nan")])
def test_what_is_no_rate_is_named(rate: object) -> None:
    with pytest.raises(InputError, match="give a share between 0 and 1"):
        check_rate("keep", rate, 100)  # type: ignore[arg-type]
