"""Models that are CLIP but for their tokenizer or their image preprocessing."""

from __future__ import annotations

from typing import Any, ClassVar

from transformers import CLIPSegModel, MetaClip2Model, ViTImageProcessorPil

from cupl.encoders import preprocess
from cupl.encoders.batching import hide_special_pieces
from cupl.encoders.clip import ClipEncoder
from cupl.encoders.hub import ModelFiles
from cupl.errors import InputError

_MAX_ENLARGED = 10
"""How many times the side its places were trained for the images of CLIPSeg may have."""


class MetaClip2Encoder(ClipEncoder):
    """A MetaCLIP 2 model (Chuang et al., arXiv 2507.22062), which reads hundreds of languages.

    CLIP's towers, with the tokenizer of XLM-V: texts begin with ``<s>`` and end with ``</s>``,
    whose id is 2 indeed.
    """

    kind: ClassVar = "metaclip_2"
    family: ClassVar = "MetaCLIP 2"
    model_class: ClassVar = MetaClip2Model
    reads_legacy_end: ClassVar = False

    @classmethod
    def _read(cls, files: ModelFiles, safetensors: bool) -> tuple[Any, Any, Any]:
        model, tokenizer, processor = super()._read(files, safetensors)
        hide_special_pieces(tokenizer)
        return model, tokenizer, processor


class ClipSegEncoder(ClipEncoder):
    """The two towers of a CLIPSeg model (Lüddecke and Ecker, arXiv 2112.10003).

    Its decoder, which draws masks, is not used. Images have 352 pixels a side in the published
    models and places for 224: transformers interpolates these, as in its training.
    """

    kind: ClassVar = "clipseg"
    family: ClassVar = "CLIPSeg"
    model_class: ClassVar = CLIPSegModel
    processor_class: ClassVar = ViTImageProcessorPil
    key_mapping: ClassVar = {r"^clip\.": ""}  # as they are called beside the decoder
    image_options: ClassVar = {"interpolate_pos_encoding": True}

    @classmethod
    def _side(cls, model: Any, processor: Any) -> int:
        return int(processor.size["height"])

    @classmethod
    def _check_images(cls, name: str, model: Any, processor: Any) -> None:
        most = _MAX_ENLARGED * model.config.vision_config.image_size
        side = processor.size.get("height")
        if not isinstance(side, int) or not model.config.vision_config.patch_size <= side <= most:
            raise InputError(
                f"the image preprocessing of {name} makes images of {side} pixels a side, which "
                "its model cannot read"
            )
        preprocess.check_preprocessing(name, side, processor)
