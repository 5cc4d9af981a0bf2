"""From where on a photo is blocked, and up to where it is allowed.

The margin of a photo is its cosine with the nearest blocked class less that with the nearest
allowed class; where one of the two sides is not given, its cosine counts as 0. It is allowed below
one threshold, blocked above another, and between them a person has to look.

Examples say where these lie at stated rates. With n margins of photos that are to be blocked,
s_(1) <= ... <= s_(n), and m of fine ones, f_(1) <= ... <= f_(m),

    j = floor(miss_rate (n + 1)),           t = s_(j)
    i = floor(false_alarm_rate (m + 1)),    u = f_(m + 1 - i)
    allowed: margin < min(t, u),            blocked: margin > max(t, u)

A new photo that is to be blocked is allowed with probability miss_rate at most, and a fine one is
blocked with probability false_alarm_rate at most, whatever the margins are (split conformal
prediction, as in :mod:`cupl.classification.thresholds`). Where t lies above u, what lies between
them is like neither, and is for review too, which can only lower both rates.

These are means over sets of examples. With one set the share is a draw from Beta(j, n + 1 - j), of
which :func:`~cupl.classification.share_intervals.likely_most` gives the end.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import torch

from cupl.classification.share_intervals import likely_most, wilson
from cupl.classification.thresholds import examples_needed, passing
from cupl.embedding.provenance import Provenance
from cupl.errors import InputError
from cupl.io.arguments import check_numbers
from cupl.io.words import number_of

FilterVerdict = Literal["block", "review", "allow"]
VERDICTS: tuple[FilterVerdict, ...] = ("block", "review", "allow")

_ODDS = 2.0
"""Without examples a photo is for review where neither side is so many times likelier."""
_SLACK = 1e-6
"""How much the margin of one image differs with the images that it is computed together with."""
_SIDES = {"miss_rate": "what is to be blocked", "false_alarm_rate": "what is fine"}


@dataclass(frozen=True, slots=True)
class RateFit:
    """What examples of one kind say of a threshold.

    Attributes:
        rate: what was asked for.
        expected: share of such photos on the wrong side, on average over sets of examples: at most
            ``rate``.
        likely_most: what this share is at most in 95 of 100 sets of so many examples.
        outcomes: of the examples themselves.

    """

    rate: float
    expected: float
    likely_most: float
    outcomes: Mapping[FilterVerdict, int]

    @property
    def examples(self) -> int:
        """How many there are."""
        return sum(self.outcomes.values())

    def share(self, *verdicts: FilterVerdict) -> tuple[float, float, float]:
        """The share of the examples with one of these verdicts, and its 95 % interval (Wilson)."""
        found = sum(self.outcomes[one] for one in verdicts) / self.examples
        return found, *wilson(found, self.examples)


@dataclass(frozen=True, slots=True)
class FilterThresholds:
    """What margin is allowed and what is blocked.

    Attributes:
        allow_below: a photo with a lower margin is allowed.
        block_above: a photo with a higher margin is blocked.
        misses: where they were fitted, the examples of what is to be blocked.
        false_alarms: and those of what is fine.

    Raises:
        InputError: they are no numbers from -2 to 2, or in the wrong order.

    """

    allow_below: float
    block_above: float
    misses: RateFit | None = None
    false_alarms: RateFit | None = None

    def __post_init__(self) -> None:
        given = {"allow_below": self.allow_below, "block_above": self.block_above}
        check_numbers(**given)
        for name, value in given.items():
            if not -2 <= value <= 2:  # no NaN either
                raise InputError(f"{name} is {value}: a difference of two cosines is from -2 to 2")
        if self.allow_below > self.block_above:
            raise InputError(
                f"a photo would be allowed and blocked: allow_below is {self.allow_below:g} and "
                f"block_above {self.block_above:g}, which must not be less"
            )

    def verdict(self, margin: float) -> FilterVerdict:
        """What becomes of a photo with this margin; what is no number is for review."""
        if margin < self.allow_below:
            return "allow"
        return "block" if margin > self.block_above else "review"

    def doubt(self, margin: float) -> float:
        """How far a margin is from the middle between the thresholds; the least, the most doubt."""
        return abs(margin - (self.allow_below + self.block_above) / 2)


def usual_thresholds(made_by: Provenance) -> FilterThresholds:
    """Where there are no examples: for review is what has odds below 2 to 1 either way.

    The odds are those of the softmax of the two classes, exp(logit_scale * margin / temperature).
    """
    band = math.log(_ODDS) * made_by.temperature / made_by.logit_scale
    return FilterThresholds(-band, band)


def check_filter_rate(name: str, rate: float, number: int | None = None) -> None:
    """Accept a rate of wrong decisions that so many examples can promise.

    Args:
        name: ``miss_rate`` or ``false_alarm_rate``.
        rate: between 0 and 1.
        number: examples; None where that is not known yet.

    Raises:
        InputError: it is no rate, or needs more examples.

    """
    check_numbers(**{name: rate})
    if isinstance(rate, bool) or not 0 < rate < 1:
        raise InputError(f"{name} is {rate!r:.80}: give a share between 0 and 1, such as 0.05")
    if number is not None and number < (needed := examples_needed(_kept(rate))):
        way_out = f"or a rate of {_least(number):g} or more" if number else "and both kinds"
        raise InputError(
            f"a {name.replace('_', ' ')} of {rate:g} needs at least "
            f"{number_of(needed, 'example')} of {_SIDES[name]}, and there "
            f"{'is' if number == 1 else 'are'} {number:,}: give more, {way_out}",
            arguments={"examples": ..., name: ...},
        )


def _kept(rate: float) -> float:
    """1 - rate, as it would be written."""
    return float(1 - Fraction(str(rate)))


def _least(number: int) -> float:
    """The lowest rate that so many examples can promise, rounded up."""
    return math.ceil(1000 / (number + 1)) / 1000


def fit_filter_thresholds(
    blocked: torch.Tensor, fine: torch.Tensor, miss_rate: float, false_alarm_rate: float
) -> FilterThresholds:
    """Thresholds at stated rates.

    Args:
        blocked: margins of examples of what is to be blocked, ``[examples]``, none of them NaN.
        fine: of what is fine, likewise.
        miss_rate: share of the former that may be allowed.
        false_alarm_rate: share of the latter that may be blocked.

    Raises:
        InputError: a rate is none, or there are too few examples for it.

    """
    check_filter_rate("miss_rate", miss_rate, len(blocked))
    check_filter_rate("false_alarm_rate", false_alarm_rate, len(fine))
    lowest, miss_place = _threshold(blocked, miss_rate)
    highest, alarm_place = _threshold(-fine, false_alarm_rate)
    ends = sorted((lowest, -highest))
    found = FilterThresholds(max(-2.0, ends[0]), min(2.0, ends[1]))
    return FilterThresholds(
        found.allow_below,
        found.block_above,
        _rate_fit(found, blocked, miss_rate, miss_place),
        _rate_fit(found, fine, false_alarm_rate, alarm_place),
    )


def _threshold(margins: torch.Tensor, rate: float) -> tuple[float, int]:
    """What at most this share of such margins lies below, and its place among them."""
    place, _ = passing(_kept(rate), len(margins))
    return float(margins.double().sort().values[place - 1]) - _SLACK, place


def _rate_fit(
    thresholds: FilterThresholds, margins: torch.Tensor, rate: float, place: int
) -> RateFit:
    verdicts = [thresholds.verdict(margin) for margin in margins.tolist()]
    number = len(margins)
    return RateFit(
        rate=rate,
        expected=place / (number + 1),
        likely_most=likely_most(place, number),
        outcomes={one: verdicts.count(one) for one in VERDICTS},
    )
