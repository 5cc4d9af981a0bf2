"""A bank or a control after it was judged: what it says about every image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cupl.bank.model import PromptBank
from cupl.embedding.class_vectors import ClassVectors
from cupl.evaluation.candidates import CandidateKind
from cupl.evaluation.ranking import Booleans, Floats, ImageRanks, ScoreChunks
from cupl.evaluation.schema import Calibration


@dataclass(frozen=True, eq=False)
class JudgedCandidate:
    """A bank or a control, and what it says about every image.

    Attributes:
        name: of the bank or control.
        kind: which of the two it is.
        banks: the prompts with the templates among them; of several draws several.
        vectors: class vectors of the first draw.
        scores: of the images by these, adapted or not.
        runs: what each draw says.
        calibration: of the first draw.
        calibrated: its probabilities at the fitted temperature, float64 ``[images]``.
        uncalibrated: why there is no calibration.
        plain: name of what was adapted to the images, where it is that.
        kept: why it was not adapted after all, and says what ``plain`` does.

    """

    name: str
    kind: CandidateKind
    banks: list[PromptBank]
    vectors: ClassVectors
    scores: ScoreChunks
    runs: list[ImageRanks]
    calibration: Calibration | None
    calibrated: Floats | None
    uncalibrated: str | None
    plain: str | None = None
    kept: str | None = None

    @property
    def correct(self) -> Booleans:
        """Which images each draw has right, ``[draws, images]``."""
        return np.stack([run.correct for run in self.runs])

    @property
    def in_five(self) -> Booleans:
        """For which images the true class is among each draw's five best, ``[draws, images]``."""
        return np.stack([run.ranks <= 5 for run in self.runs])
