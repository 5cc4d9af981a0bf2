"""Transformer towers that are read at a few places, as those of CLIP are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch.nn import Module
from torch.nn.functional import scaled_dot_product_attention, silu
from transformers.activations import QuickGELUActivation

_SLOPE = 1.702


def states_at(
    layers: Iterable[Any],
    states: torch.Tensor,
    places: torch.Tensor,
    mask: torch.Tensor | None = None,
) -> torch.Tensor:
    """What a tower makes of its input at some places.

    The last layer computes only these: of the others it needs the keys and values, a sixth of
    its work.

    Args:
        layers: transformers' pre-norm encoder layers of CLIP.
        states: embeddings, ``[rows, width, dim]``.
        places: int64 ``[rows, n]``.
        mask: added to the scores of attention, ``[rows, 1, width, width]``; by default every
            place attends to all.

    Returns:
        ``[rows, n, dim]``, before the tower's final norm.

    """
    *earlier, last = layers
    for layer in earlier:
        states = layer(states, mask, is_causal=False)
    attention, rows = last.self_attn, torch.arange(len(states), device=states.device)[:, None]

    def heads(projected: torch.Tensor) -> torch.Tensor:
        return projected.view(*projected.shape[:2], attention.num_heads, -1).transpose(1, 2)

    normed = last.layer_norm1(states)
    mixed = scaled_dot_product_attention(
        heads(attention.q_proj(normed[rows, places])),
        heads(attention.k_proj(normed)),
        heads(attention.v_proj(normed)),
        None if mask is None else mask[rows, 0, places][:, None],
        scale=attention.scale,
    )
    found = states[rows, places] + attention.out_proj(mixed.transpose(1, 2).flatten(2))
    result: torch.Tensor = found + last.mlp(last.layer_norm2(found))
    return result


def class_state(tower: Any, pixels: torch.Tensor, **embedding: Any) -> torch.Tensor:
    """What an image tower of CLIP's kind makes of images, at its class token, after its norm.

    Args:
        tower: vision model of transformers.
        pixels: ``[images, 3, height, width]``.
        embedding: options of its embeddings.

    Returns:
        ``[images, dim]``, before the projection.

    """
    states = tower.pre_layrnorm(tower.embeddings(pixels, **embedding))
    first = torch.zeros(len(pixels), 1, dtype=torch.int64, device=pixels.device)
    result: torch.Tensor = tower.post_layernorm(
        states_at(tower.encoder.layers, states, first)[:, 0]
    )
    return result


class QuickGelu(Module):
    """``x * sigmoid(1.702 x)``, in the memory of its input.

    Fresh memory for the widest states of a tower costs more on a CPU than the arithmetic.
    """

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Change ``states`` and return them."""
        return silu(states.mul_(_SLOPE), inplace=True).div_(_SLOPE)


def replace_quick_gelu(model: Module) -> None:
    """Let a model of transformers that was loaded for inference compute QuickGELU in place."""
    for module in model.modules():
        if isinstance(getattr(module, "activation_fn", None), QuickGELUActivation):
            module.activation_fn = QuickGelu()
