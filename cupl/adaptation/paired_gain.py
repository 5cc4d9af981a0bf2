"""How much better one of two classifiers is on the same images, with its interval."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import torch

_NORMAL = 1.959964
"""Of a 95 % interval."""


@dataclass(frozen=True, slots=True)
class PairedGain:
    """The difference of two accuracies.

    Attributes:
        value: between -1 and 1.
        low: of the 95 % interval.
        high: likewise.

    """

    value: float
    low: float
    high: float

    @property
    def is_shown(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.low > 0


def paired_gain(right: torch.Tensor, before: torch.Tensor) -> PairedGain:
    """The gain of ``right`` over ``before``, both bool ``[images]``.

    The interval adds half an image to each of the four cells of the table, so that it has a width
    also where the two never differ (Agresti & Min, Biometrical Journal 47, 2005).
    """
    won, lost = int((right & ~before).sum()), int((before & ~right).sum())
    number = len(right)
    middle = (won - lost) / (number + 2)
    spread = sqrt((won + lost + 1) - (won - lost) ** 2 / (number + 2)) / (number + 2)
    low, high = middle - _NORMAL * spread, middle + _NORMAL * spread
    return PairedGain((won - lost) / number, max(low, -1.0), min(high, 1.0))
