"""What the labels made so far say: the accuracy with its interval, and examples to adapt to."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cupl.errors import InputError
from cupl.web.label_sheet import LabelSheet
from cupl.web.settings import ViewSettings

if TYPE_CHECKING:
    from cupl.bank.labels import ClassLabel
    from cupl.evaluation.labelled import LabelledImages
    from cupl.web.workspace import Workspace

_NOT_BY_THEMSELVES = (
    "of the classes without your labels: photos that were learnt from cannot tell how good that "
    "is. What your labels add is told under Use as examples"
)


@dataclass(frozen=True)
class LabelledPhotos:
    """What a file of labels says.

    Attributes:
        data: the photos with the label of a class; None where there is none.
        places: the number in the list of each of these; None for one that is not open.
        problem: why there is no accuracy, where that is more than that nobody has labelled yet.

    """

    data: LabelledImages | None = None
    places: tuple[int | None, ...] = ()
    problem: str | None = None


class LabelFigures:
    """Figures of a sheet; what was read of the file is kept until it changes."""

    def __init__(self, space: Workspace, sheet: LabelSheet) -> None:
        self._space, self._sheet = space, sheet
        self._lock = threading.Lock()
        self._kept: tuple[Any, LabelledPhotos] | None = None
        self._known: tuple[int, Any, dict[Any, int]] | None = None

    def place(self, path: str) -> int | None:
        """The number of a photo of the list by its path in full."""
        identify, places = self._places()
        found: int | None = places.get(identify(path))
        return found

    def _places(self) -> Any:
        """Where photos are and, as the rows of a sample may be older than a move, were."""
        photos = self._space.photos
        if self._known is None or self._known[0] != photos.turns:
            from cupl.evaluation.labelled import file_identity

            identify = file_identity()
            before = {identify(one): n for n, one in enumerate(photos.originals)}
            now = {identify(one): n for n, one in enumerate(photos.paths)}
            self._known = photos.turns, identify, before | now
        return self._known[1:]

    def labelled(self) -> LabelledPhotos:
        """The photos that have the label of a class by now."""
        labels = self._space.labels
        with self._lock:
            key = self._sheet.version, tuple(labels)
            if self._kept is None or self._kept[0] != key:
                self._kept = key, self._labelled(labels)
            return self._kept[1]

    def examples(self) -> tuple[Any, list[int], list[int]]:
        """What a workspace adapts to: the file's version, photos, and their classes."""
        version, found = self._sheet.version, self.labelled()
        _, numbers, targets = self._usable(found)
        return version, numbers, targets

    def changed(self) -> str | None:
        """What has become of the photos since the sample was drawn; None for nothing.

        Nothing is said while photos are being read.
        """
        photos, rows = self._space.photos, self._sheet.rows()
        if not rows or photos.encoded < len(photos):
            return None
        then, now, said = self._sheet.collection, len(photos.readable()), list[str]()
        if then != now:
            said.append(f"it was drawn from {then:,} photos, and there are {now:,} now")
        if missing := sum(self.place(row.path) is None for row in rows):
            said.append(f"{missing:,} of its {len(rows):,} are not among them any more")
        return "; ".join(said) or None

    def accuracy(self, settings: ViewSettings) -> dict[str, Any]:
        """The accuracy on all photos under settings, as far as the labels tell it.

        As ``cupl evaluate`` has it: the nearest class, whatever the threshold. Photos do not judge
        class vectors that were fitted to their labels: these are left without.
        """
        rows, found = self._sheet.rows(), self.labelled()
        told: dict[str, Any] = {
            "labelled": sum(bool(row.label) for row in rows), "photos": len(rows),
            "accuracy": None, "classes": [], "unmatched": [], "notes": [], "problem": found.problem,
            "counts": dict(Counter(row.label for row in rows if row.label)),
        }  # fmt: skip
        if found.data is None:
            return told
        told["unmatched"] = sorted(found.data.unmatched)
        kept, numbers, targets = self._usable(found)
        if left := len(found.places) - len(kept):
            told["notes"].append(f"without {left:,} labelled that are not open, or not read yet")
        if settings.adaptation == "examples":
            told["notes"].append(_NOT_BY_THEMSELVES)
        if numbers:
            right = self._right(unfitted(settings), numbers, targets)
            paths = [found.data.paths[row] for row in kept]
            told["accuracy"] = _share(found.data, paths, right)
            told["classes"] = _by_class(self._space.labels, targets, right)
        return told

    def _right(
        self, settings: ViewSettings, numbers: list[int], targets: Sequence[int]
    ) -> list[bool]:
        predictions, _ = self._space.views.predictions(settings, numbers)
        keys = [(label.name, label.id) for label in self._space.labels]
        return [
            target < len(keys) and (one.top[0].label, one.top[0].id) == keys[target]
            for one, target in zip(predictions, targets, strict=True)
        ]

    def _usable(self, found: LabelledPhotos) -> tuple[list[int], list[int], list[int]]:
        """Of the labelled photos that have a vector: their rows, numbers and classes."""
        photos, targets = self._space.photos, [] if found.data is None else found.data.targets
        usable = [
            (row, number, targets[row])
            for row, number in enumerate(found.places)
            if number is not None and number < photos.encoded and number not in photos.errors
        ]
        return [one[0] for one in usable], [one[1] for one in usable], [one[2] for one in usable]

    def _labelled(self, labels: list[ClassLabel]) -> LabelledPhotos:
        from cupl.evaluation.dataset import read_labelled

        try:
            if not any(row.label for row in self._sheet.rows()):
                return LabelledPhotos()
            data = read_labelled(self._sheet.path, labels)
        except InputError as error:  # such as that none is of a class
            return LabelledPhotos(problem=str(error).removeprefix(f"{self._sheet.path}: "))
        return LabelledPhotos(data, tuple(self.place(path) for path in data.paths))


def unfitted(settings: ViewSettings) -> ViewSettings:
    """The same without what was fitted to the labels, and with a label for every photo."""
    adaptation = "none" if settings.adaptation == "examples" else settings.adaptation
    return settings.model_copy(update={"threshold": None, "adaptation": adaptation})


def _share(data: LabelledImages, paths: list[str], right: list[bool]) -> dict[str, float] | None:
    """The accuracy on the collection, by some of the labelled photos as if by chance."""
    import numpy as np

    if data.sample is None:
        return None
    found = data.sample.of(paths).interval(np.array(right))
    return {"value": found.value, "low": found.low, "high": found.high}


def _by_class(
    labels: list[ClassLabel], targets: list[int], right: list[bool]
) -> list[dict[str, Any]]:
    seen, good = Counter(targets), Counter[int]()
    for target, is_right in zip(targets, right, strict=True):
        good[target] += is_right
    return [
        {"name": str(labels[target]), "labelled": seen[target], "right": good[target]}
        for target in sorted(seen)
        if target < len(labels)
    ]
