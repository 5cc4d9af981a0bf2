"""What a person has decided about photos, against or with the classifier; on disk at once."""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from cupl.bank.labels import ClassLabel
from cupl.errors import InputError
from cupl.io.atomic import make_folder, write_atomically
from cupl.io.csv import csv_lines, is_blank, read_rows
from cupl.web.answers import ConflictError

_COLUMNS = ("path", "label")
_STEPS = 500
"""Of undo."""


class ReviewMoves:
    """Labels by hand of photos by number; ``""`` for none of the classes.

    Args:
        file: a CSV of path and label.
        paths: of all photos, in full.

    """

    def __init__(self, file: Path, paths: Sequence[str]) -> None:
        self.file = file
        self._real = [os.path.realpath(one) for one in paths]
        self._lock = threading.RLock()
        self._by_hand: dict[int, str] = {}
        self._changed_at: dict[int, int] = {}
        self._before: list[dict[int, str | None]] = []
        self._first = self.revision = secrets.randbelow(2**40) + 1  # none of an earlier run's
        self._elsewhere: dict[str, str] = {}
        self._restore()

    @property
    def by_hand(self) -> dict[int, str]:
        """All that were decided."""
        with self._lock:
            return dict(self._by_hand)

    def standing(self, labels: Sequence[ClassLabel]) -> dict[int, str]:
        """Those decided for classes that there are, or for none, by the classes' answers now.

        A class that was renamed goes by its old name, too. What was decided for one that is gone
        waits in the file for its return.
        """
        answers = {"": ""}
        for label in labels:
            answers |= dict.fromkeys(label.aliases, label.id or label.name)
        for label in labels:
            answers[label.id or label.name] = label.id or label.name
        return {n: answers[label] for n, label in self.by_hand.items() if label in answers}

    @property
    def can_undo(self) -> bool:
        """Whether there is a step back."""
        return bool(self._before)

    def move(self, photos: Sequence[int], label: str | None, revision: int) -> None:
        """Decide about photos.

        Args:
            photos: their numbers.
            label: of all of them; None for what the classifier says.
            revision: that was seen.

        Raises:
            ConflictError: somebody else has decided about one of them since.

        """
        with self._lock:
            theirs = [one for one in photos if self._changed_at.get(one, 0) > revision]
            if not self._first <= revision <= self.revision:
                theirs = list(photos)
            if theirs:
                which = f"{len(theirs):,} of these photos" if len(theirs) > 1 else "this photo"
                raise ConflictError(
                    f"somebody else has moved {which} meanwhile: here is how it stands now"
                )
            self._before = [*self._before, self._put(dict.fromkeys(photos, label))][-_STEPS:]

    def undo(self, revision: int) -> list[int]:
        """Take the last step back; the photos of it.

        Args:
            revision: that was seen.

        Raises:
            ConflictError: the last step is somebody else's, who made it since.
            InputError: there is none.

        """
        with self._lock:
            if revision != self.revision:
                raise ConflictError(
                    "somebody else has moved photos meanwhile: here is how it stands now"
                )
            if not self._before:
                raise InputError("there is nothing to undo")
            step = self._before.pop()
            self._put(step)
            return list(step)

    def _put(self, labels: Mapping[int, str | None]) -> dict[int, str | None]:
        """Note labels and write the file; what stood there before."""
        before = {one: self._by_hand.get(one) for one in labels}
        after = dict(self._by_hand)
        for one, label in labels.items():
            if label is None:
                after.pop(one, None)
            else:
                after[one] = label
        self._write(after)
        self._by_hand = after
        self.revision += 1
        self._changed_at.update(dict.fromkeys(labels, self.revision))
        return before

    def _write(self, labels: Mapping[int, str]) -> None:
        rows = {self._real[one]: label for one, label in labels.items()}
        lines = csv_lines([_COLUMNS, *sorted({**self._elsewhere, **rows}.items())])
        make_folder(self.file.parent)
        write_atomically(self.file, "".join(lines).encode("utf-8", "surrogateescape"))

    def _restore(self) -> None:
        """What an earlier run has decided; of photos that are not open now it is kept."""
        if not self.file.exists():
            return
        place = {path: number for number, path in enumerate(self._real)}
        needed = f"must name the columns: {','.join(_COLUMNS)}"
        rows = read_rows(self.file, lambda names: set(_COLUMNS) <= set(names), needed, own=True)
        for _, row in rows:
            if is_blank(row):
                continue
            path, label = row["path"] or "", row["label"] or ""
            if path in place:
                self._by_hand[place[path]] = label
            else:
                self._elsewhere[path] = label
