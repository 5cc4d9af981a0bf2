"""A threshold at a stated pass rate, fitted on photos that are known to be of the classes.

With n scores of such photos, s_(1) <= ... <= s_(n), and one new photo like them, each of the n + 1
places of the new score among the others is equally likely. So it is below s_(j) with probability
j / (n + 1) at most, and

    j = floor((1 - keep) (n + 1)),   threshold = s_(j)

passes it with probability keep or more, whatever the scores are (split conformal prediction:
Vovk, Gammerman and Shafer, "Algorithmic Learning in a Random World", 2005; Lei et al., arXiv
1604.04173). With fewer than keep / (1 - keep) photos j would be 0: no threshold can promise that.

The same holds within the photos of a class (Mondrian prediction), which keeps the rate for each
class. The class of a photo is the one whose score is its highest, so that no labels are needed.

Where each class is judged alone (several labels an image), its examples are too few for that. What
they say well is how high the class's own photos score on average; how far below that one may lie is
much the same for all classes, and is taken from all examples together:

    threshold of c = mean of c + s_(j) of the deviations, each times sqrt(n_c / (n_c - 1))

since a mean takes part of the deviation from each of its n_c examples. With 5 examples a class of
which 90 % are to be kept, 90, 89 and 89 % of the labels were found (``mini`` on scenes, two CLIP
models on WHU-RS19; means of 20 draws), and 16, 23 and 42 % of those given were right: 11, 19 and
38 % with a threshold common to all classes. One of each class's own examples found 83 to 85 %.
"""

from __future__ import annotations

import math
from fractions import Fraction

import torch

from cupl.embedding.fitted import Digest, FittedThreshold
from cupl.errors import InputError

LEFT_OUT = 5
"""Examples below the threshold of a class of its own: the lowest one of a few is any value.

With 20 examples a class and thresholds of their own, 40 % of foreign photos passed where 14 % did
by a common one (``tests/benchmarks/bench_rejection.py``, ``mini``, scenes against art).
"""
TWO = 2
"""Examples of a class from which on its mean says something of others."""
_SLACK = 1e-6
"""How much the score of one image differs with the images that it is computed together with."""


def examples_needed(rate: float) -> int:
    """The least number of examples with which a rate can be promised: ceil(rate / (1 - rate))."""
    exact = Fraction(str(rate))
    return math.ceil(exact / (1 - exact))


def check_rate(name: str, rate: float, number: int | None) -> None:
    """Accept a rate that so many examples can promise.

    Args:
        name: of the argument.
        rate: between 0 and 1.
        number: examples; None where that is not known yet.

    Raises:
        InputError: it is no rate, or needs more examples.

    """
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 < rate < 1:
        raise InputError(f"{name} is {rate!r:.100}: give a share between 0 and 1, such as 0.95")
    if number is not None and number < (needed := examples_needed(rate)):
        raise InputError(
            f"{name}={rate:g} needs at least {needed:,} examples, and there are {number:,}: give "
            "more, or a lower rate",
            arguments={"examples": ..., name: ...},
        )


def passing(rate: float, number: int) -> tuple[int, float]:
    """How many of ``number`` examples are left out, plus one; and the rate that this promises."""
    place = math.floor((1 - Fraction(str(rate))) * (number + 1))
    return place, float(1 - Fraction(place, number + 1))


def fit_thresholds(
    scores: torch.Tensor,
    nearest: torch.Tensor,
    classes: int,
    keep: float,
    *,
    centre: torch.Tensor | None = None,
    negatives: Digest | None = None,
) -> FittedThreshold:
    """Thresholds that photos of the classes pass at a stated rate.

    A class with ``LEFT_OUT`` times the examples that the rate needs has a threshold of its own. The
    others have a common one, fitted on their examples together, or on all examples where theirs are
    too few.

    Args:
        scores: ``[examples]``, higher for photos that are rather of the classes.
        nearest: int64 ``[examples]``, the class of each by its score.
        classes: how many there are.
        keep: the share that is to pass.
        centre: kept with the result.
        negatives: likewise.

    Raises:
        InputError: ``keep`` is no rate, or there are too few examples for it.

    """
    check_rate("keep", keep, len(scores))
    needed = examples_needed(keep)
    counts = torch.bincount(nearest, minlength=classes)
    has_own = counts >= LEFT_OUT * needed
    rest = scores[~has_own[nearest]]
    by_class: list[float | None] = [None] * classes
    passed = 0.0
    for number in has_own.nonzero().flatten().tolist():
        own = scores[nearest == number]
        by_class[number], rate = _threshold(own, keep)
        passed += rate * len(own)
    common, rate = _threshold(rest if len(rest) >= needed else scores, keep)
    passed += rate * len(rest)
    return FittedThreshold(
        keep=keep,
        expected=passed / len(scores),
        examples=len(scores),
        common=common,
        by_class=tuple(by_class),
        centre=None if centre is None else tuple(centre.tolist()),
        negatives=negatives,
    )


def fit_class_thresholds(
    scores: torch.Tensor, targets: torch.Tensor, keep: float
) -> list[float | None]:
    """From which score on each class alone is a label, so that a share of its photos has it.

    Args:
        scores: ``[examples, classes]``, the cosines of each example with all classes.
        targets: int64 ``[examples]``, the class of each.
        keep: the share of photos of a class that are to get it.

    Returns:
        The threshold of each class; None of those with fewer than two examples.

    Raises:
        InputError: ``keep`` is no rate, or there are too few examples for it.

    """
    own = scores.gather(1, targets[:, None])[:, 0].double()
    counts = torch.bincount(targets, minlength=scores.shape[1])
    enough = counts >= TWO
    used = enough[targets]
    check_rate("keep", keep, int(used.sum()))
    sums = torch.zeros(scores.shape[1], dtype=torch.float64).index_add(0, targets, own)
    means = sums / counts.clamp(min=1)
    share = counts / (counts - 1).clamp(min=1)
    deviations = ((own - means[targets]) * share[targets].sqrt())[used]
    lowest, _ = _threshold(deviations, keep)
    return [
        max(-1.0, mean + lowest) if is_fitted else None
        for mean, is_fitted in zip(means.tolist(), enough.tolist(), strict=True)
    ]


def _threshold(scores: torch.Tensor, keep: float) -> tuple[float, float]:
    place, rate = passing(keep, len(scores))
    return float(scores.double().sort().values[place - 1]) - _SLACK, rate
