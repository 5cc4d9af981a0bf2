"""A page with each photo beside what is said of it: thousands of them, to sort and to filter.

Cards are text until they are scrolled to, so that a browser opens and scrolls the page at once. All
photos together fit into a few dozen megabytes: the more there are, the smaller they are.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
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
from cupl.report.cards import NO_PHOTO_YET, Card, card
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


@dataclass(frozen=True, slots=True)
class _Kept:
    """A photo as the page will show it."""

    card: Card
    path: str | None
    labels: Sequence[str]
    sure: float | None
    """What it is sorted by; None where there is nothing but an error."""


class PhotoPage:
    """Photos and what is said of them, kept as the page will show them; read when it is written.

    Args:
        template: of the page; its file.
        kind: of its file, by which an older one is known, of :mod:`cupl.io.file_kinds`.
        facts: names and values that stand at the beginning.
        key_facts: in their place, names of those of what made the page.

    """

    def __init__(
        self,
        template: str = "predictions.html.j2",
        kind: str = PREDICTIONS_PAGE,
        facts: Sequence[tuple[str, str]] = (),
        key_facts: Sequence[str] = ("Bank", "Encoder", "Threshold", "Date"),
    ) -> None:
        self._cards: list[_Kept] = []
        self._given = 0
        self._template, self._kind = template, kind
        self._facts, self._key_facts = facts, key_facts

    def __len__(self) -> int:
        return len(self._cards)

    def add(self, prediction: Prediction) -> None:
        """One more, in the order of the page; what is beyond ``MOST_IMAGES`` is left out."""
        if len(self) < MOST_IMAGES:
            # Not the arrays of a whole batch, which a ranking holds on to.
            best = prediction.top[0].probability if prediction.top else None
            shown = card(len(self) + 1, prediction, read=False)
            self.add_card(shown, prediction.path, _labels(prediction), best)
        else:
            self._given += 1

    def add_card(
        self, shown: Card, path: str | None, labels: Sequence[str], sure: float | None
    ) -> None:
        """One more, whose card has something in place of the photo at a path.

        Args:
            shown: what is said of it.
            path: of the photo, read when the page is written.
            labels: by which it can be chosen.
            sure: by which it can be sorted.

        """
        self._given += 1
        if len(self) < MOST_IMAGES:
            self._cards.append(_Kept(shown, path, labels, sure))

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
        with open_replacing(path, of_kind(self._kind)) as file:
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
        page = page_template(self._template, "photos.js")
        head, tail = page.parts(
            shown=len(self),
            total=total,
            left_out=total - len(self),
            made_by=made_by,
            explained=any(one.card.sides for one in self._cards),
            labelled=any(one.labels for one in self._cards),
            key_facts=self._facts
            or ([(name, facts.get(name, "none")) for name in self._key_facts] if facts else []),
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
                    yield texts[place].replace(NO_PHOTO_YET, photo, 1)
                elif photo is None:
                    yield texts[place]
                else:
                    unread = replace(cards[place], photo=None, problem=photo)
                    yield self._text(macros, place, unread)
        finally:
            pool.shutdown(cancel_futures=True)

    def _text(self, macros: Any, place: int, shown: Card) -> str:
        kept = self._cards[place]
        return str(macros.stored(shown, json.dumps(list(kept.labels)), kept.sure))


def _labels(prediction: Prediction) -> list[str]:
    if prediction.labels:
        return [short(one.label, 100) for one in prediction.labels]
    return [] if prediction.label is None else [short(prediction.label, 100)]


def _cut(shown: Card, bars: int) -> Card:
    more = shown.more + max(0, len(shown.bars) - bars)
    return replace(shown, bars=shown.bars[:bars], more=more)
