"""Why an image got its class: the prompts that spoke for it and against it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PromptScore:
    """One prompt and how close an image is to it."""

    text: str
    question: str
    """What it answers; empty for a hand-written prompt."""
    cosine: float


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two best classes of an image."""

    label: str
    id: str | None
    score: float
    probability: float
    speak_for: tuple[PromptScore, ...]
    """Prompts closer to the image than the other class's score, the closest first."""
    speak_against: tuple[PromptScore, ...]
    """Prompts farther from the image than the other class's score, the farthest first."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """The predicted class of an image and the runner-up, or an error."""

    path: str | None = None
    winner: Side | None = None
    runner_up: Side | None = None
    """None where there is only one class."""
    error: str | None = None
