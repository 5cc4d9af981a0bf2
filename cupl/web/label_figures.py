"""What the labels made so far say: the accuracy with its interval, and examples to adapt to."""

from __future__ import annotations

import os
import threading
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cupl.errors import InputError
from cupl.web.label_sheet import LabelSheet
from cupl.web.settings import ViewSettings

if TYPE_CHECKING:
    from cupl.evaluation.labelled import LabelledImages
    from cupl.web.workspace import Workspace


@dataclass(frozen=True)
class LabelledPhotos:
    """Photos with the label of a class: their numbers in the list, and those of the classes."""

    numbers: list[int]
    targets: list[int]
    data: LabelledImages | None


class LabelFigures:
    """Figures of a sheet; what was read of the file is kept until it changes."""

    def __init__(self, space: Workspace, sheet: LabelSheet) -> None:
        self._space, self._sheet = space, sheet
        self._lock = threading.Lock()
        self._kept: tuple[Any, LabelledPhotos] | None = None
        self._places: dict[str, int] | None = None

    def place(self, path: str) -> int | None:
        """The number of a photo of the list by its path in full."""
        if self._places is None:
            paths = self._space.photos.paths
            self._places = {os.path.realpath(one): n for n, one in enumerate(paths)}
        return self._places.get(os.path.realpath(path))

    def labelled(self) -> LabelledPhotos:
        """The photos that have the label of a class by now."""
        labels = self._space.labels
        key = self._sheet.version, tuple(labels)
        with self._lock:
            if self._kept is None or self._kept[0] != key:
                self._kept = key, self._labelled(labels)
            return self._kept[1]

    def examples(self) -> tuple[Any, list[int], list[int]]:
        """What a workspace adapts to: the file's version, photos, and their classes."""
        found = self.labelled()
        usable = [
            (number, target)
            for number, target in zip(found.numbers, found.targets, strict=True)
            if number < self._space.photos.encoded and number not in self._space.photos.errors
        ]
        return self._sheet.version, [one for one, _ in usable], [one for _, one in usable]

    def accuracy(self, settings: ViewSettings) -> dict[str, Any]:
        """The accuracy on all photos under settings, as far as the labels tell it.

        As ``cupl evaluate`` has it: the nearest class, whatever the threshold.
        """
        rows = self._sheet.rows()
        told: dict[str, Any] = {
            "labelled": sum(bool(row.label) for row in rows), "photos": len(rows),
            "accuracy": None, "classes": [], "unmatched": [],
            "counts": Counter(row.label for row in rows if row.label).most_common(),
        }  # fmt: skip
        found = self.labelled()
        if found.data is None or not found.numbers:
            return told
        told["unmatched"] = sorted(found.data.unmatched)
        plain = settings.model_copy(update={"threshold": None})
        predictions, _ = self._space.views.predictions(plain, found.numbers)
        names = [str(label) for label in self._space.labels]
        keys = [(label.name, label.id) for label in self._space.labels]
        right = [
            (one.top[0].label, one.top[0].id) == keys[target]
            for one, target in zip(predictions, found.targets, strict=True)
        ]
        told["accuracy"] = _share(found.data, right)
        seen, good = Counter(found.targets), Counter[int]()
        for target, is_right in zip(found.targets, right, strict=True):
            good[target] += is_right
        told["classes"] = [
            {"name": names[target], "labelled": seen[target], "right": good[target]}
            for target in sorted(seen)
        ]
        return told

    def _labelled(self, labels: list[Any]) -> LabelledPhotos:
        from cupl.evaluation.dataset import read_labelled

        nothing = LabelledPhotos([], [], None)
        if self._sheet.version is None:
            return nothing
        try:
            data = read_labelled(self._sheet.path, labels)
        except InputError:  # no label yet, or none that is of a class
            return nothing
        places = [self.place(path) for path in data.paths]
        if None in places:
            return nothing
        return LabelledPhotos([one for one in places if one is not None], data.targets, data)


def _share(data: LabelledImages, right: list[bool]) -> dict[str, float] | None:
    import numpy as np

    if data.design is None:
        return None
    found = data.design.interval(np.array(right))
    return {"value": found.value, "low": found.low, "high": found.high}
