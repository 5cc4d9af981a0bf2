"""The best classes of images as arrays: a class becomes an object when somebody looks at it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from cupl.bank.labels import ClassLabel
from cupl.classification.prediction import Score


@dataclass(frozen=True, eq=False)
class Ranking:
    """The best classes of some images, the best first.

    Attributes:
        labels: all classes.
        order: int ``[images, named]``, which classes of these.
        scores: ``[images, named]``, their cosines.
        probabilities: ``[images, named]``.

    """

    labels: Sequence[ClassLabel]
    order: npt.NDArray[np.integer[Any]]
    scores: npt.NDArray[np.floating[Any]]
    probabilities: npt.NDArray[np.floating[Any]]


class RankedClasses(Sequence[Score]):
    """The best classes of one image; equal to the tuple of them.

    A cell takes 12 bytes, where an object for it takes 20 times that.

    Args:
        ranking: of some images.
        row: which of them.
        number: classes.

    """

    __slots__ = ("_number", "_ranking", "_row")

    def __init__(self, ranking: Ranking, row: int, number: int) -> None:
        self._ranking, self._row, self._number = ranking, row, number

    @property
    def labels(self) -> Sequence[ClassLabel]:
        """All classes, also those that are not among these."""
        return self._ranking.labels

    @property
    def order(self) -> npt.NDArray[np.integer[Any]]:
        """Which of the labels these are, ``[classes]``."""
        return self._ranking.order[self._row, : self._number]

    @property
    def scores(self) -> npt.NDArray[np.floating[Any]]:
        """Cosines, ``[classes]``."""
        return self._ranking.scores[self._row, : self._number]

    @property
    def probabilities(self) -> npt.NDArray[np.floating[Any]]:
        """Probabilities, ``[classes]``."""
        return self._ranking.probabilities[self._row, : self._number]

    def __len__(self) -> int:
        return self._number

    @property
    def is_finite(self) -> bool:
        """Whether all numbers are."""
        return bool(np.isfinite(self.scores).all() and np.isfinite(self.probabilities).all())

    def cells(self) -> Iterator[tuple[ClassLabel, float, float]]:
        """Label, cosine and probability of each, in a third of the time of the objects."""
        labels = map(self.labels.__getitem__, self.order.tolist())
        return zip(labels, self.scores.tolist(), self.probabilities.tolist(), strict=True)

    def __iter__(self) -> Iterator[Score]:
        for label, score, probability in self.cells():
            yield Score(label.name, label.id, score, probability)

    @overload
    def __getitem__(self, place: int) -> Score: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Score]: ...
    def __getitem__(self, place: int | slice) -> Score | Sequence[Score]:
        if isinstance(place, slice):
            start, stop, step = place.indices(self._number)
            if (start, step) == (0, 1):
                return RankedClasses(self._ranking, self._row, stop)
            return tuple(self)[place]
        label = self.labels[self.order[place]]
        score, probability = self.scores[place].item(), self.probabilities[place].item()
        return Score(label.name, label.id, score, probability)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, tuple | RankedClasses):
            return NotImplemented
        return len(self) == len(other) and all(map(Score.__eq__, self, other))

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return repr(tuple(self))

    def __reduce__(self) -> tuple[type, tuple[tuple[Score, ...]]]:
        return tuple, (tuple(self),)  # a copy has nothing of other images


def ranked(classes: Sequence[Score]) -> RankedClasses:
    """Classes of one image as arrays, whoever made them."""
    if isinstance(classes, RankedClasses):
        return classes
    labels = [ClassLabel(one.label, one.id) for one in classes]
    scores = np.array([[one.score for one in classes]], dtype=np.float64)
    probabilities = np.array([[one.probability for one in classes]], dtype=np.float64)
    order = np.arange(len(labels), dtype=np.int32)[None]
    return RankedClasses(Ranking(labels, order, scores, probabilities), 0, len(labels))
