"""Texts of open_clip's causal towers, without the padding that makes most of them.

A causal tower is read at the end of a text and sees there only what stands before. open_clip
computes the padding after it, too: of 77 places some 20 are text.
"""

from __future__ import annotations

from typing import Any

import torch

from cupl.encoders.batching import Tokens, encode_by_length, pad
from cupl.encoders.device import encode_halving

_BUDGET_ON_CPU, _BUDGET_ON_GPU = 1024, 32768  # tokens in a batch


class CausalTexts:
    """The text tower of a model, if it is causal and read at the end of a text.

    Args:
        model: of open_clip, with ``is_causal``.

    """

    def __init__(self, model: Any) -> None:
        self._tower = _tower(model)
        self._pool, self._end = _pooling(self._tower)

    def encode(self, tokens: list[Tokens]) -> torch.Tensor:
        """Embeddings of texts, float32 ``[texts, dim]`` on the CPU.

        Args:
            tokens: token ids with their padding.

        """
        device = self._tower.token_embedding.weight.device
        budget = _BUDGET_ON_CPU if device.type == "cpu" else _BUDGET_ON_GPU
        texts = [ids[: self._place(ids) + 1] for ids in tokens]
        return encode_by_length(texts, lambda batch: encode_halving(self._encode, batch), budget)

    def _place(self, ids: Tokens) -> int:
        """Where a text is read."""
        if self._pool == "argmax":
            return ids.index(max(ids))
        return ids.index(self._end) if self._end in ids else 0

    def _encode(self, batch: list[Tokens]) -> torch.Tensor:
        tower = self._tower
        ids, _ = pad(batch, 0)
        places = torch.tensor([len(text) - 1 for text in batch])
        length, kind = ids.shape[1], tower.transformer.get_cast_dtype()
        states = tower.token_embedding(ids.to(tower.attn_mask.device)).to(kind)
        states = states + tower.positional_embedding[:length].to(kind)
        states = tower.transformer(states, attn_mask=tower.attn_mask[:length, :length])
        states = tower.ln_final(states[torch.arange(len(batch)), places])
        projection = tower.text_projection
        if projection is not None:
            linear = isinstance(projection, torch.nn.Linear)
            states = projection(states) if linear else states @ projection
        vectors: torch.Tensor = states.float().cpu()
        return vectors


def is_causal(model: Any) -> bool:
    """Whether the text tower of a model of open_clip is causal and read at the end of a text."""
    tower = _tower(model)
    if getattr(tower, "attn_mask", None) is None or getattr(tower, "cls_emb", None) is not None:
        return False
    return _pooling(tower)[0] in ("argmax", "eos")


def _tower(model: Any) -> Any:
    return getattr(model, "text", model)


def _pooling(tower: Any) -> tuple[str, int]:
    """How a text is read, and its last token where that matters."""
    if hasattr(tower, "text_pool_type"):  # its parts are those of the model
        return tower.text_pool_type, tower.text_eos_id
    return tower.pool_type, tower.eos_id
