"""A model on its device, in its numbers, with its linear layers as they are fastest there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import torch
from torch.nn import Module

from cupl.encoders.device import resolve_precision
from cupl.encoders.int8 import Int8Trial
from cupl.encoders.linear import pack_linear


class Placement:
    """Lay out a model that was loaded for inference, and know what it computes in.

    Its weights are no parameters any more where it is on a CPU: what is to be known of them is
    looked up before.

    Args:
        model: with its weights in float32.
        device: where it shall compute.
        dtype: what in, see :func:`~cupl.encoders.device.resolve_precision`; of int8 only the image
            tower. Texts are few, kept, and come out less exact: they are computed as with
            ``auto``.
        is_text: whether the direct part of the model with that name belongs to texts alone.
        pack: whether nothing but its linear layers themselves reads their weights.

    Attributes:
        precision: of image vectors; with int8 that only after :meth:`settle`.
        text_precision: of text vectors.
        dtype: of prepared images.

    """

    def __init__(
        self,
        model: Module,
        device: torch.device,
        dtype: torch.dtype,
        is_text: Callable[[str], bool] = lambda name: name.startswith("text"),
        pack: bool = True,
    ) -> None:
        self._trial: Int8Trial | None = None
        self.precision = self.text_precision = _name(dtype)
        self.dtype = torch.float32 if dtype == torch.int8 else dtype
        model.to(device, self.dtype)
        if dtype == torch.int8:
            # A text tower of which parts are the model's own stays in float32 as these do.
            own = any(one.ndim for one in model.parameters(recurse=False))
            of_texts = torch.float32 if own else resolve_precision("auto", device)
            self.text_precision = _name(of_texts)
            images = []
            for name, part in model.named_children():
                if is_text(name):
                    part.to(of_texts)
                else:
                    images.append(part)
            self._trial = Int8Trial(images, pack)
        if pack:
            pack_linear(model)

    @property
    def undecided(self) -> bool:
        """Whether it is yet to be tried on images."""
        return self._trial is not None

    def settle(self, encode: Callable[[Any], torch.Tensor], images: torch.Tensor) -> None:
        """Find out on the first images whether int8 is exact enough; else it is float32 for all.

        Args:
            encode: prepared images to vectors.
            images: prepared, stacked.

        """
        if self._trial is not None and len(images):
            trial, self._trial = self._trial, None
            if not trial.passes(encode, images):
                self.precision = "float32"


@runtime_checkable
class Undecided(Protocol):
    """An encoder that may be yet to be tried on the first images."""

    @property
    def undecided(self) -> bool:
        """Whether it is."""

    def settle(self, images: torch.Tensor) -> None:
        """Decide by some prepared images, stacked; ``precision`` is what it then computes in."""


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
