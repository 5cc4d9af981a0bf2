"""An image for the gallery of a report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cupl.classifier import Prediction
    from cupl.explain import Explanation


@dataclass(frozen=True, slots=True)
class Example:
    """An image with a known class, what the bank says about it, and why."""

    path: str
    truth: str
    """Its class, as ``str`` of a :class:`~cupl.classes.ClassLabel`: name, and id if it has one."""
    prediction: Prediction
    explanation: Explanation | None = None
    """By default the one that the prediction has."""
