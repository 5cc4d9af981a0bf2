"""What was fitted on examples, and is kept with the class vectors: thresholds and coverage."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr, StringConstraints

from cupl.embedding.adapter import Adaptation

Rate = Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]
_Number = Annotated[float, Field(allow_inf_nan=False)]
_Count = Annotated[StrictInt, Field(ge=1)]
Digest = Annotated[StrictStr, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class FittedThreshold(BaseModel):
    """From which score on a photo counts as one of the classes, fitted on photos that are.

    See :mod:`cupl.classification.thresholds`, and for the score
    :class:`cupl.classification.rejection.RejectionScore`.

    Attributes:
        keep: the share of photos of the classes that was asked for.
        expected: the share that passes on average over sets of examples; ``keep`` or a little more.
        examples: photos that it was fitted on.
        common: the threshold of every class that has none of its own.
        by_class: the threshold of each class, in their order; None for ``common``.
        centre: the mean of the examples at length 1, ``[dim]``, where scores are centred cosines.
        negatives: of the reject bank or words that the score compares with; None without.

    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    keep: Rate
    expected: Rate
    examples: _Count
    common: _Number
    by_class: tuple[_Number | None, ...]
    centre: tuple[_Number, ...] | None = None
    negatives: Digest | None = None

    @property
    def own(self) -> int:
        """How many classes have a threshold of their own."""
        return sum(threshold is not None for threshold in self.by_class)


class FittedCoverage(BaseModel):
    """How many labels a photo must keep, so that the true one is among them as often as asked.

    See :mod:`cupl.classification.conformal`.

    Attributes:
        coverage: the share of photos whose true label is to be among their labels.
        expected: that share on average over sets of examples; ``coverage`` or a little more.
        examples: photos that it was fitted on.
        highest: labels up to this ``-log probability`` cannot be ruled out.
        unseen: how many classes had no example; the share is a mean over the others.
        temperature: of these probabilities; that of the class vectors may change.
        adaptation: of the scores; it does not hold for others.

    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    coverage: Rate
    expected: Rate
    examples: _Count
    highest: _Number
    unseen: Annotated[StrictInt, Field(ge=0)] = 0
    temperature: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    adaptation: Adaptation | None = None
