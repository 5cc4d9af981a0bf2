"""A cache of examples: how near an image is to each.

Tip-Adapter, Zhang et al., ECCV 2022, arXiv 2207.09519.
"""

from __future__ import annotations

import torch

from cupl.adaptation.class_means import Examples


def cache_scores(images: torch.Tensor, examples: Examples, sharpness: float) -> torch.Tensor:
    """The mean of exp(-sharpness (1 - x . e)) over the examples e of each class.

    The paper has the sum, of equally many examples a class, which is the same there; of unequal
    numbers the most frequent class would win.

    Args:
        images: float64 ``[images, dim]`` at length 1.
        examples: what is in the cache.
        sharpness: how fast an example's influence falls with the distance.

    Returns:
        float64 ``[images, classes]``.

    """
    near = (images @ examples.images.T).sub_(1).mul_(sharpness).exp_()
    sums = near.new_zeros(len(images), len(examples.texts)).index_add_(1, examples.targets, near)
    return sums / examples.counts.clamp(min=1)


def left_out_cache_scores(examples: Examples, sharpness: float) -> torch.Tensor:
    """The same of each example with all others, ``[examples, classes]``."""
    scores = cache_scores(examples.images, examples, sharpness)
    rows = torch.arange(len(scores))
    itself = (examples.images.square().sum(dim=1) - 1).mul_(sharpness).exp_()
    number = examples.counts[examples.targets]
    others = scores[rows, examples.targets] * number - itself
    scores[rows, examples.targets] = others.clamp_(min=0) / (number - 1).clamp(min=1)
    return scores
