"""An image for the gallery of a report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cupl.classification.prediction import Prediction


@dataclass(frozen=True, slots=True)
class Example:
    """An image with a known class, and what the bank says about it."""

    prediction: Prediction
    """With the path, and the explanation."""
    truth: str
    """Its class, as ``str`` of a class label: name, and id if it has one."""
    name: str | None = None
    """What an image is called that has no path."""
