"""Pairs of classes that class vectors hardly tell apart."""

from __future__ import annotations

import torch

from cupl.embedding.class_vectors import ClassVectors
from cupl.embedding.normalize import unit

_AT_ONCE = 2**24
"""Cosines that are in memory together: 64 MB."""


def close_pairs(classes: ClassVectors, most: int) -> list[tuple[int, int]]:
    """The pairs of classes with the highest cosines, the highest first.

    Args:
        classes: the class vectors.
        most: how many pairs.

    Returns:
        The numbers of both classes, the smaller first; pairs of equal cosine in their order.

    """
    rows = unit(classes.matrix)
    number = len(rows)
    size = max(1, _AT_ONCE // number)
    found: list[tuple[float, int, int]] = []
    for start in range(0, number, size):
        cosines = rows[start : start + size] @ rows.T  # [size, classes]
        # To a millionth, so that how sums are ordered on a machine decides nothing.
        cosines = (cosines.double() * 1e6).round()
        later = torch.arange(number) > torch.arange(start, start + len(cosines))[:, None]
        flat = torch.where(later, cosines, -torch.inf).flatten()
        order = flat.argsort(descending=True, stable=True)[:most]
        found += [
            (-value, start + place // number, place % number)
            for value, place in zip(flat[order].tolist(), order.tolist(), strict=True)
            if value > -torch.inf
        ]
    return [(first, second) for _, first, second in sorted(found)[:most]]
