"""Thresholds of a filter: what is promised holds for any margins, and what cannot be is refused."""

import math
from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cupl.classification.filter_thresholds import (
    FilterThresholds,
    check_filter_rate,
    fit_filter_thresholds,
    usual_thresholds,
)
from cupl.embedding.provenance import Provenance
from cupl.errors import InputError

RATES = st.sampled_from([0.02, 0.05, 0.07, 0.1, 0.25, 0.3, 0.5])
MARGINS = st.lists(st.integers(-200, 200), min_size=51, max_size=70).map(
    lambda numbers: torch.tensor(numbers) / 200
)


@settings(max_examples=20)
@given(MARGINS, MARGINS, RATES, RATES)
def test_of_all_places_that_a_new_photo_can_have_few_are_wrong(
    blocked: torch.Tensor, fine: torch.Tensor, miss_rate: float, alarm_rate: float
) -> None:
    """Each of n + 1 exchangeable photos in turn is the new one, and the others are the examples."""

    def wrong(margins: torch.Tensor, is_blocked: bool) -> int:
        found = 0
        for place in range(len(margins)):
            rest = torch.cat([margins[:place], margins[place + 1 :]])
            pair = (rest, fine) if is_blocked else (blocked, rest)
            verdict = fit_filter_thresholds(*pair, miss_rate, alarm_rate).verdict(
                float(margins[place])
            )
            found += verdict == ("allow" if is_blocked else "block")
        return found

    assert wrong(blocked, True) <= Fraction(str(miss_rate)) * len(blocked)
    assert wrong(fine, False) <= Fraction(str(alarm_rate)) * len(fine)


def test_equal_rates_are_met_as_nearly_as_they_can_be() -> None:
    margins = torch.arange(99) / 100
    found = fit_filter_thresholds(margins, margins - 0.2, 0.05, 0.1)
    assert found.misses is not None
    assert found.false_alarms is not None
    assert found.misses.outcomes["allow"] == 4  # the fifth is the threshold: 5 of 100 places
    assert found.misses.expected == pytest.approx(0.05)
    assert found.false_alarms.outcomes["block"] == 9
    assert found.misses.likely_most > 0.05


def test_what_is_like_neither_is_for_review() -> None:
    found = fit_filter_thresholds(torch.full((20,), 0.8), torch.full((20,), -0.6), 0.05, 0.05)
    assert found.verdict(0.1) == "review"
    assert found.verdict(0.9) == "block"
    assert found.verdict(-0.7) == "allow"
    assert found.allow_below == pytest.approx(-0.6, abs=1e-5)


@pytest.mark.parametrize(("rate", "needed"), [(0.01, 99), (0.05, 19), (0.07, 14), (0.3, 3)])
def test_one_example_fewer_is_refused(rate: float, needed: int) -> None:
    enough, too_few = torch.rand(needed), torch.rand(needed - 1)
    assert fit_filter_thresholds(enough, enough, rate, rate).misses is not None
    with pytest.raises(
        InputError, match=f"a miss rate of {rate:g} needs at least {needed} examples"
    ):
        fit_filter_thresholds(too_few, enough, rate, rate)
    with pytest.raises(InputError, match="a false alarm rate of .*of what is fine"):
        fit_filter_thresholds(enough, too_few, rate, rate)


@pytest.mark.parametrize("number", [1, 2, 18, 40, 98])
def test_the_rate_that_is_offered_can_be_had(number: int) -> None:
    with pytest.raises(InputError, match="a rate of [0-9.]+ or more") as caught:
        check_filter_rate("miss_rate", 0.001, number)
    offered = str(caught.value).split("a rate of ")[1].split()[0]
    check_filter_rate("miss_rate", float(offered), number)


@pytest.mark.parametrize("rate", [0, 1, -0.1, 1.5, math.nan, True, "0.1"])
def test_what_is_no_rate(rate: float) -> None:
    with pytest.raises(InputError, match="miss_rate"):
        check_filter_rate("miss_rate", rate)


@pytest.mark.parametrize(
    ("low", "high", "message"),
    [
        (0.2, 0.1, "allowed and blocked"),
        (math.nan, 0.1, "allow_below is nan"),
        (0.0, 3.0, "block_above is 3"),
        ("0", 1, "must be a number"),
    ],
)
def test_thresholds_that_cannot_be(low: float, high: float, message: str) -> None:
    with pytest.raises(InputError, match=message):
        FilterThresholds(low, high)


def test_on_a_threshold_and_without_a_number_it_is_for_review() -> None:
    thresholds = FilterThresholds(-0.1, 0.1)
    assert [thresholds.verdict(one) for one in (-0.1, 0.1, math.nan)] == ["review"] * 3
    assert thresholds.doubt(0.0) < thresholds.doubt(0.05) == thresholds.doubt(-0.05)


def test_without_examples_odds_below_two_to_one_are_for_review() -> None:
    made_by = Provenance(
        encoder="e", fingerprint="f", logit_scale=50.0, pooling="mean", temperature=2.0
    )
    found = usual_thresholds(made_by)
    odds = math.exp(50.0 / 2.0 * found.block_above)
    assert odds == pytest.approx(2)
    assert found.allow_below == -found.block_above
