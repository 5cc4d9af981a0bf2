"""Classes in several vectors: the prompts or the kinds of a class that are closest to an image.

With m_c the vector of class c, p_ci its parts and x the image, all at length 1, the score is

    share * cos(x, m_c) + (1 - share) * mean of the ``most`` highest cos(x, p_ci)

For the pooling ``top`` the parts are the prompts: share 0.25, most 4 (Moayeri et al., arXiv
2404.16717, consolidate the closest of many vectors in this way). Of a class with sub-classes they
are the vectors of these and its own: share 0.5, most 1, which is the order of P(class) P(best
sub-class) with a softmax over each (CHiLS, Novack et al., arXiv 2302.02551).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch

from cupl.embedding.normalize import has_direction, unit
from cupl.errors import InputError

TOP_SHARE, TOP_PROMPTS = 0.25, 4
SUBCLASS_SHARE = 0.5
_AT_ONCE = 2**22
"""Cosines with parts that are computed together: 16 MB, and as much again to choose of them."""

Groups = list[tuple[torch.Tensor, torch.Tensor]]
"""Classes that have equally many parts: int64 ``[some]``, and their parts ``[some, each]``."""


def equal_groups(counts: Sequence[int]) -> Groups:
    """Classes by how many parts they have, so that those of a group make a rectangle."""
    sizes = torch.tensor(counts)
    starts = sizes.cumsum(0) - sizes
    groups = []
    for size in sorted(set(counts)):
        classes = (sizes == size).nonzero()[:, 0]
        groups.append((classes, starts[classes, None] + torch.arange(size)))
    return groups


def best_means(cosines: torch.Tensor, groups: Groups, most: int) -> torch.Tensor:
    """Mean of the highest cosines of each class.

    Args:
        cosines: of every part, ``[..., parts]``.
        groups: see :func:`equal_groups`.
        most: how many count; all of a class that has fewer.

    Returns:
        ``[..., classes]``.

    """
    means = cosines.new_empty(*cosines.shape[:-1], sum(len(classes) for classes, _ in groups))
    for classes, parts in groups:
        those = cosines if len(groups) == 1 else cosines[..., parts.flatten()]
        those = those.reshape(*cosines.shape[:-1], *parts.shape)  # [..., some, each]
        few = min(most, parts.shape[1])
        means[..., classes] = those.topk(few, dim=-1).values.mean(dim=-1)
    return means


@dataclass(frozen=True, eq=False)
class ClassParts:
    """The vectors that a class has beside its own.

    Attributes:
        vectors: float32 ``[parts, dim]``, class after class; as long as the class vectors are.
        counts: parts of each class, 1 at least.
        share: of the class's own vector in the score, 0 to 1.
        most: how many of the closest parts make the rest.

    """

    vectors: torch.Tensor
    counts: tuple[int, ...]
    share: float
    most: int

    def __post_init__(self) -> None:
        if self.vectors.dtype != torch.float32 or self.vectors.ndim != 2:
            raise InputError("the parts of classes are a float32 matrix")
        if min(self.counts, default=0) < 1 or sum(self.counts) != len(self.vectors):
            raise InputError(
                f"{len(self.vectors)} parts of classes, and their numbers are of "
                f"{sum(self.counts)}: every class has one at least"
            )
        if not has_direction(self.vectors).all():
            raise InputError("a part of a class is zero or not finite")
        if not 0 <= self.share <= 1 or self.most < 1:
            raise InputError("the share of a class vector is 0 to 1, and 1 part or more counts")

    def tensors(self) -> dict[str, torch.Tensor]:
        """All of it, by name, as a file holds it."""
        return {
            "vectors": self.vectors,
            "counts": torch.tensor(self.counts),
            "share": torch.tensor([self.share], dtype=torch.float32),
            "most": torch.tensor([self.most]),
        }

    @classmethod
    def of_tensors(cls, tensors: Mapping[str, torch.Tensor]) -> ClassParts | None:
        """What :meth:`tensors` gave; None where there is nothing.

        Raises:
            InputError: it is something else.

        """
        if not tensors:
            return None
        kinds = {"counts": torch.int64, "share": torch.float32, "most": torch.int64}
        if set(tensors) != {"vectors", *kinds} or any(
            tensors[name].dtype != kind or tensors[name].ndim != 1 for name, kind in kinds.items()
        ):
            raise InputError(f"these are no parts of classes: {', '.join(tensors):.100}")
        counts, share, most = (tensors[name].tolist() for name in kinds)
        return cls(tensors["vectors"], tuple(counts), sum(share), sum(most))

    @cached_property
    def groups(self) -> Groups:
        """See :func:`equal_groups`."""
        return equal_groups(self.counts)

    def blend(self, cosines: torch.Tensor, directions: torch.Tensor) -> torch.Tensor:
        """Scores of images.

        Args:
            cosines: with the class vectors, ``[images, classes]``.
            directions: of the images, ``[images, dim]``.

        Returns:
            ``[images, classes]``.

        """
        rows = max(1, _AT_ONCE // len(self.vectors))
        parts = zip(torch.split(cosines, rows), torch.split(directions, rows), strict=True)
        return torch.cat([self.mix(scores, some @ self.vectors.T) for scores, some in parts])

    def mix(self, cosines: torch.Tensor, with_parts: torch.Tensor) -> torch.Tensor:
        """Scores ``[..., classes]`` of cosines with classes and with parts ``[..., parts]``."""
        best = best_means(with_parts, self.groups, self.most)
        return self.share * cosines + (1 - self.share) * best

    @cached_property
    def class_of(self) -> torch.Tensor:
        """Class of each part, int64 ``[parts]``."""
        return torch.repeat_interleave(torch.tensor(self.counts))

    @cached_property
    def places(self) -> torch.Tensor:
        """Place of each part within its class, from 0 on, int64 ``[parts]``."""
        sizes = torch.tensor(self.counts)
        return torch.arange(len(self.vectors)) - (sizes.cumsum(0) - sizes)[self.class_of]

    def kept(self, which: torch.Tensor) -> ClassParts:
        """Some of the parts, bool ``[parts]``, one of each class or more."""
        counts = torch.bincount(self.class_of[which], minlength=len(self.counts)).tolist()
        return replace(self, vectors=self.vectors[which], counts=tuple(counts))

    def with_own(self, matrix: torch.Tensor) -> ClassParts:
        """With another vector of each class in the first place of its parts."""
        vectors = self.vectors.clone()
        vectors[self.places == 0] = matrix
        return replace(self, vectors=vectors)


def top_parts(lists: Sequence[tuple[torch.Tensor, Sequence[int]]]) -> ClassParts:
    """Of prompts, for the pooling ``top``.

    Args:
        lists: vectors ``[prompts, dim]`` of any length, class after class, and how many each class
            has; of a class those of the first list come first.

    """
    split = [torch.split(unit(vectors), list(sizes)) for vectors, sizes in lists]
    counts = tuple(map(sum, zip(*(sizes for _, sizes in lists), strict=True)))
    vectors = torch.cat([part for of_class in zip(*split, strict=True) for part in of_class])
    return ClassParts(vectors, counts, TOP_SHARE, TOP_PROMPTS)


def subclass_parts(
    matrix: torch.Tensor, vectors: torch.Tensor, counts: Sequence[int]
) -> ClassParts | None:
    """Of sub-classes; None where no class has any. The first part of each class is its own vector.

    Args:
        matrix: the vectors of the classes.
        vectors: those of their sub-classes, class after class.
        counts: sub-classes of each.

    """
    if not any(counts):
        return None
    pairs = zip(torch.split(matrix, 1), torch.split(vectors, list(counts)), strict=True)
    joined = torch.cat([part for pair in pairs for part in pair])
    return ClassParts(joined, tuple(count + 1 for count in counts), SUBCLASS_SHARE, 1)


def join_parts(
    first: tuple[torch.Tensor, ClassParts | None], second: tuple[torch.Tensor, ClassParts | None]
) -> ClassParts | None:
    """Parts of two sets of classes, each given by its matrix and its parts, if it has any.

    A class without parts is its own.
    """
    either = first[1] or second[1]
    if either is None:
        return None
    sides = [
        (parts.vectors, parts.counts) if parts else (matrix, (1,) * len(matrix))
        for matrix, parts in (first, second)
    ]
    vectors = torch.cat([vectors for vectors, _ in sides])
    return replace(either, vectors=vectors, counts=sides[0][1] + sides[1][1])
