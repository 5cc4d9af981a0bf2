"""What a classifier says about one image."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cupl.classification.explanation import Explanation
from cupl.errors import InputError

_SIDES = ("winner", "runner_up")
"""What a record of a prediction has of its explanation: the path and the error are its own."""


@dataclass(frozen=True, slots=True)
class Score:
    """How well one class fits one image."""

    label: str
    id: str | None
    score: float
    """Cosine; for the pooling ``similarity`` the mean cosine over the prompts."""
    probability: float
    """Of the classes together 1, or each for itself; see :meth:`Provenance.probabilities`.
    Where several labels are allowed, of each class alone; see
    :mod:`cupl.classification.decision`."""

    def to_dict(self) -> dict[str, Any]:
        """As JSON lines have it."""
        return {
            "label": self.label,
            "id": self.id,
            "score": self.score,
            "probability": self.probability,
        }


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the classifier says about one image: the best classes, or an error."""

    top: Sequence[Score] = ()
    """The k best, best first; empty where there is an error. A reject bank's are not among them.
    Of a classifier it is equal to a tuple, and makes each score when it is asked for."""
    path: str | None = None
    error: str | None = None
    rejected: str | None = None
    """Why the image has no label though it could be read: ``below the threshold 0.5: NAME``, of
    the best class; ``NAME 0.256, needs 0.332``, its cosine and the least one for a label, where
    each class has a threshold; ``none of these: NAME``, of the class of the reject bank or the word
    that it is closest to; or ``less like a class than 95% of the examples: NAME``, of its best
    class."""
    labels: Sequence[Score] = ()
    """With ``multi_label`` all that apply, best first; with a fitted coverage all that cannot be
    ruled out; else empty."""
    explanation: Explanation | None = None
    """Where it was asked for."""

    @property
    def label(self) -> str | None:
        """Name of the best class; None for an image that is rejected."""
        return self.top[0].label if self.top and self.rejected is None else None

    @property
    def id(self) -> str | None:
        """Id of the best class, where it has one; None for an image that is rejected."""
        return self.top[0].id if self.top and self.rejected is None else None

    @property
    def score(self) -> float | None:
        """Score of the best class, also where the image is rejected."""
        return self.top[0].score if self.top else None

    @property
    def probability(self) -> float | None:
        """Probability of the best class, also where the image is rejected."""
        return self.top[0].probability if self.top else None

    def to_dict(self) -> dict[str, Any]:
        """A row of a table: always the same keys, and values that JSON has.

        ``pandas.DataFrame(one.to_dict() for one in predictions)`` is a table of all. ``top`` and
        ``labels`` are lists of classes, each with its label, id, score and probability.
        """
        explained = self.explanation and self.explanation.to_dict()
        return {
            "path": self.path,
            "label": self.label,
            "id": self.id,
            "score": self.score,
            "probability": self.probability,
            "error": self.error,
            "top": [score.to_dict() for score in self.top],
            "rejected": self.rejected,
            "labels": [score.to_dict() for score in self.labels],
            "explanation": explained and {name: explained[name] for name in _SIDES},
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Prediction:
        """What :meth:`to_dict` made a record of; keys behind ``top`` may be missing.

        Raises:
            TypeError: it is no such record.
            KeyError: likewise.

        """
        explained = record.get("explanation")
        return cls(
            tuple(Score(**score) for score in record["top"]),
            record["path"],
            record["error"],
            record.get("rejected"),
            tuple(Score(**score) for score in record.get("labels", ())),
            explained and Explanation.from_dict({"path": record["path"], **explained}),
        )


def listed_predictions(predictions: Iterable[Prediction]) -> Iterator[Prediction]:
    """Predictions one after the other, as they come; a single one is a list of one.

    Raises:
        InputError: one is something else.

    """
    if isinstance(predictions, Prediction):
        predictions = [predictions]
    elif isinstance(predictions, str) or not isinstance(predictions, Iterable):
        raise InputError(f"predictions are what predict gives, not {predictions!r:.80}")
    for one in predictions:
        if not isinstance(one, Prediction):
            raise InputError(f"predictions are what predict gives of images, not {one!r:.80}")
        yield one
