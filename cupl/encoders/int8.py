"""Image towers whose linear layers multiply numbers of 8 bits, where images allow it.

Weights are rounded once, to 255 levels an output, and states as they come, to as many a token, so
that a token of large numbers costs the others nothing. What comes out is float32, as all between
the layers is. How much that changes depends on the weights and the images: each tower is tried on
the first images that it is given, and computes in float32 where they come out otherwise.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.nn import Linear, Module
from torch.nn.functional import cosine_similarity

from cupl.encoders.linear import UnsetLinear, linear_layers, pack_linear

TRIED_ON = 16
"""Images that a tower is tried on."""
LEAST_COSINE = 0.999
"""Of the vector of each of them and that in float32."""
_LEVELS = 127
_MIDDLE = _LEVELS + 1
_ROWS = 1024
_TINY = torch.finfo(torch.float32).tiny
_NOTHING_AFTER: tuple[str, list[float], str] = ("none", [], "")


class Int8Linear(Module):
    """A linear layer for inference in int8, by oneDNN.

    Args:
        layer: float32, on the CPU; its weights are copied.

    """

    def __init__(self, layer: Linear) -> None:
        super().__init__()
        self.in_features, self.out_features = layer.in_features, layer.out_features
        weight = layer.weight.detach()
        self._bias = None if layer.bias is None else layer.bias.detach()
        self._scale = weight.abs().amax(dim=1).div(_LEVELS).clamp_min(_TINY)
        levels = (weight / self._scale[:, None]).round().to(torch.int8)
        self._weight = torch.ops.onednn.qlinear_prepack(levels, [_ROWS, self.in_features])
        self._zeros = torch.zeros(self.out_features, dtype=torch.int64)
        # Asked for its type alone: the patches of SigLIP 2 are made of the type that it has.
        self.weight = self._scale

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """``[..., in]`` to ``[..., out]``, float32."""
        shape = (*states.shape[:-1], self.out_features)
        if not states.numel():
            return states.new_empty(shape)
        rows = states.reshape(-1, self.in_features)
        levels = rows.abs()
        size = levels.amax(dim=1, keepdim=True).div_(_LEVELS).clamp_min_(_TINY)
        # Unsigned, as processors multiply them with signed weights; cut off, so half is added.
        torch.div(rows, size, out=levels).add_(_MIDDLE + 0.5)
        product: torch.Tensor = torch.ops.onednn.qlinear_pointwise(
            levels.to(torch.uint8), 1.0, _MIDDLE, self._weight, self._scale, self._zeros, None,
            1.0, 0, torch.float32, *_NOTHING_AFTER,
        )  # fmt: skip
        product.mul_(size)
        return (product if self._bias is None else product.add_(self._bias)).view(shape)


def can_multiply_int8() -> bool:
    """Whether oneDNN is there and multiplies as it should; what is asked for is no public API.

    Processors without instructions for it may add pairs of products in 16 bits, where the largest
    do not fit.
    """
    try:
        layer = UnsetLinear(64, 8)
        with torch.inference_mode():
            layer.weight.fill_(1.0)
            layer.bias.copy_(torch.arange(8.0))
            states = torch.linspace(0.9, 1, 128).view(2, 64)
            ours, theirs = Int8Linear(layer)(states), layer(states)
    except Exception:
        return False  # a build without it
    return torch.allclose(ours, theirs, rtol=1e-2)


class Int8Trial:
    """The linear layers of an image tower in int8, until it is known whether that is exact enough.

    Args:
        towers: float32, on the CPU; none of their layers is shared with another.
        pack: whether layers that stay in float32 may be laid out for oneDNN.

    """

    def __init__(self, towers: Iterable[Module], pack: bool = True) -> None:
        self._pack = pack
        self._exact = [place for tower in towers for place in linear_layers(tower)]
        made = {id(layer): Int8Linear(layer) for *_, layer in self._exact}
        self._int8: list[tuple[Module, str, Module]] = [
            (module, name, made[id(layer)]) for module, name, layer in self._exact
        ]
        _put(self._int8)

    def passes(self, encode: Callable[[Any], torch.Tensor], images: torch.Tensor) -> bool:
        """Try the tower on some images; it stays in int8 or is in float32 from then on.

        Args:
            encode: prepared images to vectors, by this tower.
            images: prepared; only the first :data:`TRIED_ON` are used.

        """
        images = images[:TRIED_ON]
        rounded = encode(images)
        _put(self._exact)
        exact = encode(images)
        cosines = cosine_similarity(rounded.double(), exact.double())
        if bool((cosines >= LEAST_COSINE).all()):
            _put(self._int8)
            return True
        for module in {id(module): module for module, *_ in self._exact}.values():
            if self._pack:
                pack_linear(module)
        warnings.warn(
            f"in int8 a vector of your first images has a cosine of {cosines.min():.4f} with that "
            f"in float32, below {LEAST_COSINE}: float32 is used",
            stacklevel=2,
        )
        return False


def _put(layers: Iterable[tuple[Module, str, Module]]) -> None:
    for module, name, layer in layers:
        setattr(module, name, layer)
