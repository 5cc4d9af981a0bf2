"""Temperature scaling: probabilities that say how often a prediction is right."""

from __future__ import annotations

import math

import torch
from scipy.optimize import minimize_scalar
from torch.nn.functional import softplus

from cupl.embedding.class_vectors import Provenance
from cupl.errors import InputError

LOWEST, HIGHEST = 1e-2, 1e2


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
    plain = provenance.model_copy(update={"temperature": 1.0}).logits(scores.float())
    softmax = provenance.logit_bias is None
    if softmax:
        plain -= plain.amax(dim=1, keepdim=True)  # so that no exponential is too large
    true = plain.gather(1, targets[:, None])[:, 0].double()
    logits = torch.empty_like(plain)  # fresh memory at every step would cost more than the rest

    def loss(exponent: float) -> float:
        """Negative log-likelihood: the cross-entropy of the softmax, or of all the sigmoids."""
        torch.mul(plain, 10.0**-exponent, out=logits)
        normalizer = logits.exp_().sum(dim=1).log() if softmax else softplus(logits).sum(dim=1)
        return float((normalizer.double() - true * 10.0**-exponent).mean())

    bounds = (math.log10(LOWEST), math.log10(HIGHEST))
    found = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-3})
    return float(10.0**found.x)
