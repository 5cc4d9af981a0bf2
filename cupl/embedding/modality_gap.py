"""Whether an encoder keeps photos and texts apart."""

from __future__ import annotations

import torch


def has_gap(centre: torch.Tensor, spread: float, texts: torch.Tensor) -> bool:
    """Whether photos and texts lie further apart than they spread around their means.

    Liang et al., "Mind the gap", NeurIPS 2022, arXiv 2203.02053. So with CLIP:
    |mean x - mean t|^2 > E|x - mean x|^2 + E|t - mean t|^2.

    Args:
        centre: mean of photos at length 1, ``[dim]``.
        spread: mean squared distance of these photos from it.
        texts: class vectors, ``[classes, dim]``.

    """
    middle = texts.mean(dim=0)
    gap = (centre - middle).square().sum()
    return bool(gap > spread + (texts - middle).square().sum(dim=1).mean())
