"""Models whose text tower is a BERT that is read at its first token."""

from __future__ import annotations

from abc import ABC
from math import inf
from typing import Any, ClassVar

import torch
from transformers import (
    AlignModel,
    AltCLIPModel,
    ChineseCLIPImageProcessorPil,
    ChineseCLIPModel,
    CLIPImageProcessorPil,
    EfficientNetImageProcessorPil,
)

from cupl.encoders.batching import Tokens, encode_by_length, hide_special_pieces, pad
from cupl.encoders.clip import ClipImages
from cupl.encoders.device import encode_halving
from cupl.encoders.hub import ModelFiles
from cupl.encoders.transformers_dual import DualEncoder
from cupl.errors import InputError

_TOKENS_ON_CPU, _TOKENS_ON_GPU = 1024, 32768
"""In a batch of texts, padding included."""


class BertTextEncoder(DualEncoder, ABC):
    """A model whose text tower attends both ways, with a mask over padding.

    What is masked changes nothing, so texts of similar length are encoded together and padded to
    the longest of them.
    """

    def _family_settings(self) -> dict[str, Any]:
        return {"tokens": self.max_tokens}

    @classmethod
    def _read(cls, files: ModelFiles, safetensors: bool) -> tuple[Any, Any, Any]:
        model, tokenizer, processor = super()._read(files, safetensors)
        hide_special_pieces(tokenizer)
        return model, tokenizer, processor

    def _encode_tokens(self, tokens: list[Tokens]) -> torch.Tensor:
        budget = _TOKENS_ON_CPU if self.device.type == "cpu" else _TOKENS_ON_GPU
        return encode_by_length(
            tokens, lambda batch: encode_halving(self._encode_padded, batch), budget
        )

    def _encode_padded(self, batch: list[Tokens]) -> torch.Tensor:
        ids, mask = pad(batch, self._model.config.text_config.pad_token_id)
        vectors: torch.Tensor = self._model.get_text_features(
            input_ids=ids.to(self.device), attention_mask=mask.to(self.device)
        ).pooler_output
        return vectors

    @classmethod
    def _check_tokenizer(cls, name: str, model: Any, tokenizer: Any) -> None:
        """Make sure that texts are tokens of the model's and begin with the one it reads."""
        config = model.config.text_config
        highest = max(tokenizer.get_vocab().values(), default=-1)
        ids = tokenizer("a")["input_ids"]
        if highest >= config.vocab_size:
            problem = f"token {highest} is beyond the {config.vocab_size} that the model knows"
        elif config.pad_token_id not in range(config.vocab_size):
            problem = "the model names no token to pad with"
        elif ids[:1] != [tokenizer.cls_token_id] or ids[-1:] != [tokenizer.sep_token_id]:
            problem = "texts must begin with its class token and end with its separator"
        else:
            return
        raise InputError(f"the tokenizer of {name} does not fit its model: {problem}")


class AltClipEncoder(ClipImages, BertTextEncoder):
    """An AltCLIP model (Chen et al., arXiv 2211.06679): XLM-R in place of CLIP's text tower.

    Places of XLM-R are counted from the id of its padding on, and the first of them are never
    used. Its teacher reads 77 tokens, and so did it in training.
    """

    kind: ClassVar = "altclip"
    family: ClassVar = "AltCLIP"
    model_class: ClassVar = AltCLIPModel
    processor_class: ClassVar = CLIPImageProcessorPil
    trained_tokens: ClassVar = 77

    @classmethod
    def _places(cls, config: Any) -> int:
        return int(config.max_position_embeddings) - int(config.pad_token_id) - 1

    def _family_settings(self) -> dict[str, Any]:
        return super()._family_settings() | {"padding": self._model.config.text_config.pad_token_id}


class ChineseClipEncoder(ClipImages, BertTextEncoder):
    """A Chinese-CLIP model (Yang et al., arXiv 2211.01335): a Chinese RoBERTa as text tower.

    It has 512 places for tokens and was trained on 52.
    """

    kind: ClassVar = "chinese_clip"
    family: ClassVar = "Chinese-CLIP"
    model_class: ClassVar = ChineseCLIPModel
    processor_class: ClassVar = ChineseCLIPImageProcessorPil
    trained_tokens: ClassVar = 52


class AlignEncoder(BertTextEncoder):
    """An ALIGN model (Jia et al., arXiv 2102.05918): an EfficientNet and a BERT.

    Only the text tower has a projection. Cosines are divided by a temperature. It has 512 places
    for tokens and was trained on 64.
    """

    kind: ClassVar = "align"
    family: ClassVar = "ALIGN"
    model_class: ClassVar = AlignModel
    processor_class: ClassVar = EfficientNetImageProcessorPil
    trained_tokens: ClassVar = 64

    @classmethod
    def _scale(cls, model: Any) -> float:
        return float(1 / model.temperature.item())

    def _family_settings(self) -> dict[str, Any]:
        vision = self._model.config.vision_config
        tower = {key: getattr(vision, key) for key in _EFFICIENTNET_SETTINGS}
        return super()._family_settings() | {"efficientnet": tower}

    @classmethod
    def _read(cls, files: ModelFiles, safetensors: bool) -> tuple[Any, Any, Any]:
        model, tokenizer, processor = super()._read(files, safetensors)
        if not 0 < model.temperature.item() < inf:
            raise InputError(f"{files.name} is damaged: its temperature is no positive number")
        side, width = model.config.vision_config.image_size, model.config.projection_dim
        with torch.inference_mode():  # what it makes of an image, no setting tells for sure
            made = model.get_image_features(pixel_values=torch.zeros(1, 3, side, side))
        if made.pooler_output.shape != (1, width):
            raise InputError(
                f"{files.name} is no whole ALIGN model: its towers have no common space"
            )
        return model, tokenizer, processor


_EFFICIENTNET_SETTINGS = (
    "batch_norm_eps",
    "depthwise_padding",
    "expand_ratios",
    "hidden_dim",
    "kernel_sizes",
    "pooling_type",
    "strides",
)
"""What the shapes of its weights do not tell."""
