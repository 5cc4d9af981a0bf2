"""Gaussian discriminant analysis: classes that share a covariance, estimated from few examples."""

from __future__ import annotations

import torch

from cupl.adaptation.class_means import Examples

_LEAST = 1e-9
"""Scatter below which examples do not differ within their classes."""


def whitening_of(examples: Examples) -> torch.Tensor | None:
    """W with W W' the inverse of the covariance within classes.

    The scatter S of N examples about the means of their classes has no inverse where they are
    fewer than dimensions. It is shrunk towards a multiple of the identity,

        W W' = ((S + tr(S) / (N - 1) I) / N)^-1

    ("A hard-to-beat baseline for training-free CLIP-based adaptation", Wang et al., ICLR 2024,
    arXiv 2402.04087; its factor is left to the strength that is chosen afterwards). Dimensions
    in which nothing varies do no harm: the condition number is below N.

    Returns:
        float64 ``[dim, dim]``, or None where no class has two examples that differ.

    """
    deviations = examples.deviations
    total = deviations.square().sum()
    if total <= _LEAST:
        return None
    scatter = deviations.T @ deviations
    ridge = total / (len(deviations) - 1)
    scatter.diagonal().add_(ridge)
    lower = torch.linalg.cholesky(scatter / len(deviations))
    identity = torch.eye(len(scatter), dtype=scatter.dtype)
    inverse: torch.Tensor = torch.linalg.solve_triangular(lower, identity, upper=False)
    return inverse.T.contiguous()
