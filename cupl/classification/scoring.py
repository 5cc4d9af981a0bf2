"""Image vectors to cosines and predictions, so many at a time that memory stays bounded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from cupl.classification.decision import DecisionRule, decide
from cupl.classification.explanation import Explanation
from cupl.classification.prediction import Prediction
from cupl.classification.ranked import RankedClasses, Ranking
from cupl.classification.rejection import Rejection
from cupl.embedding.class_vectors import ClassVectors
from cupl.embedding.normalize import NO_DIRECTION, directions, has_direction
from cupl.embedding.parts import join_parts
from cupl.errors import InputError

ImageVectors = torch.Tensor | npt.NDArray[Any]
"""``[images, dim]``, numbers of any type and rows of any length."""
AT_ONCE = 2**22
"""Cosines that are computed together: 16 MB, and a few times that while they are judged."""


def float_rows(image_vectors: ImageVectors, dim: int) -> torch.Tensor:
    """Image vectors as float32 ``[images, dim]`` on the CPU.

    Raises:
        InputError: they are of another shape, or no real numbers.

    """
    _check(image_vectors, dim)
    if isinstance(image_vectors, np.ndarray):
        image_vectors = torch.from_numpy(image_vectors.astype(np.float32))
    return image_vectors.detach().float().cpu()


def in_chunks(image_vectors: ImageVectors, classes: ClassVectors) -> Iterator[torch.Tensor]:
    """Rows as of :func:`float_rows`, so many that they have ``AT_ONCE`` cosines to the classes."""
    dim = classes.matrix.shape[1]
    _check(image_vectors, dim)
    size = images_at_once(classes)
    starts = range(0, len(image_vectors), size)
    return (float_rows(image_vectors[start : start + size], dim) for start in starts)


def images_at_once(classes: ClassVectors) -> int:
    """How many images have ``AT_ONCE`` cosines to the classes and their parts."""
    return max(1, AT_ONCE // classes.compared)


def _check(image_vectors: ImageVectors, dim: int) -> None:
    if not isinstance(image_vectors, torch.Tensor | np.ndarray):
        kind = type(image_vectors).__name__
        raise InputError(f"image vectors are an array or a tensor [images, {dim}], not {kind}")
    if image_vectors.ndim != 2 or image_vectors.shape[1] != dim:
        shape = list(image_vectors.shape)
        raise InputError(f"image vectors of shape {shape} do not fit: [images, {dim}]")
    if isinstance(image_vectors, torch.Tensor):
        is_real = not image_vectors.is_complex()
    else:
        is_real = image_vectors.dtype.kind in "biuf"
    if not is_real:
        raise InputError(f"image vectors are real numbers, not {image_vectors.dtype}")


def competing(vectors: ClassVectors, reject: ClassVectors | None) -> ClassVectors:
    """The classes, then those of the reject bank, by their texts alone where there is one."""
    if reject is None:
        return vectors
    matrix, labels = torch.cat([vectors.matrix, reject.matrix]), vectors.labels + reject.labels
    parts = join_parts((vectors.matrix, vectors.parts), (reject.matrix, reject.parts))
    return replace(vectors, labels=labels, matrix=matrix, adapter=None, parts=parts)


def cosines(rows: torch.Tensor, classes: ClassVectors) -> torch.Tensor:
    """Cosines of images, float32 ``[images, classes]``; NaN for a row without a direction."""
    found = classes.cosines(directions(rows))
    found[~has_direction(rows)] = torch.nan
    return found


def scores_of(
    rows: torch.Tensor, vectors: ClassVectors, reject: ClassVectors | None = None
) -> torch.Tensor:
    """What classes are ordered by: cosines, and what photos or examples add to them.

    Args:
        rows: float32 ``[images, dim]``, of any length.
        vectors: the classes.
        reject: those of the reject bank, where there is one.

    Returns:
        float32 ``[images, classes + classes of the reject bank]``; NaN for a row without a
        direction.

    """
    found = cosines(rows, competing(vectors, reject))
    if vectors.adapter is not None:
        known = found[:, : len(vectors.labels)]
        known.copy_(vectors.adapter.adapted(known, directions(rows)))
    return found


def predict_rows(
    rows: torch.Tensor,
    vectors: ClassVectors,
    reject: ClassVectors | None,
    top_k: int,
    rule: DecisionRule,
    explanations: Sequence[Explanation | None],
    rejection: Rejection | None = None,
) -> list[Prediction]:
    """Predictions of images, one a row; a row without a direction has an ``error``.

    Args:
        rows: float32 ``[images, dim]``, of any length.
        vectors: the classes.
        reject: those of the reject bank, where there is one.
        top_k: classes to name for each image; all of them where there are fewer.
        rule: how scores become labels.
        explanations: one an image, or None.
        rejection: what says of an image that it is none of the classes, where that is not decided
            by what is closest.

    """
    scores = scores_of(rows, vectors, reject)
    outside = None if rejection is None else rejection.reasons(rows)
    decisions = decide(scores, vectors, reject, rule, top_k, outside)
    several = rule.multi_label or vectors.provenance.coverage is not None
    ranking = Ranking(
        vectors.labels,
        decisions.order.int().numpy(),
        decisions.scores.numpy(),
        decisions.probabilities.numpy(),
    )
    number = min(top_k, ranking.order.shape[1])
    return [
        Prediction(
            RankedClasses(ranking, image, number),
            rejected=decisions.rejected[image],
            labels=RankedClasses(ranking, image, accepted) if several else (),
            explanation=explanations[image],
        )
        if usable
        else Prediction(error=NO_DIRECTION)
        for image, (accepted, usable) in enumerate(
            zip(decisions.accepted, has_direction(rows).tolist(), strict=True)
        )
    ]


def at_paths(
    images: Iterable[tuple[str | None, str | None]], predictions: Iterable[Prediction]
) -> Iterator[Prediction]:
    """A prediction for every image, with its path.

    Args:
        images: path and error of each.
        predictions: of those that have no error, in order.

    """
    rest = iter(predictions)
    for path, error in images:
        if error is not None:
            yield Prediction(path=path, error=error)
            continue
        found = next(rest)
        explanation = found.explanation and replace(found.explanation, path=path)
        yield replace(found, path=path, explanation=explanation)
