"""Temperature scaling: probabilities that say how often a prediction is right."""

from __future__ import annotations

import torch
from scipy.optimize import minimize_scalar
from torch.nn.functional import (
    binary_cross_entropy_with_logits,
    cross_entropy,
    one_hot,
)

from cupl.errors import InputError
from cupl.vectors import Provenance

_LOWEST, _HIGHEST = 1e-2, 1e2


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
        InputError: there is no image, or the numbers of images differ.

    """
    if not len(scores) or len(scores) != len(targets):
        raise InputError(f"a temperature needs images with labels: {len(scores)}, {len(targets)}")
    scores = scores.double()
    truth = one_hot(targets, scores.shape[1]).double()

    def loss(exponent: float) -> float:
        logits = provenance.model_copy(update={"temperature": 10.0**exponent}).logits(scores)
        if provenance.logit_bias is None:
            return cross_entropy(logits, targets).item()
        return binary_cross_entropy_with_logits(logits, truth).item()

    found = minimize_scalar(loss, bounds=(-2, 2), method="bounded", options={"xatol": 1e-4})
    return float(min(max(10.0**found.x, _LOWEST), _HIGHEST))
