"""What an evaluation finds, as it stands in ``evaluation.json``."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict


class _Result(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Interval(_Result):
    """A figure and its 95 % bootstrap interval over the images."""

    value: float
    low: float
    high: float


class Comparison(_Result):
    """A contender less another, on the same images: the paired difference of top-1 accuracy."""

    to: str
    difference: Interval
    won: int
    """Images that only this one has right; of several seeds the first."""
    lost: int
    """Images that only the other has right."""
    p: float
    """Of McNemar's exact test: how likely so uneven a split is where neither is better."""


class CalibrationBin(_Result):
    """Images whose probability of the predicted class lies between two bounds."""

    low: float
    high: float
    images: int
    confidence: float
    """Mean probability; 0 where there is no image."""
    accuracy: float


class Calibration(_Result):
    """Expected calibration error on one part of the images, the temperature fitted on another."""

    temperature: float
    before: float
    after: float
    images_fitted: int
    images_measured: int
    bins_before: list[CalibrationBin]
    bins_after: list[CalibrationBin]


class Confusion(_Result):
    """Images of one class that were given another."""

    truth: str
    predicted: str
    images: int
    share: float
    """Of the images of the true class."""


class ClassAccuracy(_Result):
    """Top-1 accuracy on the images of one class."""

    name: str
    id: str | None
    images: int
    accuracy: float


class CandidateResult(_Result):
    """A bank or a control, and how well it classifies. Figures of several seeds are means."""

    name: str
    kind: Literal["bank", "control"]
    seeds: int
    prompts: float
    """Mean number of prompts per class."""
    top1: Interval
    top5: Interval
    per_class: Interval
    """Mean over the classes of the top-1 accuracy on each.

    The interval is too narrow where classes have one or two images, which say nothing of how much
    others of the class would differ.
    """
    top1_of_seeds: list[float]
    comparison: Comparison | None
    """With the first control; None for itself, or where there is no control."""
    calibration: Calibration | None
    """Of the first seed; None where there are too few images to fit and to measure."""
    confusions: list[Confusion]
    """The most frequent ones of the first seed, most first."""
    classes: list[ClassAccuracy]
    """Of the classes that have images, in the order of the bank."""


class QuestionEffect(_Result):
    """What a question's prompts are worth: the bank less the bank without them."""

    question: str
    """With ``{}`` in place of the class name; empty for prompts that answer none."""
    prompts: int
    classes: int
    """Classes that have prompts of it."""
    top1_without: float
    comparison: Comparison


class CurvePoint(_Result):
    """Top-1 accuracy with so many prompts of each class, drawn at random."""

    prompts: int
    value: float
    low: float
    """The lowest of the draws."""
    high: float


class MisleadingPrompt(_Result):
    """A prompt that draws images of other classes to its own."""

    prompt: str
    question: str
    name: str
    """Of its class."""
    images: int
    """Wrongly given its class, and of all prompts of that class closest to this one."""
    margin: float
    """Mean of the image's cosine to it less that to the closest prompt of its true class."""


class ClassDrop(_Result):
    """A class on which the bank does worse than the first control."""

    name: str
    id: str | None
    images: int
    bank: float
    control: float


class Analysis(_Result):
    """What in a bank did it."""

    bank: str
    questions: list[QuestionEffect]
    """Most helpful first, of the 20 with the most prompts; empty where the bank has one only."""
    curve: list[CurvePoint]
    pulls: list[MisleadingPrompt]
    losses: list[ClassDrop]
    """Widest loss first."""


class UnreadableImage(_Result):
    """An image that could not be read or encoded."""

    path: str
    error: str


class Evaluation(_Result):
    """Everything; the raw predictions stand in ``predictions.csv``."""

    format: Literal["cupl-evaluation/1"] = "cupl-evaluation/1"
    cupl: str
    encoder: str
    fingerprint: str
    images: int
    """Images that could be read; every figure is over these."""
    unreadable: list[UnreadableImage]
    classes: int
    """Classes to choose from."""
    classes_with_images: int
    reference: str | None
    """Name of the first control."""
    contenders: list[CandidateResult]
    """Banks, then controls, each in the order given."""
    analyses: list[Analysis]
    """One for each bank."""

    @property
    def banks(self) -> list[CandidateResult]:
        """The contenders that are banks."""
        return [one for one in self.contenders if one.kind == "bank"]

    @property
    def control(self) -> CandidateResult | None:
        """The first control, that ``reference`` names."""
        return next((one for one in self.contenders if one.name == self.reference), None)
