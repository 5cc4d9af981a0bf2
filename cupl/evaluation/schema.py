"""What an evaluation finds, as it stands in ``evaluation.json``.

In that file keys are only ever added, at the end of what they belong to. What a file of an earlier
version does not have is None or empty here, and is not written again. Three keys of the file have
another name here: ``contenders`` is ``candidates``, ``pulls`` is ``misleading``, ``losses`` is
``drops``.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from cupl.evaluation.made_by import MadeBy
from cupl.io.words import number_of

LEVEL = 0.05
"""A p below it is no chance; see :attr:`Comparison.outcome`."""
Outcome = Literal["better", "worse", "open"]


class _Result(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, serialize_by_alias=True)


def _added(default: Any) -> Any:
    """A key that earlier versions did not write; left out of the file where it says nothing."""
    return Field(default=default, exclude_if=lambda value: value is None or value == [])


def _named_in_the_file(key: str, name: str) -> Any:
    return Field(validation_alias=AliasChoices(key, name), serialization_alias=key)


class Interval(_Result):
    """A figure and its 95 % bootstrap interval over the images, and the draws where there are some.

    See :func:`cupl.evaluation.bootstrap.intervals`; of a sample, a share has the interval of
    :func:`cupl.evaluation.weighted.share_interval`.
    """

    value: float
    low: float
    high: float


class Comparison(_Result):
    """A candidate less another, on the same images: the paired difference of top-1 accuracy."""

    to: str
    """Name of the other."""
    difference: Interval
    won: int
    """Images that this one has right in a larger share of its draws than the other in its own."""
    lost: int
    """Images that the other has right in a larger share of its draws."""
    p: float
    """See :func:`cupl.evaluation.significance.paired_test`; where neither was drawn at random, of
    McNemar's exact test."""
    p_holm: float | None = _added(None)
    """p corrected by Holm's method: of a bank for all pairs of the evaluation in which one is
    tested, of a question for all of the bank's. None between two controls."""

    @property
    def outcome(self) -> Outcome:
        """``open`` unless the interval leaves out zero and the corrected p is below 5 %."""
        p = self.p if self.p_holm is None else self.p_holm
        if p < LEVEL and self.difference.low > 0:
            return "better"
        if p < LEVEL and self.difference.high < 0:
            return "worse"
        return "open"


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


class Spread(_Result):
    """Top-1 accuracy on several parts of the images: random subsamples, or folds."""

    values: list[float]
    mean: float
    sd: float
    """Standard deviation of the values, of n - 1."""


class CandidateResult(_Result):
    """A bank or a control, and how well it classifies. Figures of several draws are means."""

    name: str
    kind: Literal["bank", "control"]
    seeds: int
    """How often it was drawn at random; 1 for what was not."""
    prompts: float
    """Mean number of prompts per class."""
    top1: Interval
    top5: Interval | None
    """None where there are fewer than six classes, of which five say nothing."""
    per_class: Interval | None
    """Mean over the classes of the top-1 accuracy on each. None where the images are a sample with
    too few of some class.

    The interval is too narrow where classes have one or two images, which say nothing of how much
    others of the class would differ.
    """
    top1_of_seeds: list[float]
    """Top-1 accuracy of each draw."""
    comparison: Comparison | None
    """With the reference; None for itself, or where there is none."""
    calibration: Calibration | None
    """Of the first draw; None where no temperature could be fitted."""
    confusions: list[Confusion]
    """The most frequent ones of the first draw, most first."""
    classes: list[ClassAccuracy]
    """Of the classes that have images, in the order of the bank."""
    comparisons: list[Comparison] = _added([])
    """Of a bank: with every control, in their order, and with the banks that it was tested
    against; of an adapted one with the reference, and with itself before."""
    uncalibrated: str | None = _added(None)
    """Why no temperature could be fitted."""
    plain: str | None = _added(None)
    """Of a bank that was adapted to the images: its name without."""
    spread: Spread | None = _added(None)
    """Over parts of the images, where that was asked for."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r:.100}, top1={self.top1.value:.4f})"

    __str__ = __repr__

    @property
    def against(self) -> list[Comparison]:
        """With all that it was compared with; of a control, with the reference."""
        first = [] if self.comparison is None else [self.comparison]
        return self.comparisons or first


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
    """A class on which the bank does worse than the reference."""

    name: str
    id: str | None
    images: int
    bank: float
    control: float


class Analysis(_Result):
    """Which questions, prompts and classes make a bank better or worse."""

    bank: str
    questions: list[QuestionEffect]
    """Most helpful first, of the 20 with the most prompts; empty where the bank has one only."""
    curve: list[CurvePoint]
    """By the number of prompts, the smallest first."""
    misleading: list[MisleadingPrompt] = _named_in_the_file("pulls", "misleading")
    """The most images first."""
    drops: list[ClassDrop] = _named_in_the_file("losses", "drops")
    """The widest first."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.bank!r:.100})"

    __str__ = __repr__


class UnreadableImage(_Result):
    """An image that could not be read or encoded."""

    path: str
    error: str


class SampledFrom(_Result):
    """The collection that a sample of labelled images was drawn from; all shares are over it."""

    photos: int
    labelled: int
    """Images that the figures are made of."""
    none_of_these: Interval | None = _added(None)
    """Share of the collection that is of none of the classes, and in no other figure."""
    missing: int = _added(0)
    """Photos that were drawn, and whose rows were taken out of the file."""


class Evaluation(_Result):
    """Banks and controls on the same labelled images, and what can be said of the banks.

    The raw predictions stand in ``predictions.csv``.
    """

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
    """Name of what differences are to: the first control, unless another was asked for."""
    candidates: list[CandidateResult] = _named_in_the_file("contenders", "candidates")
    """Banks, then controls, each in the order given."""
    analyses: list[Analysis]
    """One for each bank."""
    made_by: MadeBy | None = _added(None)
    """Command, encoder, banks, settings, data and date."""
    sample: SampledFrom | None = _added(None)
    """Where the images are a sample of a collection."""
    remarks: list[str] = _added([])
    """A sentence on each thing that makes the figures less alike, or more, than they look."""

    def __repr__(self) -> str:
        found = number_of(len(self.candidates), "candidate")
        images = number_of(self.images, "image")
        classes = number_of(self.classes, "class", "classes")
        return f"{type(self).__name__}({found}, {images}, {classes}, {self.encoder!r:.100})"

    __str__ = __repr__

    @property
    def banks(self) -> list[CandidateResult]:
        """The candidates that are banks."""
        return [one for one in self.candidates if one.kind == "bank"]

    @property
    def control(self) -> CandidateResult | None:
        """The candidate that ``reference`` names, mostly the first control."""
        return next((one for one in self.candidates if one.name == self.reference), None)
