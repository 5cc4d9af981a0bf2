"""Temperature scaling: probabilities that say how often a prediction is right."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch.nn.functional import softplus

from cupl.embedding.provenance import Provenance
from cupl.errors import InputError

LOWEST, HIGHEST = 1e-2, 1e2
_SAME = 1e-7
"""Losses this close do not differ: they are means of float32 numbers."""
_AT_ONCE = 2**20
"""Logits that are worked on together."""
FEWEST_TO_FIT = 20
"""From so many images on, nine fits in ten lie between half the temperature and twice.

With 10 the lower one is a fifth or less, with 50 both are within 40 %: measured on scores of 3 to
100 classes whose labels were drawn at a known temperature.
"""


def fit_temperature(scores: torch.Tensor, targets: torch.Tensor, provenance: Provenance) -> float:
    """The temperature at which the true classes are likeliest (Guo et al., arXiv 1706.04599).

    One number that the logits are divided by: it changes no prediction, only how sure it is.

    Args:
        scores: cosines, ``[images, classes]``.
        targets: int64 ``[images]``, the true class of each.
        provenance: says how scores become probabilities; a temperature that it has is left out.

    Returns:
        Between 0.01 and 100.

    Raises:
        InputError: there are fewer than ``FEWEST_TO_FIT`` images, the numbers of images differ, or
            no temperature between is the best: every image is right, cosines of the true class
            are no higher than others, or the cosines are all the same.

    """
    if not len(scores) or len(scores) != len(targets):
        raise InputError(f"a temperature needs images with labels: {len(scores)}, {len(targets)}")
    if len(scores) < FEWEST_TO_FIT:
        raise InputError(
            f"a temperature needs at least {FEWEST_TO_FIT} labelled images, and there are "
            f"{len(scores)}"
        )
    from scipy.optimize import minimize_scalar  # takes a while

    loss = _loss(scores, targets, provenance)
    bounds = (math.log10(LOWEST), math.log10(HIGHEST))
    found = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-3})
    best, (at_lowest, at_highest) = float(found.fun), map(loss, bounds)
    # Not by how near it is to an end: a loss that is flat there has its minimum anywhere.
    if max(at_lowest, at_highest) - best <= _SAME:
        raise InputError("the cosines tell no classes apart, so that any temperature fits them")
    if at_lowest - best <= _SAME:
        raise InputError(_at_the_lower_end(scores, targets))
    if at_highest - best <= _SAME:
        raise InputError(
            f"the temperature would be at the upper end of its range, {HIGHEST:g}: the cosines of "
            "the true class are no higher than those of others, as where the labels belong to "
            "other images"
        )
    return float(10.0**found.x)


def _loss(
    scores: torch.Tensor, targets: torch.Tensor, provenance: Provenance
) -> Callable[[float], float]:
    """The negative log-likelihood of the true classes by the power of ten of the temperature.

    The cross-entropy of the softmax, or of all the sigmoids; a mean over the images.
    """
    plain = provenance.model_copy(update={"temperature": 1.0}).logits(scores.float())
    softmax, row = provenance.logit_bias is None, targets[:, None]
    if softmax:
        plain -= plain.amax(dim=1, keepdim=True)  # so that no exponential is too large
        true = plain.gather(1, row)[:, 0].double()
    else:
        plain.scatter_(1, row, -plain.gather(1, row))  # a true class is missed by 1 - sigmoid
    parts = torch.split(plain, max(1, _AT_ONCE // plain.shape[1]))
    buffer = torch.empty_like(parts[0])  # fresh memory at every step would cost more than the rest

    def sums(part: torch.Tensor, exponent: float) -> torch.Tensor:
        logits = torch.mul(part, 10.0**-exponent, out=buffer[: len(part)])
        return (logits.exp_() if softmax else softplus(logits)).sum(dim=1)

    def loss(exponent: float) -> float:
        rows = torch.cat([sums(part, exponent) for part in parts])
        if not softmax:
            return float(rows.double().mean())
        return float((rows.log().double() - true * 10.0**-exponent).mean())

    return loss


def _at_the_lower_end(scores: torch.Tensor, targets: torch.Tensor) -> str:
    right = int((scores.argmax(dim=1) == targets).sum())
    which = "every image is" if right == len(targets) else f"{right} of {len(targets)} images are"
    return (
        f"the temperature would be at the lower end of its range, {LOWEST:g}: {which} right, so "
        "that no probability is too high; add images that are harder"
    )
