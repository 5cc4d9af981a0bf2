"""Class vectors adapted to the images that are judged, without their labels.

In place, the images are those that they were adapted to, as classifying them in one go does it.
Cross-fitted, each half of the images is judged by class vectors adapted to the other half, as
photos that come later are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import torch

from cupl.adaptation.photos import adapt_to_photos
from cupl.embedding.adapter import Adapter
from cupl.embedding.class_vectors import ClassVectors
from cupl.evaluation.ranking import ScoreChunks

AdaptedHow = Literal["in place", "cross-fitted"]
IN_PLACE: AdaptedHow = "in place"
CROSS_FITTED: AdaptedHow = "cross-fitted"


@dataclass(frozen=True, eq=False)
class CrossFittedScores(ScoreChunks):
    """Scores of images by the adapter of the half that they are not in.

    Attributes:
        other: of the images of the second half; ``adapter`` is of those of the first.
        second: which images are in the second half, bool ``[images]``.

    """

    other: Adapter | None = None
    second: torch.Tensor | None = None

    def __iter__(self) -> Iterator[torch.Tensor]:
        assert self.second is not None  # noqa: S101 (made with it)
        others = replace(self, adapter=self.other)
        for rows, second in zip(self.split(self.images), self.split(self.second), strict=True):
            yield torch.where(second[:, None], others.scores(rows), self.scores(rows))


def adapted_scores_of(
    vectors: ClassVectors, images: torch.Tensor, how: AdaptedHow | None
) -> tuple[ScoreChunks, str | None]:
    """Scores of images by class vectors, adapted as is asked for, or why these were all kept.

    Args:
        vectors: made of texts alone.
        images: float32 ``[images, dim]`` at length 1.
        how: None for not at all.

    """
    plain = ScoreChunks(images, vectors.matrix, vectors.adapter, vectors.parts)
    if how is None:
        return plain, None
    if how == IN_PLACE:
        adapted, report = adapt_to_photos(vectors, images)
        return replace(plain, adapter=adapted.adapter), report.kept
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    second = torch.zeros(len(images), dtype=torch.bool)
    second[order[len(images) // 2 :]] = True
    (of_first, report), (of_second, other) = (
        adapt_to_photos(vectors, images[half]) for half in (~second, second)
    )
    scores = CrossFittedScores(
        images, vectors.matrix, of_second.adapter, vectors.parts,
        other=of_first.adapter, second=second,
    )  # fmt: skip
    return scores, report.kept and other.kept
