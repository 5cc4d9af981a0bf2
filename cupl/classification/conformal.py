"""Sets of labels that hold the true one as often as asked: split conformal prediction.

With p_y the probability of the true class of each of n labelled photos, and q the k-th lowest of
their -log p_y,

    k = ceil(coverage (n + 1)),   labels of a photo = {c : -log p_c <= q}

holds the true label of a new photo like these with probability ``coverage`` or more, and at most
1 / (n + 1) more where no two values are equal, however good the classifier is. It is a mean over
photos, not a promise for each class. The sets are the smallest on average for that (LAC: Sadinle,
Lei and Wasserman, "Least ambiguous set-valued classifiers with bounded error levels", JASA 2019,
arXiv 1609.00451); -log p in place of 1 - p gives the same sets and does not round near 1. The best
class is always in the set, which can only add to the coverage.
"""

from __future__ import annotations

import torch

from cupl.classification.thresholds import check_rate, passing
from cupl.embedding.fitted import FittedCoverage
from cupl.embedding.provenance import Provenance
from cupl.errors import InputError

_SLACK = 1e-5
"""Rounding of ``-log p``, which depends on the photos that are computed together."""


def fit_conformal(
    scores: torch.Tensor, targets: torch.Tensor, provenance: Provenance, coverage: float
) -> FittedCoverage:
    """What a label's probability must be so that it cannot be ruled out.

    Args:
        scores: of labelled photos with the classes, ``[examples, classes]``.
        targets: int64 ``[examples]``, the true class of each.
        provenance: says how scores become probabilities.
        coverage: the share of photos whose true label is to be in their set.

    Raises:
        InputError: ``coverage`` is no rate, or there are too few examples for it.

    """
    check_rate("coverage", coverage, len(scores))
    misfit = -_log_probabilities(scores, provenance).gather(1, targets[:, None])[:, 0]
    place, rate = passing(coverage, len(scores))
    seen = torch.bincount(targets, minlength=scores.shape[1]) > 0
    return FittedCoverage(
        coverage=coverage,
        expected=rate,
        examples=len(scores),
        highest=float(misfit.sort().values[len(scores) - place]) + _SLACK,
        unseen=int((~seen).sum()),
        temperature=provenance.temperature,
        adaptation=provenance.adaptation,
    )


def set_sizes(scores: torch.Tensor, provenance: Provenance, fitted: FittedCoverage) -> torch.Tensor:
    """How many of the best classes cannot be ruled out, int64 ``[images]``; at least one.

    Args:
        scores: of photos with the classes, ``[images, classes]``.
        provenance: says how scores become probabilities.
        fitted: on other photos.

    Raises:
        InputError: it was fitted before the class vectors were adapted.

    """
    if provenance.adaptation != fitted.adaptation:
        raise InputError(
            "the coverage was fitted before the class vectors were adapted: fit it again",
            arguments={"coverage": ..., "examples": ...},
        )
    at_fit = provenance.model_copy(update={"temperature": fitted.temperature})
    misfit = -_log_probabilities(scores, at_fit)
    return (misfit <= fitted.highest).sum(dim=1).clamp(min=1)


def _log_probabilities(scores: torch.Tensor, provenance: Provenance) -> torch.Tensor:
    logits = provenance.logits(scores.double())
    if provenance.logit_bias is None:
        return logits.log_softmax(dim=1)
    return torch.nn.functional.logsigmoid(logits)
