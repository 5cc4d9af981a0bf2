"""Tiny models of each family of transformers, with the settings of the published ones.

Random weights; tokenizers, image preprocessing and special ids are as in the files that the
families' conversion scripts of transformers write.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from transformers import (
    AlignConfig,
    AlignModel,
    AltCLIPConfig,
    AltCLIPModel,
    BertTokenizer,
    ChineseCLIPConfig,
    ChineseCLIPImageProcessorPil,
    ChineseCLIPModel,
    CLIPImageProcessorPil,
    CLIPSegConfig,
    CLIPSegForImageSegmentation,
    CLIPSegModel,
    EfficientNetImageProcessorPil,
    MetaClip2Config,
    MetaClip2Model,
    Siglip2Config,
    Siglip2ImageProcessorPil,
    Siglip2Model,
    ViTImageProcessorPil,
    XLMRobertaTokenizer,
)

from tests.models import WORDS, draw, save_gemma_tokenizer, save_tokenizer

TINY = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
}
TEXTS = [
    "",
    " ",
    "a cat",
    "A photo of a small CAT.",
    "the frog, the tree: has (a) large photo!",
    "Ein Fröschlein — 一只小猫 на дереве",
    "小猫",
    "dog " * 200,
    "a photo of " + "tree frog " * 60 + "with a cat",
]
SPELLED = ["</s>", "<s>", "<pad>", "[SEP] cat", "[CLS]", "[PAD]", "<|endoftext|>", "<eos> dog"]
SIZES = [(450, 655), (640, 428), (224, 224), (37, 91), (1, 1), (2, 3), (3, 200), (2000, 21)]


def images() -> list[Image.Image]:
    """Odd sizes, a grey one as it is decoded, and a tall one."""
    dark = draw(20, 333, 1).point(lambda value: value // 4)
    red = draw(450, 301).point([*range(256), *[0] * 512])
    return [red, draw(37, 91).convert("L").convert("RGB"), dark]


def save_bert_tokenizer(folder: Path, *, plain: bool) -> int:
    """Write BERT's tokenizer; ``plain`` as a bare ``vocab.txt``, as Chinese-CLIP's folders."""
    folder.mkdir(parents=True, exist_ok=True)
    letters = [chr(code) for code in [*range(33, 65), *range(91, 127)]]
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters]
    tokens += [f"##{letter}" for letter in letters] + ["一", "只", "小", "猫", "fro", "##sch"]
    tokens = list(dict.fromkeys([*tokens, *WORDS]))
    (folder / "vocab.txt").write_text("\n".join(tokens) + "\n", "utf-8")
    if not plain:
        vocabulary = {token: number for number, token in enumerate(tokens)}
        BertTokenizer(vocab=vocabulary, model_max_length=64).save_pretrained(folder)
        (folder / "vocab.txt").unlink()
    return len(tokens)


def save_xlm_tokenizer(folder: Path, longest: int) -> int:
    """Write XLM-R's tokenizer: ``<mask>`` is its highest id, and the end of a text is 2."""
    letters = [chr(code) for code in [*range(33, 127), 0xE4, 0xF6, 0x2014]]
    pieces = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    pieces += [(letter, -9.0) for letter in [*letters, "\u2581", *"小猫на"]]
    pieces += [(f"\u2581{word}", -3.0) for word in WORDS] + [("<mask>", 0.0)]
    tokenizer = XLMRobertaTokenizer(vocab=pieces, model_max_length=longest)
    tokenizer.save_pretrained(folder)
    return len(pieces)


def save_altclip(folder: Path, **text: Any) -> Path:
    """``BAAI/AltCLIP``: 514 places, of which 2 are not used; 1 pads."""
    size = save_xlm_tokenizer(folder, 512)
    ids = {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2}
    config = AltCLIPConfig(
        text_config={**TINY, **ids, "vocab_size": size, "project_dim": 24, **text},
        vision_config={**TINY, "hidden_size": 48, "image_size": 224, "patch_size": 56},
        projection_dim=20,
    )
    return write(folder, AltCLIPModel, config, CLIPImageProcessorPil())


def save_chinese_clip(folder: Path, **text: Any) -> Path:
    """``OFA-Sys/chinese-clip-vit-base-patch16``: a bare vocabulary; images squashed to squares."""
    size = save_bert_tokenizer(folder, plain=True)
    config = ChineseCLIPConfig(
        text_config={**TINY, "vocab_size": size, **text},
        vision_config={**TINY, "hidden_size": 48, "image_size": 224, "patch_size": 56},
        projection_dim=20,
    )
    square = {"height": 224, "width": 224}
    processor = ChineseCLIPImageProcessorPil(size=square, do_center_crop=False)
    return write(folder, ChineseCLIPModel, config, processor)


def save_metaclip2(folder: Path, **text: Any) -> Path:
    """``facebook/metaclip-2-worldwide-huge-quickgelu``: the end is 2; images squashed."""
    size = save_xlm_tokenizer(folder, 512)
    ids = {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2, "hidden_act": "quick_gelu"}
    config = MetaClip2Config(
        text_config={**TINY, **ids, "vocab_size": size, "projection_dim": 20, **text},
        vision_config={**TINY, "hidden_size": 48, "image_size": 224, "patch_size": 56},
        projection_dim=20,
    )
    square = {"height": 224, "width": 224}
    return write(folder, MetaClip2Model, config, CLIPImageProcessorPil(size=square))


def save_clipseg(folder: Path, **text: Any) -> Path:
    """``CIDAS/clipseg-rd64-refined``: with its decoder, and images larger than its places."""
    size = save_tokenizer(folder)
    ids = {"bos_token_id": 0, "eos_token_id": 2}
    config = CLIPSegConfig(
        text_config={**TINY, **ids, "vocab_size": size, **text},
        vision_config={**TINY, "hidden_size": 48, "image_size": 224, "patch_size": 32},
        projection_dim=20,
        extract_layers=[0, 1],
        reduce_dim=16,
        decoder_intermediate_size=16,
    )
    side = {"height": 352, "width": 352}
    return write(folder, CLIPSegForImageSegmentation, config, ViTImageProcessorPil(size=side))


def save_align(folder: Path, **text: Any) -> Path:
    """``kakaobrain/align-base``: 346 pixels cropped to 289, scaled to -1 to 1, no deviation."""
    size = save_bert_tokenizer(folder, plain=False)
    config = AlignConfig(
        text_config={**TINY, "vocab_size": size, **text},
        vision_config={
            "image_size": 289,
            "width_coefficient": 0.25,
            "depth_coefficient": 0.3,
            "hidden_dim": 32,
            "num_block_repeats": [1, 1, 1],
            "kernel_sizes": [3, 3, 5],
            "in_channels": [16, 16, 16],
            "out_channels": [16, 16, 128],
            "strides": [2, 2, 2],
            "expand_ratios": [1, 6, 6],
        },
        projection_dim=32,
        temperature_init_value=0.0125,
    )
    processor = EfficientNetImageProcessorPil(
        do_center_crop=True,
        rescale_factor=1 / 127.5,
        rescale_offset=True,
        do_normalize=False,
        include_top=False,
        resample=2,
    )
    return write(folder, AlignModel, config, processor)


def save_naflex(folder: Path, **text: Any) -> Path:
    """``google/siglip2-base-patch16-naflex``: at most 256 patches of 16 pixels."""
    folder.mkdir(parents=True, exist_ok=True)
    size = save_gemma_tokenizer(folder)
    ends = {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 1}
    config = Siglip2Config(
        text_config={**TINY, **ends, "vocab_size": size, **text},
        vision_config={**TINY, "patch_size": 16, "num_patches": 256},
    )
    return write(folder, Siglip2Model, config, Siglip2ImageProcessorPil())


class OwnClipSeg:
    """CLIPSeg's towers out of a whole CLIPSeg, as any version of transformers reads them."""

    @staticmethod
    def from_pretrained(folder: Path) -> Any:
        return CLIPSegModel.from_pretrained(folder, key_mapping={r"^clip\.": ""})


def write(folder: Path, kind: Any, config: Any, processor: Any) -> Path:
    """Draw a model's weights, wide enough that texts and images differ, and write it."""
    torch.manual_seed(0)
    model = kind(config)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "embedding" in name or "projection" in name:
                weight.normal_(std=0.3)
            if weight.ndim == 4:
                torch.nn.init.kaiming_normal_(weight).mul_(3)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


SAVE: Mapping[str, Any] = {
    "align": save_align,
    "altclip": save_altclip,
    "chinese_clip": save_chinese_clip,
    "clipseg": save_clipseg,
    "metaclip_2": save_metaclip2,
    "siglip2": save_naflex,
}
"""How a tiny model of each type is written."""
