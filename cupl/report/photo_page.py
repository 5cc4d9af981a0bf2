"""A page with each photo beside its probability bars: thousands of them, to sort and to filter.

Cards are text until they are scrolled to, so that a browser opens and scrolls the page at once. All
photos together fit into a few dozen megabytes: the more there are, the smaller they are.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from markupsafe import Markup

from cupl.classification.prediction import Prediction
from cupl.embedding.image_errors import ImageError
from cupl.evaluation.made_by import MadeBy
from cupl.evaluation.numbers import short
from cupl.io.file_kinds import PREDICTIONS_PAGE
from cupl.io.replacing import of_kind, open_replacing
from cupl.progress import Progress, ignore
from cupl.report.cards import Card, card
from cupl.report.page import page_template
from cupl.report.photos import small_thumbnail

MOST_IMAGES = 5000
"""Images on one page."""
_BYTES = 38_000_000
"""Of a whole page, about."""
_MOST_BARS = 50, 25_000
"""Bars of a photo, and of a page."""
_LARGEST, _SMALLEST = 24_000, 800
"""Bytes of a photo."""
_THREADS = 4
_HERE = Markup("data:,")
"""Stands for a photo until it is read."""


@dataclass(frozen=True, slots=True)
class _Shown:
    """A card, and what its photo is sorted and filtered by."""

    card: Card
    path: str | None
    labels: list[str]
    sure: float | None


class PhotoPage:
    """Predictions, kept as the page will show them; photos are read when it is written.

    Attributes:
        template: of the page.
        kind: of the file that it is; see :mod:`cupl.io.file_kinds`.
        key_facts: of what made it, those at its head.

    """

    template = "predictions.html.j2"
    kind = PREDICTIONS_PAGE
    key_facts: tuple[str, ...] = ("Bank", "Encoder", "Threshold", "Date")

    def __init__(self) -> None:
        self._cards: list[_Shown] = []
        self._given = 0

    def __len__(self) -> int:
        return len(self._cards)

    def add(self, prediction: Prediction) -> None:
        """One more, in the order of the page; what is beyond ``MOST_IMAGES`` is left out."""
        self._given += 1
        if len(self) < MOST_IMAGES:
            # Not the prediction itself: it holds on to the arrays of a whole batch.
            self.add_card(
                card(len(self) + 1, prediction, read=False), prediction.path, _labels(prediction),
                prediction.top[0].probability if prediction.top else None,
            )  # fmt: skip

    def add_card(
        self, shown: Card, path: str | None, labels: list[str], sure: float | None
    ) -> None:
        """One more photo.

        Args:
            shown: its card; the photo in it is read when the page is written.
            path: of the photo.
            labels: that it can be filtered by.
            sure: what it is sorted by, the least sure first; None where it could not be read.

        """
        self._cards.append(_Shown(shown, path, labels, sure))

    def save(
        self,
        path: Path,
        total: int | None = None,
        made_by: MadeBy | None = None,
        progress: Progress = ignore,
    ) -> None:
        """Write the page, whole or not at all; another file in its place is kept as ``PATH.old``.

        Args:
            path: the file.
            total: how many predictions there are, where not all of them were added.
            made_by: what made them.
            progress: told how many photos are read.

        Raises:
            InputError: the file cannot be written.
            MissingFileError: its folder does not exist.

        """
        with open_replacing(path, of_kind(self.kind)) as file:
            self.write(file, total, made_by, progress)

    def write(
        self,
        file: BinaryIO,
        total: int | None = None,
        made_by: MadeBy | None = None,
        progress: Progress = ignore,
    ) -> None:
        """As :meth:`save`, to an open file."""
        total = self._given if total is None else total
        facts = dict(made_by.rows()) if made_by else {}
        page = page_template(self.template, "photos.js")
        head, tail = page.parts(
            shown=len(self),
            total=total,
            left_out=total - len(self),
            made_by=made_by,
            explained=any(one.card.sides for one in self._cards),
            key_facts=[(name, facts.get(name, "none")) for name in self.key_facts] if facts else [],
        )
        file.write(head)
        for number, stored in enumerate(self._stored(page.macros), 1):
            file.write(stored.encode("utf-8"))
            progress(number, len(self))
        file.write(tail)

    def _stored(self, macros: Any) -> Iterator[str]:
        """The cards as the page keeps them, with photos as large as there is place for."""
        most, of_all = _MOST_BARS
        bars = min(most, max(10, of_all // max(1, len(self))))
        cards = [_cut(one.card, bars) for one in self._cards]
        texts = [self._text(macros, place, one) for place, one in enumerate(cards)]
        place_for_all = _BYTES - sum(map(len, texts))
        most_bytes = min(_LARGEST, place_for_all * 3 // 4 // max(1, len(self)))
        pool = ThreadPoolExecutor(min(_THREADS, os.cpu_count() or 1))

        def read(place: int) -> Markup | str | None:
            path = self._cards[place].path
            if path is None or cards[place].photo is None:
                return None
            try:
                return small_thumbnail(path, max(_SMALLEST, most_bytes))
            except ImageError as error:
                return f"The photo cannot be shown: {error}."

        try:
            for place, photo in enumerate(pool.map(read, range(len(self)))):
                if isinstance(photo, Markup):
                    yield texts[place].replace(_HERE, photo, 1)
                elif photo is None:
                    yield texts[place]
                else:
                    unread = replace(cards[place], photo=None, problem=photo)
                    yield self._text(macros, place, unread)
        finally:
            pool.shutdown(cancel_futures=True)

    def _text(self, macros: Any, place: int, shown: Card) -> str:
        one = self._cards[place]
        return str(macros.stored(shown, json.dumps(one.labels), one.sure))


def _labels(prediction: Prediction) -> list[str]:
    if prediction.labels:
        return [short(one.label, 100) for one in prediction.labels]
    return [] if prediction.label is None else [short(prediction.label, 100)]


def _cut(shown: Card, bars: int) -> Card:
    more = shown.more + max(0, len(shown.bars) - bars)
    return replace(shown, bars=shown.bars[:bars], more=more)
