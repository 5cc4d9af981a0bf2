"""How much an accuracy differs from one part of the images to another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cupl.errors import InputError
from cupl.evaluation.labelled import LabelledImages
from cupl.evaluation.ranking import Booleans, Integers
from cupl.evaluation.schema import Spread
from cupl.io.arguments import check_whole

SUBSAMPLES = 10


def parts_of(
    data: LabelledImages,
    *,
    subsample: int | None = None,
    subsamples: int | None = SUBSAMPLES,
    folds: int | None = None,
) -> list[Integers]:
    """Parts of the images: random subsamples, or folds.

    Nothing is fitted, so that an accuracy needs no images kept apart: the parts say how much it
    differs from sample to sample. A subsample is drawn without replacement from all images, so that
    classes have their shares of it by chance; folds have no image in common, and every class is
    spread evenly over them. The same images give the same parts, in whatever order they are.

    Args:
        data: the images.
        subsample: images of a subsample, or None for none.
        subsamples: how many are drawn.
        folds: how many folds, or None for none.

    Returns:
        Places of the images of each part; no part where neither was asked for.

    Raises:
        InputError: both were asked for, there are too few images, or they are a sample drawn
            by strata.

    """
    check_whole(subsample=subsample, subsamples=subsamples, folds=folds)
    rng, order = np.random.default_rng(0), data.by_name
    images = len(order)
    if data.sample is not None and (subsample is not None or folds is not None):
        raise InputError(
            "the labelled images are a sample by strata, and parts of it are none: leave out "
            "subsamples and folds"
        )
    if subsample is not None and folds is not None:
        raise InputError("subsamples and folds exclude one another", arguments={"folds": False})
    if subsample is not None:
        number = subsamples or 0
        if not 1 <= subsample <= images or number < 2:
            raise InputError(
                f"{number:,} subsamples of {subsample:,} images cannot be drawn of {images:,}: ask "
                f"for 2 or more, each of 1 to {images:,} images"
            )
        return [order[rng.permutation(images)[:subsample]] for _ in range(number)]
    if folds is None:
        return []
    if not 2 <= folds <= images:
        raise InputError(f"{images:,} images make 2 to {images:,} folds, not {folds:,}")
    order = order[rng.permutation(images)]
    order = order[np.argsort(np.array(data.targets)[order], kind="stable")]
    return [order[start::folds] for start in range(folds)]


def spread_of(correct: Booleans, parts: Sequence[Integers]) -> Spread | None:
    """Accuracy on each part, with their mean and standard deviation.

    Args:
        correct: ``[draws, images]``; of several draws the mean counts.
        parts: see :func:`parts_of`.

    Returns:
        None where there is no part.

    """
    if not parts:
        return None
    each = correct.mean(axis=0)
    values = [float(each[part].mean()) for part in parts]
    return Spread(values=values, mean=float(np.mean(values)), sd=float(np.std(values, ddof=1)))
