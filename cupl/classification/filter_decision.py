"""What a filter says about one image, and how that stands in files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cupl.classification.filter_thresholds import VERDICTS, FilterVerdict


@dataclass(frozen=True, slots=True)
class NearestClass:
    """Of the classes of one side the one that an image is closest to."""

    label: str
    id: str | None
    score: float
    """Cosine; for the pooling ``similarity`` the mean cosine over the prompts."""
    prompt: str | None = None
    """The prompt of this class that is closest to the image; None where only vectors are known."""
    prompt_score: float | None = None
    """The cosine with it."""


@dataclass(frozen=True, slots=True)
class FilterDecision:
    """What becomes of one image: nothing is moved or deleted, it is only said."""

    decision: FilterVerdict
    path: str | None = None
    margin: float | None = None
    """Cosine with the nearest blocked class less that with the nearest allowed class; a side that
    is not given counts as 0. None where there is an error."""
    blocked: NearestClass | None = None
    allowed: NearestClass | None = None
    error: str | None = None
    """Why the image could not be judged; it is for review then."""

    @property
    def decided(self) -> NearestClass | None:
        """The class that the decision is due to; of an image for review the one to watch for."""
        first = self.allowed if self.decision == "allow" else self.blocked
        return first or self.blocked or self.allowed

    @property
    def prompt(self) -> str | None:
        """The prompt of that class that is closest to the image."""
        return None if self.decided is None else self.decided.prompt

    def to_dict(self) -> dict[str, Any]:
        """A row of a table: always the same keys, and values that JSON has."""
        sides = {"blocked": self.blocked, "allowed": self.allowed}
        record: dict[str, Any] = {
            "path": self.path, "decision": self.decision, "margin": self.margin,
        }  # fmt: skip
        for name, side in sides.items():
            record[name] = None if side is None else side.label
            record[f"{name}_id"] = None if side is None else side.id
            record[f"{name}_score"] = None if side is None else side.score
        record["prompt"] = self.prompt
        record["prompt_score"] = None if self.decided is None else self.decided.prompt_score
        return record | {"error": self.error}


def decisions_in_words(counts: Mapping[FilterVerdict, int]) -> str:
    """``block 12, review 5, allow 83``."""
    return ", ".join(f"{one} {counts.get(one, 0):,}" for one in VERDICTS)
