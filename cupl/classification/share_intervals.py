"""How far a share that was found may be from the share that it stands for."""

from __future__ import annotations

_Z = 1.959963984540054


def wilson(share: float, images: float) -> tuple[float, float]:
    """The ends of Wilson's 95 % interval of a share (JASA 22, 1927).

    Args:
        share: that was found.
        images: among so many, which may be fewer than there are where some count more than others.

    """
    square = _Z * _Z / images
    middle = share + square / 2
    half = (square * share * (1 - share) + square**2 / 4) ** 0.5
    low, high = (middle - half) / (1 + square), (middle + half) / (1 + square)
    return max(0.0, min(low, share)), min(1.0, max(high, share))


def likely_most(place: int, number: int) -> float:
    """The most that a share below the ``place``-th lowest of ``number`` scores is, 95 times of 100.

    The share of all scores below that one is a draw from Beta(place, number + 1 - place). Its mean,
    place / (number + 1), is what is promised of all sets of examples together (Vovk, "Conditional
    validity of inductive conformal predictors", 2012, arXiv 1209.2673).
    """
    from scipy.stats import beta  # takes a while

    return float(beta.ppf(0.95, place, number + 1 - place))
