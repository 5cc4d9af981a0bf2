"""The best classes of an image, without sorting all of them."""

from __future__ import annotations

import torch


def best_first(scores: torch.Tensor, number: int) -> torch.Tensor:
    """Indices of the highest scores of each row, the highest first, equal ones in their order.

    They are the first columns of a stable sort of all scores.

    Args:
        scores: ``[rows, columns]``.
        number: how many of each row, at least 1; all where there are fewer.

    Returns:
        int64 ``[rows, min(number, columns)]``.

    """
    columns = scores.shape[1]
    if number >= columns:
        return _sorted(scores)
    values, order = scores.topk(number + 1, dim=1)
    order = order[:, :number]
    # Of equal scores, topk takes any in any order; rows that have them are sorted instead. So are
    # those with NaN, which is above nothing.
    tied = ~(values[:, :-1] > values[:, 1:]).all(dim=1)
    order[tied] = _sorted(scores[tied])[:, :number]
    return order


def _sorted(scores: torch.Tensor) -> torch.Tensor:
    return scores.sort(dim=1, descending=True, stable=True).indices
