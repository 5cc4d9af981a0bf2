"""The products of a model's linear layers on x86 processors, by the faster of two libraries.

PyTorch has MKL compute float32 products there, which on a processor that is not Intel's does
without AVX-512. oneDNN, which comes with PyTorch as well, does not ask who made the processor: the
same products, rounded in another order, in less than half the time on an AMD EPYC;
``tests.benchmarks.bench_evaluation`` measures both. PyTorch takes it for bfloat16 by itself, but
lays out the weights anew for every product.
"""

from __future__ import annotations

import platform

import torch
from torch.nn import Linear, Module
from torch.nn.functional import linear

_ROWS = 1024
"""About as many as are multiplied at once; weights are laid out for it."""
_TOLERANCES = {torch.float32: (1e-4, 1e-5), torch.bfloat16: (1e-2, 1e-2)}
_NOTHING_AFTER: tuple[str, list[float], str] = ("none", [], "")


class UnsetLinear(Linear):
    """A linear layer whose weights are yet to be set.

    Nothing is drawn for them: chance is the caller's. On the device ``meta`` nothing would be drawn
    either, but the first layer there imports much of PyTorch's compiler.
    """

    def reset_parameters(self) -> None:
        """Nothing."""


class PackedLinear(Module):
    """A linear layer for inference whose weights lie as oneDNN reads them.

    Args:
        layer: float32 or bfloat16, on the CPU; its weights are copied.

    """

    def __init__(self, layer: Linear) -> None:
        super().__init__()
        self.out_features = layer.out_features
        self._bias = None if layer.bias is None else layer.bias.detach()
        # Under its usual name: the patches of SigLIP 2 are made of the type that it has.
        self.weight = torch.ops.mkldnn._reorder_linear_weight(layer.weight.detach(), _ROWS)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """``[..., in]`` to ``[..., out]``."""
        if not states.numel():
            return states.new_empty(*states.shape[:-1], self.out_features)
        product: torch.Tensor = torch.ops.mkldnn._linear_pointwise(
            states, self.weight, self._bias, *_NOTHING_AFTER
        )
        return product


def pack_linear(model: Module) -> bool:
    """Let the linear layers of a model that was loaded for inference be computed by oneDNN.

    Its weights are no parameters any more then: what is to be known of them is looked up before.

    Returns:
        Whether any was: on the CPU, in float32 or bfloat16, where this build of PyTorch can.

    """
    usable = {dtype for dtype in _TOLERANCES if can_pack(dtype)}
    packed: dict[int, PackedLinear] = {}
    for module, name, layer in linear_layers(model):
        if layer.weight.dtype in usable and layer.weight.device.type == "cpu":
            packed.setdefault(id(layer), PackedLinear(layer))
            setattr(module, name, packed[id(layer)])
    return bool(packed)


def linear_layers(model: Module) -> list[tuple[Module, str, Linear]]:
    """The linear layers of a model that may be replaced, each with what holds it by which name.

    Exactly those: another kind may be read by its weights, as that inside an attention.
    """
    return [
        (module, name, layer)
        for module in model.modules()
        for name, layer in module.named_children()
        if isinstance(layer, Linear) and type(layer) in (Linear, UnsetLinear)
    ]


def can_pack(dtype: torch.dtype = torch.float32) -> bool:
    """Whether oneDNN is there and multiplies as it should; what is asked for is no public API."""
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return False  # PyTorch takes it by itself
    try:
        layer = UnsetLinear(8, 8, dtype=dtype)
        states = torch.ones(1, 2, 8, dtype=dtype)
        with torch.inference_mode():
            for number, values in enumerate((layer.weight, layer.bias), 1):
                values.copy_(torch.arange(values.numel()).view_as(values) / number)
            ours, theirs = PackedLinear(layer)(states), linear(states, layer.weight, layer.bias)
    except Exception:
        return False  # a build without it
    return torch.allclose(ours, theirs, *_TOLERANCES[dtype])
