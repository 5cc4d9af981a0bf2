"""Image vectors to the nearest class of each side, the margin between them, and a decision."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from cupl.classification.filter_classes import ClosestPrompts
from cupl.classification.filter_decision import FilterDecision, NearestClass
from cupl.classification.filter_thresholds import FilterThresholds
from cupl.classification.scoring import AT_ONCE, ImageVectors, float_rows
from cupl.embedding.class_vectors import ClassVectors
from cupl.embedding.normalize import NO_DIRECTION, directions, has_direction

_Best = tuple[torch.Tensor, torch.Tensor]
"""Of the classes of a side the highest cosine, and which it is, both ``[images]``."""


@dataclass(frozen=True, eq=False)
class FilterJudge:
    """What compares images with both sides.

    Attributes:
        vectors: the blocked classes, then the allowed ones.
        blocked: how many of them are blocked ones.
        prompts: of these classes, where they are known.

    """

    vectors: ClassVectors
    blocked: int
    prompts: ClosestPrompts | None = None

    def margins(self, rows: ImageVectors) -> Iterator[torch.Tensor]:
        """Margins, float32 ``[images]`` each, so many at a time that memory stays bounded.

        Args:
            rows: ``[images, dim]`` of any length; one without a direction has no margin and is left
                out.

        """
        for part in self._parts(rows):
            yield self._nearest(directions(part[has_direction(part)]))[0]

    def decisions(
        self, rows: ImageVectors, thresholds: FilterThresholds
    ) -> Iterator[FilterDecision]:
        """A decision a row; a row without a direction has an ``error``."""
        for part in self._parts(rows):
            usable = has_direction(part)
            found = self._decided(directions(part[usable]), thresholds)
            for is_usable in usable.tolist():
                yield next(found) if is_usable else FilterDecision("review", error=NO_DIRECTION)

    def _parts(self, rows: ImageVectors) -> Iterator[torch.Tensor]:
        dim = self.vectors.matrix.shape[1]
        compared = self.vectors.compared + (0 if self.prompts is None else len(self.prompts))
        size = max(1, AT_ONCE // compared)
        for start in range(0, len(rows), size):
            yield float_rows(rows[start : start + size], dim)

    def _nearest(self, found: torch.Tensor) -> tuple[torch.Tensor, _Best | None, _Best | None]:
        """Margins, and the nearest blocked and allowed class of directions ``[images, dim]``."""
        cosines = self.vectors.cosines(found)
        number, margins = self.blocked, torch.zeros(len(found))
        blocked = allowed = None
        if number:
            best, which = cosines[:, :number].max(dim=1)
            margins, blocked = margins + best, (best, which)
        if number < cosines.shape[1]:
            best, which = cosines[:, number:].max(dim=1)
            margins, allowed = margins - best, (best, which + number)
        return margins, blocked, allowed

    def _decided(
        self, found: torch.Tensor, thresholds: FilterThresholds
    ) -> Iterator[FilterDecision]:
        margins, *best = self._nearest(found)
        sides = [self._sides(found, one) for one in best]
        for margin, blocked, allowed in zip(margins.tolist(), *sides, strict=True):
            verdict = thresholds.verdict(margin)
            yield FilterDecision(verdict, None, margin, blocked, allowed)

    def _sides(self, found: torch.Tensor, best: _Best | None) -> list[NearestClass | None]:
        if best is None:
            return [None] * len(found)
        prompts: list[tuple[str | None, float | None]] = [(None, None)] * len(found)
        if self.prompts is not None:
            prompts = self.prompts.of(found, best[1])
        cosines, classes = best
        labels = [self.vectors.labels[number] for number in classes.tolist()]
        return [
            NearestClass(label.name, label.id, cosine, *said)
            for label, cosine, said in zip(labels, cosines.tolist(), prompts, strict=True)
        ]
