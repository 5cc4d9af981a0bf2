"""Prompt vectors to class vectors: pure functions of tensors.

With t_i the embedding of prompt i of a class:

``normalized-mean``
    norm(mean_i(norm(t_i))), as in the code of CuPL (Pratt et al., arXiv 2209.03320) and open_clip.
``mean``
    norm(mean_i(t_i)), the mean before normalising; the projection of a text tower is linear, so
    this is also the mean before the projection.
``similarity``
    mean_i(norm(t_i)), left as it is: its product with a unit image vector is the mean of the
    cosines (Menon & Vondrick, arXiv 2210.07183).
``top``
    the vector of ``normalized-mean``, and beside it the prompts themselves: those that are closest
    to an image have a say in its score; see :mod:`cupl.embedding.parts`.
"""

from collections.abc import Callable, Sequence

import torch

from cupl.embedding.normalize import unit
from cupl.errors import InputError

Pooling = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""``([prompts, dim], class of each prompt [prompts])`` to ``[classes, dim]``."""


def class_means(vectors: torch.Tensor, class_of: torch.Tensor) -> torch.Tensor:
    """Mean of the rows of each class; every class up to the highest has at least one."""
    counts = torch.bincount(class_of)
    sums = vectors.new_zeros(len(counts), vectors.shape[1])
    return sums.index_add_(0, class_of, vectors) / counts[:, None]  # [classes, dim]


def normalized_mean(vectors: torch.Tensor, class_of: torch.Tensor) -> torch.Tensor:
    """norm(mean_i(norm(t_i)))."""
    return unit(class_means(unit(vectors), class_of))


def mean(vectors: torch.Tensor, class_of: torch.Tensor) -> torch.Tensor:
    """norm(mean_i(t_i))."""
    return unit(class_means(vectors, class_of))


def similarity(vectors: torch.Tensor, class_of: torch.Tensor) -> torch.Tensor:
    """mean_i(norm(t_i))."""
    return class_means(unit(vectors), class_of)


POOLINGS: dict[str, Pooling] = {
    "normalized-mean": normalized_mean,
    "mean": mean,
    "similarity": similarity,
    "top": normalized_mean,
}
DEFAULT_POOLING = "normalized-mean"


def check_pooling(method: str) -> None:
    """Accept the name of a pooling.

    Raises:
        InputError: there is none of that name.

    """
    if method not in POOLINGS:
        raise InputError(f"no pooling is called {method!r}: use {', '.join(POOLINGS)}")


def pool(
    vectors: torch.Tensor, sizes: Sequence[int], method: str = DEFAULT_POOLING
) -> torch.Tensor:
    """Pool the prompts of each class.

    Args:
        vectors: float ``[sum(sizes), dim]``, class after class.
        sizes: prompts of each class, at least 1.
        method: a name in ``POOLINGS``.

    Returns:
        ``[len(sizes), dim]``.

    Raises:
        InputError: an unknown method, a class without prompts, sizes that do not fit the vectors,
            or a vector that is zero or not finite.

    """
    check_pooling(method)
    if min(sizes, default=0) < 1:
        raise InputError("every class needs at least one prompt")
    if sum(sizes) != len(vectors):
        raise InputError(f"{len(vectors)} vectors, but the classes have {sum(sizes)} prompts")
    class_of = torch.repeat_interleave(torch.tensor(sizes)).to(vectors.device)
    return POOLINGS[method](vectors, class_of)


def average(first: torch.Tensor, second: torch.Tensor, method: str) -> torch.Tensor:
    """Mean of two vectors for each class, at length 1 where the pooling ``method`` makes it so.

    Args:
        first: ``[classes, dim]``, pooled by ``method``.
        second: ``[classes, dim]``, pooled by ``method``.
        method: a name in ``POOLINGS``.

    """
    both = (first + second) / 2
    return both if method == "similarity" else unit(both)
