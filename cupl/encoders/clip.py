"""CLIP models of the transformers library (Radford et al., arXiv 2103.00020)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from transformers import CLIPImageProcessorPil, CLIPModel, PreTrainedTokenizerFast

from cupl.encoders.batching import Tokens
from cupl.encoders.device import encode_halving
from cupl.encoders.hub import ModelFiles
from cupl.encoders.prefix_tree import Tree, pack, plant
from cupl.encoders.towers import class_state, replace_quick_gelu, states_at
from cupl.encoders.transformers_dual import DualEncoder
from cupl.errors import InputError

_NODES = 128
"""Tokens in a row: wider rows share a little more and spend more on attention."""
_ROWS_ON_CPU, _ROWS_ON_GPU = 8, 256
_LEGACY_EOS = 2


class ClipImages(DualEncoder):
    """A model with CLIP's image tower, read at the class token; see :mod:`cupl.encoders.towers`."""

    image_options: ClassVar[dict[str, Any]] = {}
    """Of the tower's embeddings."""

    def _project(self, pixels: torch.Tensor) -> torch.Tensor:
        states = class_state(self._model.vision_model, pixels, **self.image_options)
        vectors: torch.Tensor = self._model.visual_projection(states)
        return vectors

    @classmethod
    def _read(cls, files: ModelFiles, safetensors: bool) -> tuple[Any, Any, Any]:
        model, tokenizer, processor = super()._read(files, safetensors)
        replace_quick_gelu(model)
        return model, tokenizer, processor


class ClipEncoder(ClipImages):
    """A CLIP model.

    Its text tower is causal and read at the end-of-text token. So nothing is padded, and what
    texts begin with in common is computed once; see :mod:`cupl.encoders.prefix_tree`.
    """

    kind: ClassVar = "clip"
    family: ClassVar = "CLIP"
    model_class: ClassVar[Any] = CLIPModel
    processor_class: ClassVar[Any] = CLIPImageProcessorPil
    reads_legacy_end: ClassVar = True
    """Whether an end-of-text token of 2 in a configuration stands for the highest one."""

    def _encode_tokens(self, tokens: list[Tokens]) -> torch.Tensor:
        # Rows of a batch are filled up to its widest: beside each other, those of one size.
        trees = sorted(plant(tokens, max(_NODES, self.max_tokens)), key=lambda tree: len(tree.ids))
        rows = _ROWS_ON_CPU if self.device.type == "cpu" else _ROWS_ON_GPU
        vectors = torch.empty(len(tokens), self.dim)
        for start in range(0, len(trees), rows):
            batch = trees[start : start + rows]
            texts = [text for tree in batch for text in tree.texts]
            vectors[texts] = encode_halving(self._encode_trees, batch).float().cpu()
        return vectors

    def _encode_trees(self, trees: Sequence[Tree]) -> torch.Tensor:
        """Projected embeddings of the texts of some trees, in their order."""
        tower, packed = self._model.text_model, pack(trees)
        ids, positions = packed.ids.to(self.device), packed.positions.to(self.device)
        # Not through the embeddings' forward, which takes a row for one text of at most 77.
        embeddings = tower.embeddings
        states = embeddings.token_embedding(ids) + embeddings.position_embedding(positions)
        hidden = ~packed.visible.to(self.device)[:, None]  # [rows, 1, width, width]
        mask = torch.zeros_like(hidden, dtype=states.dtype)
        mask.masked_fill_(hidden, torch.finfo(states.dtype).min)
        ends = packed.ends.to(self.device)
        states = states_at(tower.encoder.layers, states, ends.clamp(min=0), mask)[ends >= 0]
        vectors: torch.Tensor = self._model.text_projection(tower.final_layer_norm(states))
        return vectors

    @classmethod
    def _check_tokenizer(cls, name: str, model: Any, tokenizer: Any) -> None:
        """Make sure that the model reads a text at the token the tokenizer ends it with.

        transformers takes the first ``eos_token_id``, or where the configuration has the value 2
        of older files, the first of the highest ids. With another tokenizer either is a wrong
        place and no error.
        """
        config = model.config.text_config
        end = tokenizer.eos_token_id
        highest = max(tokenizer.get_vocab().values(), default=-1)
        legacy = cls.reads_legacy_end and config.eos_token_id == _LEGACY_EOS
        expected = highest if legacy else config.eos_token_id
        if not isinstance(tokenizer, PreTrainedTokenizerFast):
            problem = "it has no fast tokenizer"
        elif highest >= config.vocab_size:
            problem = f"token {highest} is beyond the {config.vocab_size} that the model knows"
        elif end != expected or tokenizer("a")["input_ids"][-1:] != [end]:
            problem = f"texts do not end with the end-of-text token {expected} the model looks for"
        else:
            return
        raise InputError(f"the tokenizer of {name} does not fit its model: {problem}")
