"""How well a score tells images of the classes from others: AUROC and false-positive rate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from cupl.errors import InputError

KEPT = 0.95
"""The usual share of images of the classes at which the false-positive rate is given."""


@dataclass(frozen=True)
class RejectionFigures:
    """What a score for "none of these" is worth.

    Attributes:
        auroc: the probability that an image of the classes has a higher score than another, a tie
            counting one half; 0.5 is chance.
        false_positives: the share of other images that pass where ``KEPT`` of those of the classes
            do (FPR95, as MCM and NegLabel report it); the lower the better.

    """

    auroc: float
    false_positives: float


def judge_rejection(
    known: npt.ArrayLike, others: npt.ArrayLike, kept: float = KEPT
) -> RejectionFigures:
    """Judge scores, higher for what is rather of the classes.

    Args:
        known: of images of the classes, ``[images]``.
        others: of images of none of them.
        kept: the share of the first that is to pass.

    Raises:
        InputError: there are none of one kind, a score is not a number, or ``kept`` is no share.

    """
    inside, outside = np.asarray(known, np.float64), np.asarray(others, np.float64)
    if inside.ndim != 1 or outside.ndim != 1 or not inside.size or not outside.size:
        raise InputError("to judge a rejection, scores of images of both kinds are needed")
    if np.isnan(inside).any() or np.isnan(outside).any():
        raise InputError("a score of an image is not a number")
    if not 0 < kept <= 1:
        raise InputError(f"the share {kept:g} that is to pass is not above 0 and at most 1")
    ranks = rankdata(np.concatenate([inside, outside]))[: inside.size]
    wins = ranks.sum() - inside.size * (inside.size + 1) / 2
    passing = np.sort(inside)[::-1][int(np.ceil(kept * inside.size - 1e-9)) - 1]
    return RejectionFigures(
        auroc=float(wins / (inside.size * outside.size)),
        false_positives=float((outside >= passing).mean()),
    )
