"""Tiny models of open_clip with random weights, a family each, as people save them."""

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import RobertaConfig

from cupl.encoders.open_clip_names import import_open_clip
from tests.encoders.files import edit_json
from tests.models import WORDS, save_gemma_tokenizer, save_t5_tokenizer, write_tokenizer

OPENAI = {"mean": [0.48, 0.46, 0.41], "std": [0.27, 0.26, 0.28], "interpolation": "bicubic"}
HALF = {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "resize_mode": "squash"}
_VISION = {"image_size": 32, "layers": 2, "width": 32, "patch_size": 8, "head_width": 16}
_TEXT = {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2}
_SIGLIP = {
    "embed_dim": 96,
    "custom_text": True,
    "init_logit_bias": -10,
    "vision_cfg": {"image_size": 160, "timm_model_name": "test_vit3", "timm_pool": "map",
                   "timm_proj": "none"},
    "text_cfg": {**_TEXT, "context_length": 64, "vocab_size": 1000, "no_causal_mask": True,
                 "proj_bias": True, "pool_type": "last", "norm_kwargs": {"eps": 1e-6},
                 "act_kwargs": {"approximate": "tanh"}, "hf_tokenizer_name": "timm/siglip",
                 "tokenizer_kwargs": {"clean": "canonicalize"}},
}  # fmt: skip


def _timm(name: str, side: int, pool: str, **text: Any) -> dict[str, Any]:
    vision = {"timm_model_name": name, "image_size": side, "timm_pool": pool, "timm_proj": None}
    return {"embed_dim": 32, "custom_text": True, "vision_cfg": vision, "text_cfg": _TEXT | text}


CONFIGS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "clip": ({"embed_dim": 32, "vision_cfg": _VISION, "text_cfg": _TEXT}, OPENAI),
    "resnet": (
        {"embed_dim": 32, "vision_cfg": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 8,
                                         "patch_size": None, "head_width": 64},
         "text_cfg": _TEXT}, {},
    ),
    "dfn": (
        {"embed_dim": 32, "quick_gelu": True, "vision_cfg": _VISION, "text_cfg": _TEXT}, OPENAI,
    ),
    "coca": (
        {"embed_dim": 32, "custom_text": True,
         "vision_cfg": {**_VISION, "attentional_pool": True, "attn_pooler_heads": 2,
                        "output_tokens": True},
         "text_cfg": {**_TEXT, "context_length": 76, "embed_cls": True, "output_tokens": True},
         "multimodal_cfg": {**_TEXT, "context_length": 76, "attn_pooler_heads": 2}}, OPENAI,
    ),
    "siglip": (_SIGLIP, HALF),
    "siglip2": (_SIGLIP, HALF),
    "clipa": (
        {"embed_dim": 32,
         "vision_cfg": {**_VISION, "no_ln_pre": True, "pool_type": "avg",
                        "final_ln_after_pool": True},
         "text_cfg": {**_TEXT, "context_length": 32, "vocab_size": 600, "pool_type": "last",
                      "no_causal_mask": True, "hf_tokenizer_name": "bert-base-uncased",
                      "tokenizer_kwargs": {"strip_sep_token": True}}},
        {"interpolation": "bilinear", "resize_mode": "squash"},
    ),
    "worldwide": (
        {"embed_dim": 32, "vision_cfg": _VISION,
         "text_cfg": {**_TEXT, "vocab_size": 1000, "pool_type": "eos", "eos_id": 1,
                      "hf_tokenizer_name": "facebook/xlm-v-base"}},
        {"resize_mode": "longest", "fill_color": 7},
    ),
    "roberta": (
        {"embed_dim": 32, "vision_cfg": _VISION,
         "text_cfg": {"hf_model_name": "roberta", "hf_tokenizer_name": "roberta",
                      "hf_proj_type": "mlp", "hf_pooler_type": "mean_pooler"}}, OPENAI,
    ),
    "eva": (_timm("eva02_tiny_patch14_224", 224, "token"), OPENAI),
    "mobileclip": (
        _timm("fastvit_t8", 256, "avg", no_causal_mask=True),
        {"mean": [0, 0, 0], "std": [1, 1, 1], "interpolation": "bilinear"},
    ),
    "pe": (_timm("vit_pe_core_tiny_patch16_384", 384, "map", context_length=32), HALF),
}  # fmt: skip


def save_open_clip(folder: Path, family: str = "clip", **changes: Any) -> Path:
    """Write a whole model as open_clip does for the hub, and return its directory.

    Args:
        folder: made where it is missing.
        family: one of ``CONFIGS``.
        changes: of ``model_cfg``, after the weights were made.

    """
    folder.mkdir(parents=True, exist_ok=True)
    config, preprocess = deepcopy(CONFIGS[family])
    text = config["text_cfg"]
    if family in _TOKENIZERS:
        _TOKENIZERS[family](folder)
    if "hf_model_name" in text:
        text["hf_model_name"] = str(save_roberta(folder / "tower"))
    write_config(folder, config, preprocess)
    torch.manual_seed(0)
    model = import_open_clip().create_model(
        f"local-dir:{folder}", load_weights=False, pretrained_text=False
    )
    for name, weights in model.named_parameters():
        # As they are drawn, all images and texts would get almost the same vector.
        if weights.ndim > 1:
            torch.nn.init.normal_(weights, std=1.5 * weights[0].numel() ** -0.5)
        elif name.endswith(("gamma", "ls_1", "ls_2")):
            torch.nn.init.ones_(weights)
    tensors = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    save_file(tensors, folder / "open_clip_model.safetensors")
    write_config(folder, {**config, **changes}, preprocess)
    return folder


def write_config(folder: Path, config: dict[str, Any], preprocess: dict[str, Any]) -> None:
    whole = {"model_cfg": config, "preprocess_cfg": preprocess}
    (folder / "open_clip_config.json").write_text(json.dumps(whole), "utf-8")


def save_roberta(folder: Path) -> Path:
    """The configuration alone, as it lies on the hub."""
    RobertaConfig(
        vocab_size=1000, hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=64, max_position_embeddings=100, pad_token_id=0, bos_token_id=2,
        eos_token_id=1,
    ).save_pretrained(folder)  # fmt: skip
    return folder


def save_bert_tokenizer(folder: Path) -> None:
    """Word pieces between ``[CLS]`` and ``[SEP]``, in lower case."""
    letters = [chr(code) for code in range(33, 127) if not chr(code).isupper()]
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *letters, *(f"##{one}" for one in letters)]
    tokens = dict.fromkeys([*pieces, *WORDS])
    vocabulary = {token: i for i, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    ends = [("[CLS]", 2), ("[SEP]", 3)]
    tokenizer.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", None, ends)
    tokenizer.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]"])
    names = {"pad_token": "[PAD]", "sep_token": "[SEP]", "cls_token": "[CLS]"}
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "[UNK]"}
    write_tokenizer(folder, tokenizer, {**settings, **names})


def save_siglip_tokenizer(folder: Path) -> None:
    """The files of timm's SigLIP models on the hub call it T5's."""
    save_t5_tokenizer(folder)
    edit_json(folder / "tokenizer_config.json", tokenizer_class="T5TokenizerFast", extra_ids=0)


_TOKENIZERS: dict[str, Callable[[Path], object]] = {
    "siglip": save_siglip_tokenizer,
    "siglip2": save_gemma_tokenizer,
    "worldwide": save_gemma_tokenizer,
    "roberta": save_gemma_tokenizer,
    "clipa": save_bert_tokenizer,
}
