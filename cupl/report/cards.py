"""A photo beside its probability bars, as the templates draw it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePath

from markupsafe import Markup

from cupl.bank.labels import ClassLabel
from cupl.classification.explanation import ClassExplanation, Explanation, PromptScore
from cupl.classification.filter_decision import NearestClass
from cupl.classification.prediction import Prediction, Score
from cupl.embedding.image_errors import ImageError
from cupl.report.photos import thumbnail

_MOST_BARS = 50
"""Classes shown of an image; all of 20,000 would be 10 MB of a page."""
NO_PHOTO_YET = Markup("data:,")
"""Stands for a photo until it is read."""
MOST_PROMPTS = 3
"""Prompts shown of a class that speak for it, and as many that speak for the other."""


@dataclass(frozen=True, slots=True)
class Prompts:
    """The first of a class's prompts that speak for one class, which need not be its own."""

    label: str
    shown: tuple[PromptScore, ...]
    more: int


@dataclass(frozen=True, slots=True)
class SideCard:
    """A class that could have been it, and its prompts."""

    role: str
    side: ClassExplanation
    prompts: tuple[Prompts, ...]


@dataclass(frozen=True, slots=True)
class Bar:
    """A class and its probability."""

    score: Score
    true: bool


@dataclass(frozen=True, slots=True)
class Card:
    """One image."""

    name: str
    photo: Markup | None
    problem: str | None
    """Why there is no photo, or no prediction."""
    truth: str | None
    """None where it is not known."""
    correct: bool
    said: str | None
    """What the bars do not say: that there is no label, or that there are several."""
    bars: tuple[Bar, ...]
    more: int
    """Classes that were named and have no bar."""
    sides: tuple[SideCard, ...]
    lead: str | None = None
    """What put the best class before the second, where that is not its prompts alone."""
    nearest: tuple[tuple[str, NearestClass], ...] = ()
    """Of a filter's decision, what is closest on each side, and what side that is."""
    covered: bool = False
    """Whether the photo is blurred until somebody asks to see it."""


def card(
    number: int,
    prediction: Prediction,
    truth: str | None = None,
    name: str | None = None,
    *,
    read: bool = True,
) -> Card:
    """What is shown of an image; reads it.

    Args:
        number: counted from 1; stands for the name of an image that has neither path nor name.
        prediction: its classes or its error, and the prompts that decided, where it has them.
        truth: its class, as ``str`` of its label.
        name: of an image that has no path.
        read: whether to; else something stands for the photo that is to be put there later.

    """
    photo, path, problem = None, prediction.path, prediction.error
    if path is not None and problem is None:
        try:
            photo = thumbnail(path) if read else NO_PHOTO_YET
        except ImageError as error:
            problem = f"The photo cannot be shown: {error}."
    bars = tuple(Bar(score, _label(score) == truth) for score in prediction.top[:_MOST_BARS])
    return Card(
        name=short_path(path) if path is not None else name or f"image {number}",
        photo=photo,
        problem=problem,
        truth=truth,
        correct=bool(bars) and bars[0].true and prediction.rejected is None,
        said=labels_in_words(prediction),
        bars=bars,
        more=len(prediction.top) - len(bars),
        sides=tuple(_sides(prediction.explanation)) if prediction.explanation else (),
        lead=None if prediction.explanation is None else prediction.explanation.lead,
    )


def short_path(path: str) -> str:
    """The name of an image and that of its folder."""
    return "/".join(PurePath(path).parts[-2:])


def _label(score: Score) -> str:
    return str(ClassLabel(score.label, score.id))


def labels_in_words(prediction: Prediction) -> str | None:
    """What the bars do not say: that there is no label, and why, or that there are several."""
    if prediction.rejected is not None:
        return f"No label: {prediction.rejected}"
    if prediction.labels:
        more = len(prediction.labels) - _MOST_BARS
        named = ", ".join(map(_label, prediction.labels[:_MOST_BARS]))
        return f"Labels: {named}" + (f", and {more:,} more" if more > 0 else "")
    return None


def _sides(explanation: Explanation) -> Iterator[SideCard]:
    roles = ("Winner", explanation.winner), ("Runner-up", explanation.runner_up)
    for (role, side), (_, other) in zip(roles, reversed(roles), strict=True):
        if side is not None:
            parts = [(side.label, side.supporting)]
            if other is not None:
                parts.append((other.label, side.opposing))
            yield SideCard(role, side, tuple(_prompts(*part) for part in parts))


def _prompts(label: str, all_of_them: tuple[PromptScore, ...]) -> Prompts:
    shown = all_of_them[:MOST_PROMPTS]
    return Prompts(label, shown, len(all_of_them) - len(shown))
