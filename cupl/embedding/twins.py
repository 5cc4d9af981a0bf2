"""Classes that no image can tell apart, as their vectors are the same."""

from __future__ import annotations

from collections import defaultdict
from itertools import combinations

import torch

from cupl.bank.labels import ClassLabel
from cupl.embedding.class_vectors import ClassVectors
from cupl.embedding.normalize import unit

_NOISE = 1e-5
"""By which numbers of equal vectors differ that were summed in another order."""
_NEARLY = 0.999
"""Cosine from which two classes of one name are as good as one."""
_NEIGHBOURS = 4
_MOST_OF_A_NAME = 50
_SHOWN = 3


def twin_classes(vectors: ClassVectors) -> list[tuple[ClassLabel, ClassLabel]]:
    """Pairs of classes with the same vector, the earlier class first.

    Equal ones are neighbours on any line that the vectors are projected on, so that the time is
    that of sorting them. Two classes of one name need only be nearly equal.

    Args:
        vectors: the classes.

    Returns:
        Each class that another stands in the way of, with that one.

    """
    rows, labels = vectors.matrix, vectors.labels
    line = torch.randn(
        rows.shape[1], generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    places = rows.double() @ (line / line.norm())
    order = places.argsort(stable=True)
    found: dict[int, int] = {}
    for distance in range(1, min(_NEIGHBOURS, len(order))):
        first, second = order[:-distance], order[distance:]
        near = (places[second] - places[first]) <= _NOISE * rows.shape[1] ** 0.5
        first, second = first[near], second[near]
        same = (rows[first] - rows[second]).abs().amax(dim=1) <= _NOISE
        for one, other in zip(first[same].tolist(), second[same].tolist(), strict=True):
            found.setdefault(max(one, other), min(one, other))
    named: dict[str, list[int]] = defaultdict(list)
    for index, label in enumerate(labels):
        named[label.name].append(index)
    for indices in named.values():
        for one, other in combinations(indices[:_MOST_OF_A_NAME], 2):
            pair = unit(rows[[one, other]])
            if float(pair[0] @ pair[1]) >= _NEARLY:
                found.setdefault(other, one)
    return [(labels[one], labels[other]) for other, one in sorted(found.items())]


def explain_twins(vectors: ClassVectors) -> str | None:
    """Which classes cannot win beside which, and the way out, in a sentence; None where all can."""
    if not (pairs := twin_classes(vectors)):
        return None
    shown = ", ".join(f"{str(other)!r:.80} after {str(one)!r:.80}" for one, other in pairs[:_SHOWN])
    more = f" and {len(pairs) - _SHOWN:,} more" if len(pairs) > _SHOWN else ""
    return (
        f"the same class vector has {shown}{more}: the later class can never win; give each "
        "descriptions that differ in the bank, as of an alias that only it goes by"
    )
