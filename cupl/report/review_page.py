"""A page to look at what a filter is not sure of, and at the rest of its decisions."""

from __future__ import annotations

import math
from heapq import heappush, heappushpop
from itertools import chain
from pathlib import Path

from cupl.classification.filter_decision import FilterDecision
from cupl.classification.filter_thresholds import VERDICTS, FilterThresholds, FilterVerdict
from cupl.evaluation.made_by import MadeBy
from cupl.evaluation.numbers import cosine
from cupl.io.file_kinds import DECISIONS_PAGE
from cupl.progress import Progress, ignore
from cupl.report.cards import NO_PHOTO_YET, Card, short_path
from cupl.report.photo_page import MOST_IMAGES, PhotoPage

_ORDER: tuple[FilterVerdict, ...] = ("review", "block", "allow")
_KEY_FACTS = "Encoder", "Allow below", "Block above", "Date"
_SAID: dict[FilterVerdict, str] = {"review": "For review", "block": "Blocked", "allow": "Allowed"}


class ReviewPage:
    """Decisions, kept as far as the page has place for them: the most doubtful of each kind.

    Args:
        thresholds: that they were made by; the nearer to their middle, the more doubtful.

    """

    def __init__(self, thresholds: FilterThresholds) -> None:
        self._thresholds = thresholds
        self._kept: dict[FilterVerdict, list[tuple[float, int, FilterDecision]]] = {
            one: [] for one in VERDICTS
        }
        self._given = 0

    def add(self, decision: FilterDecision) -> None:
        """One more."""
        self._given += 1
        kept = self._kept[decision.decision]
        # Those in the way are the first of the heap: the clearest, and of equal ones the last.
        entry = (-self._doubt(decision), -self._given, decision)
        if len(kept) < MOST_IMAGES:
            heappush(kept, entry)
        else:
            heappushpop(kept, entry)

    def save(self, path: Path, made_by: MadeBy | None = None, progress: Progress = ignore) -> int:
        """Write the page, whole or not at all; another file in its place is kept as ``PATH.old``.

        Args:
            path: the file.
            made_by: what made the decisions.
            progress: told how many photos are read.

        Returns:
            How many decisions it shows.

        Raises:
            InputError: the file cannot be written.
            MissingFileError: its folder does not exist.

        """
        page = PhotoPage("decisions.html.j2", DECISIONS_PAGE, key_facts=_KEY_FACTS)
        ranked = chain.from_iterable(sorted(self._kept[one], reverse=True) for one in _ORDER)
        for _, number, decision in list(ranked)[:MOST_IMAGES]:
            doubt = None if decision.error is not None else self._doubt(decision)
            shown = _card(-number, decision)
            page.add_card(shown, decision.path, [decision.decision], doubt)
        page.save(path, self._given, made_by, progress)
        return len(page)

    def _doubt(self, decision: FilterDecision) -> float:
        return -math.inf if decision.margin is None else self._thresholds.doubt(decision.margin)


def _card(number: int, decision: FilterDecision) -> Card:
    path, margin = decision.path, decision.margin
    sides = ("Nearest blocked", decision.blocked), ("Nearest allowed", decision.allowed)
    signed = "" if margin is None else f", margin {'+' if margin > 0 else ''}{cosine(margin)}"
    return Card(
        name=short_path(path) if path is not None else f"image {number}",
        photo=NO_PHOTO_YET if path is not None and decision.error is None else None,
        problem=decision.error,
        truth=None,
        correct=False,
        said=f"{_SAID[decision.decision]}{signed}",
        bars=(),
        more=0,
        sides=(),
        nearest=tuple((role, side) for role, side in sides if side is not None),
        covered=decision.decision == "block",
    )
