"""Pairs of classes between which images hesitate (GTA-CLIP)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch

from cupl.classification.scoring import ImageVectors, cosines, in_chunks, scores_of
from cupl.embedding.class_vectors import ClassVectors
from cupl.embedding.normalize import has_direction
from cupl.errors import InputError

MARGIN = 0.1
"""Probability by which the best class is ahead of the next where an image hesitates."""
SHARE, MOST_PAIRS = 0.05, 50
"""Of all pairs of classes so many, the most frequent, are of interest; and no more than that."""


@dataclass(frozen=True)
class ConfusedPair:
    """Two classes, by their numbers, the smaller first, and how many images are in doubt."""

    first: int
    second: int
    images: int


def confused_pairs(
    image_vectors: ImageVectors | Iterable[ImageVectors],
    classes: ClassVectors,
    *,
    margin: float = MARGIN,
    most: int | None = None,
) -> list[ConfusedPair]:
    """The pairs of classes that most images can hardly decide between.

    An image hesitates between its two best classes where z1 - z2 < margin, with z the softmax of
    its logits. Source: GTA-CLIP (2025), which takes the most frequent 5 % of pairs. Adaptation
    leaves few images undecided, and an image to which it gives another label is one that the texts
    confuse: it counts for the label by the texts and the new one. On 1,005 aerial photos (RN50) the
    nine most frequent pairs so hold 49 % of what the texts get wrong, as many as any nine can;
    without those images, 26 %.

    Args:
        image_vectors: ``[images, dim]``, or several such one after the other; an image without a
            direction is passed over.
        classes: the class vectors, adapted to the images or not.
        margin: see above.
        most: pairs at most; None for 5 % of all pairs of classes, and 50 at most.

    Returns:
        The most frequent first, equally frequent ones in the order of the classes; none with which
        no image hesitates.

    Raises:
        InputError: ``margin`` is no probability, or the image vectors do not fit.

    """
    if not 0 < margin <= 1:
        raise InputError(f"margin is a probability above 0, not {margin}")
    number = len(classes.labels)
    if most is None:
        most = min(MOST_PAIRS, math.ceil(SHARE * number * (number - 1) / 2))
    if number < 2:
        return []
    scale = classes.provenance.logit_scale
    counts: Counter[tuple[int, int]] = Counter()
    if isinstance(image_vectors, torch.Tensor | np.ndarray):
        image_vectors = [image_vectors]
    for array in image_vectors:
        for rows in in_chunks(array, classes):
            best, where = (scale * scores_of(rows, classes)).softmax(dim=1).topk(2, dim=1)
            counted = best[:, 0] - best[:, 1] < margin  # never true of NaN
            if classes.adapter is not None:
                by_text = cosines(rows, classes).argmax(dim=1)
                changed = (by_text != where[:, 0]) & has_direction(rows)
                where[changed, 1] = by_text[changed]
                counted |= changed
            pairs = where[counted].sort(dim=1).values
            counts.update((first, second) for first, second in pairs.tolist())
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [ConfusedPair(*pair, images) for pair, images in ordered[:most]]
