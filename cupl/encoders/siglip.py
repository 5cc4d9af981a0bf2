"""SigLIP models of the transformers library, of either generation and of fixed resolution.

Zhai et al., arXiv 2303.15343, and Tschannen et al., arXiv 2502.14786.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from tokenizers import Regex, models, normalizers
from transformers import PreTrainedTokenizerFast, SiglipImageProcessorPil, SiglipModel

from cupl.encoders.batching import Tokens
from cupl.encoders.device import encode_halving
from cupl.encoders.hub import ModelFiles
from cupl.encoders.transformers_dual import DualEncoder
from cupl.errors import InputError

_TEXTS_ON_CPU, _TEXTS_ON_GPU = 16, 512
_PUNCTUATION = r"[!-/:-@\[-`{-~]"


class SiglipEncoder(DualEncoder):
    """A SigLIP model.

    Its text tower is not causal, attends to padding and is read at the last place. So every text
    is padded as in training, to ``max_tokens`` and with no mask, and none can be packed.
    """

    kind: ClassVar = "siglip"
    family: ClassVar = "SigLIP"
    model_class: ClassVar[Any] = SiglipModel
    processor_class: ClassVar[Any] = SiglipImageProcessorPil
    # By name: the automatic choice is sentencepiece for the first generation, which is slow and
    # one more package, and for the second one a tokenizer that keeps capitals.
    tokenizer_class: ClassVar = PreTrainedTokenizerFast

    def _width(self) -> int:
        return int(self._model.config.vision_config.hidden_size)

    def _family_settings(self) -> dict[str, Any]:
        return {"padding": self._tokenizer.pad_token_id}

    def _encode_tokens(self, tokens: list[Tokens]) -> torch.Tensor:
        size = _TEXTS_ON_CPU if self.device.type == "cpu" else _TEXTS_ON_GPU
        vectors = torch.empty(len(tokens), self.dim)
        for start in range(0, len(tokens), size):
            batch = tokens[start : start + size]
            vectors[start : start + size] = encode_halving(self._encode_padded, batch).float().cpu()
        return vectors

    def _encode_padded(self, batch: list[Tokens]) -> torch.Tensor:
        padding = self._tokenizer.pad_token_id
        rows = [tokens + [padding] * (self.max_tokens - len(tokens)) for tokens in batch]
        ids = torch.tensor(rows, device=self.device)
        vectors: torch.Tensor = self._model.get_text_features(input_ids=ids).pooler_output
        return vectors

    @classmethod
    def _read(cls, files: ModelFiles, safetensors: bool) -> tuple[Any, Any, Any]:
        model, tokenizer, processor = super()._read(files, safetensors)
        width = model.config.vision_config.hidden_size
        if not model.vision_model.use_head or model.config.text_config.projection_size != width:
            raise InputError(
                f"{files.name} is no whole SigLIP model: its towers have no common space"
            )
        _clean_texts(tokenizer)
        return model, tokenizer, processor

    @classmethod
    def _check_tokenizer(cls, name: str, model: Any, tokenizer: Any) -> None:
        """Make sure that texts are tokens of the model's, with an end and no beginning."""
        known = model.config.text_config.vocab_size
        highest = max(tokenizer.get_vocab().values(), default=-1)
        ids = tokenizer("a")["input_ids"]
        if highest >= known:
            problem = f"token {highest} is beyond the {known} that the model knows"
        elif tokenizer.pad_token_id is None:
            problem = "it has no token to pad with"
        elif ids[-1:] != [tokenizer.eos_token_id] or tokenizer.bos_token_id in ids:
            problem = "texts must have an end token and none where they begin"
        else:
            return
        raise InputError(f"the tokenizer of {name} does not fit its model: {problem}")


def _clean_texts(tokenizer: Any) -> None:
    """Make a tokenizer clean texts as in training, which its files may leave to others.

    Both generations read lower case (SigLIP 2, section 2.1). The first, whose vocabulary is a
    unigram model as T5's, also reads no punctuation and single spaces (``canonicalize_text`` of
    big_vision). Where the files do it too, once more changes nothing. Special tokens lose their
    punctuation too, so texts must be split with ``split_special_tokens``, as they are here.
    """
    backend = tokenizer.backend_tokenizer
    steps: list[Any] = [normalizers.Lowercase()]
    if isinstance(backend.model, models.Unigram):
        steps.append(normalizers.Replace(Regex(_PUNCTUATION), ""))
        steps += [normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip()]
    own = [] if backend.normalizer is None else [backend.normalizer]
    backend.normalizer = normalizers.Sequence(steps + own)
