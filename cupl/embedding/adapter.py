"""What photos or labelled examples add to the cosines of an image with the class vectors."""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import log
from typing import Annotated

import torch
from pydantic import BaseModel, ConfigDict, Field, StrictStr

from cupl.errors import InputError

LARGEST = 1e4
"""Of any number in an adapter: cosines are at most 1, and this is far beyond what is ever added."""


class Adaptation(BaseModel):
    """How an adapter was made, as the file of class vectors says it.

    Attributes:
        method: ``photos`` (:mod:`cupl.adaptation.photos`), or the way of labelled examples.
        images: how many it was made of.
        settings: numbers that were chosen or estimated, by name.

    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: StrictStr
    images: Annotated[int, Field(ge=0)]
    settings: dict[StrictStr, Annotated[float, Field(allow_inf_nan=False)]] = {}


@dataclass(frozen=True, eq=False)
class Adapter:
    """What is added to the cosines, in units of a cosine.

    With x an image vector at length 1, for class k

        added_k = x . w_k + x^2 . q_k + b_k + sum_i exp(x . key_i + key_bias_i)

    where the sum is over the examples i of class k. The linear part is what Gaussians that share a
    covariance differ by, the squares come in where each has variances of its own, and the sum is a
    cache of examples (Tip-Adapter, Zhang et al., arXiv 2207.09519: alpha exp(-beta (1 - x . e)) has
    the key beta e and the bias ln alpha - beta).

    Attributes:
        weights: float32 ``[classes, dim]``.
        bias: float32 ``[classes]``.
        squares: float32 ``[classes, dim]``.
        keys: float32 ``[examples, dim]``.
        key_bias: float32 ``[examples]``.
        key_classes: int64 ``[examples]``.
        text_only: bool ``[classes]``, those of which nothing is known but their text; see
            :func:`adapted_scores`.

    Raises:
        InputError: the shapes do not belong together, or a number is not finite or far too large.

    """

    weights: torch.Tensor
    bias: torch.Tensor
    squares: torch.Tensor | None = None
    keys: torch.Tensor | None = None
    key_bias: torch.Tensor | None = None
    key_classes: torch.Tensor | None = None
    text_only: torch.Tensor | None = None

    def __post_init__(self) -> None:
        number, dim = self.weights.shape if self.weights.ndim == 2 else (0, 0)
        examples = 0 if self.keys is None else len(self.keys)
        shapes = {
            "weights": (number, dim), "bias": (number,), "squares": (number, dim),
            "keys": (examples, dim), "key_bias": (examples,), "key_classes": (examples,),
            "text_only": (number,),
        }  # fmt: skip
        found = self.tensors()
        for name, values in found.items():
            kind = {"key_classes": torch.int64, "text_only": torch.bool}.get(name, torch.float32)
            if values.dtype != kind or tuple(values.shape) != shapes[name] or not number:
                shape = list(values.shape)
                raise InputError(f"{name} of the adapter are {values.dtype} of shape {shape}")
            if kind.is_floating_point and not (values.abs() <= LARGEST).all():
                raise InputError(f"{name} of the adapter hold a number that cannot be")
        if len({name in found for name in ("keys", "key_bias", "key_classes")}) > 1:
            raise InputError("keys, key_bias and key_classes of the adapter go together")
        if self.keys is not None and self.key_bias is not None and self.key_classes is not None:
            if (self.keys.norm(dim=1) + self.key_bias > log(LARGEST)).any():
                raise InputError("keys of the adapter hold a number that cannot be")
            if (
                examples
                and not 0 <= int(self.key_classes.min()) <= int(self.key_classes.max()) < number
            ):
                raise InputError("an example of the adapter has a class that is none")

    def tensors(self) -> dict[str, torch.Tensor]:
        """Those that there are, by name."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not None}

    def added(self, images: torch.Tensor) -> torch.Tensor:
        """What is added to the cosines of images, float32 ``[images, classes]``.

        Args:
            images: float32 ``[images, dim]`` at length 1.

        """
        values = self.tensors()
        values.pop("text_only", None)
        return added_to_cosines(images, **values)

    def adapted(self, cosines: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
        """Scores of images, float32 ``[images, classes]``; see :func:`adapted_scores`.

        Args:
            cosines: with the class vectors, ``[images, classes]``.
            images: float32 ``[images, dim]`` at length 1.

        """
        return adapted_scores(cosines, self.added(images), self.text_only)


def added_to_cosines(
    images: torch.Tensor,
    weights: torch.Tensor,
    bias: torch.Tensor,
    squares: torch.Tensor | None = None,
    keys: torch.Tensor | None = None,
    key_bias: torch.Tensor | None = None,
    key_classes: torch.Tensor | None = None,
) -> torch.Tensor:
    """The formula of an :class:`Adapter`, ``[images, classes]``, of its tensors.

    Args:
        images: ``[images, dim]`` at length 1.
        weights: as of an adapter, which this and the rest are.
        bias: ``[classes]``.
        squares: ``[classes, dim]``.
        keys: ``[examples, dim]``.
        key_bias: ``[examples]``.
        key_classes: ``[examples]``.

    """
    result = torch.addmm(bias, images, weights.T)
    if squares is not None:
        result = result + images.square() @ squares.T
    if keys is not None and key_bias is not None and key_classes is not None:
        near = torch.addmm(key_bias, images, keys.T).exp()
        result = result.index_add(1, key_classes, near)
    return result


def adapted_scores(
    cosines: torch.Tensor, added: torch.Tensor, text_only: torch.Tensor | None = None
) -> torch.Tensor:
    """Scores of images, the best as high as the best cosine.

    An adapter says which class is nearest and how far behind the others are. How near the
    nearest is stays what the text says: so an image competes with a reject bank, and has the
    probability of a model with a sigmoid, as without the adapter.

    Classes known by their text alone keep their cosines, and of the others the best is as high as
    their best cosine. So an image that the texts give to such a class stays with it, however much
    larger the sums of classes with examples are, and none comes to it from the others.

    Args:
        cosines: with the class vectors, ``[images, classes]``.
        added: to them, likewise.
        text_only: bool ``[classes]``.

    """
    scores = cosines + added
    if text_only is None:
        return scores + (cosines.amax(dim=1, keepdim=True) - scores.amax(dim=1, keepdim=True))
    best, reached = (
        values.masked_fill(text_only, -torch.inf).amax(dim=1, keepdim=True)
        for values in (cosines, scores)
    )
    return torch.where(text_only, cosines, scores + (best - reached))
