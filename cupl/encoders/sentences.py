"""The sentence encoder of ``mini``: a BERT model and its tokenizer, without transformers.

Importing transformers' BERT takes three times as long as PyTorch, and longer than all else that a
search for a text does. The model is that of Devlin et al. (arXiv 1810.04805) and is computed in the
order in which transformers computes it, so that the states are the same to the bit.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import nn
from torch.nn.functional import gelu, scaled_dot_product_attention

from cupl.encoders.batching import Tokens
from cupl.encoders.linear import UnsetLinear, pack_linear
from cupl.errors import InputError
from cupl.io.text import read_text


class SentenceModel(nn.Module):
    """BERT's encoder.

    Args:
        config: its ``config.json``.

    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        if config["hidden_act"] != "gelu" or config["position_embedding_type"] != "absolute":
            raise ValueError("it is another model than BERT")
        width, eps = config["hidden_size"], config["layer_norm_eps"]
        self.words, self.positions, self.kinds = (
            nn.Parameter(torch.empty(config[rows], width))
            for rows in ("vocab_size", "max_position_embeddings", "type_vocab_size")
        )
        self.norm = nn.LayerNorm(width, eps)
        heads, inner = config["num_attention_heads"], config["intermediate_size"]
        layers = range(config["num_hidden_layers"])
        self.layers = nn.ModuleList(_Layer(width, heads, inner, eps) for _ in layers)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """States of the last layer.

        Args:
            ids: token ids, ``[batch, tokens]``.
            mask: 1 where there is text, and 0 where it is filled up; ``[batch, tokens]``.

        Returns:
            float32 ``[batch, tokens, width]``.

        """
        tokens = ids.shape[1]
        states = self.norm(self.words[ids] + self.kinds[0] + self.positions[:tokens])
        seen = None if mask.all() else mask.bool()[:, None, None, :].expand(-1, 1, tokens, -1)
        for layer in self.layers:
            states = layer(states, seen)
        return states  # type: ignore[no-any-return]


class _Layer(nn.Module):
    def __init__(self, width: int, heads: int, inner: int, eps: float) -> None:
        super().__init__()
        self._heads = heads
        self.query, self.key, self.value, self.joined = (
            UnsetLinear(width, width) for _ in range(4)
        )
        self.widened, self.narrowed = UnsetLinear(width, inner), UnsetLinear(inner, width)
        self.after_attention, self.after_all = (nn.LayerNorm(width, eps) for _ in range(2))

    def forward(self, states: torch.Tensor, seen: torch.Tensor | None) -> torch.Tensor:
        query, key, value = (
            part(states).unflatten(-1, (self._heads, -1)).transpose(1, 2)
            for part in (self.query, self.key, self.value)
        )  # [batch, heads, tokens, width / heads]
        mixed = scaled_dot_product_attention(query, key, value, attn_mask=seen)
        mixed = mixed.transpose(1, 2).flatten(-2)
        states = self.after_attention(self.joined(mixed) + states)
        return self.after_all(self.narrowed(gelu(self.widened(states))) + states)  # type: ignore[no-any-return]


_NAMES = (
    ("embeddings.word_embeddings.weight", "words"),
    ("embeddings.position_embeddings.weight", "positions"),
    ("embeddings.token_type_embeddings.weight", "kinds"),
    ("embeddings.LayerNorm.", "norm."),
    ("encoder.layer.", "layers."),
    ("attention.self.", ""),
    ("attention.output.dense.", "joined."),
    ("attention.output.LayerNorm.", "after_attention."),
    ("intermediate.dense.", "widened."),
    ("output.dense.", "narrowed."),
    ("output.LayerNorm.", "after_all."),
)
"""What the weights are called in their file, and here; in this order."""


def read_sentence_model(path: Path, device: torch.device) -> SentenceModel:
    """Read the model from its ``model.safetensors``, beside which is ``config.json``.

    Raises:
        InputError: a weight is missing.

    """
    model = SentenceModel(json.loads(read_text(path.parent / "config.json")))
    weights = {_name(name): weight for name, weight in load_file(path).items()}
    if missing := model.load_state_dict(weights, strict=False, assign=True).missing_keys:
        raise InputError(f"{path} is incomplete: it has no {missing[0]}")
    pack_linear(model.eval().to(device))
    return model


def _name(name: str) -> str:
    for theirs, ours in _NAMES:
        name = name.replace(theirs, ours)
    return name


class SentenceTokenizer:
    """The tokenizer of a BERT model: word pieces between two special tokens.

    Args:
        path: its ``tokenizer.json``.

    """

    padding = 0

    def __init__(self, path: Path) -> None:
        self._tokenizer = Tokenizer.from_str(read_text(path))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._tokenizer.encode_special_tokens = True  # one that a text spells out is text

    def ids(self, texts: Sequence[str], limit: int | None = None) -> list[Tokens]:
        """Token ids of each text, special tokens included, cut to ``limit``."""
        encoded = [one.ids for one in self._tokenizer.encode_batch_fast(list(texts))]
        if limit is None:
            return encoded
        return [ids if len(ids) <= limit else [*ids[: limit - 1], ids[-1]] for ids in encoded]
