"""Encoders for tests: real models with random weights, and one of hand-made vectors."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
)

from cupl.encoders.torchvision_import import mend_torchvision

mend_torchvision()  # for processes that do not read conftest.py
from transformers import (  # noqa: E402
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
    CLIPTokenizer,
    SiglipConfig,
    SiglipImageProcessorPil,
    SiglipModel,
)

from cupl.bank.model import ClassPrompts, PromptBank  # noqa: E402
from cupl.encoders.batching import as_texts, encode_images  # noqa: E402

# Test processes share the cores: with a thread for each core in every one of them they mostly wait
# for one another, and a test of 1.6 s takes 16.
torch.set_num_threads(1)

START, END = "<|startoftext|>", "<|endoftext|>"
WORDS = ("a", "photo", "of", "cat", "dog", "tree", "frog", "small", "with", "large", "the", "has")


def draw(width: int, height: int, seed: int = 0) -> Image.Image:
    """A picture of noise."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def bank_of(prompts: Mapping[str, Sequence[str]], name: str = "animals") -> PromptBank:
    """A bank with one question."""
    return PromptBank(
        name=name,
        classes=[
            ClassPrompts(name=label, prompts={"What?": list(texts)})
            for label, texts in prompts.items()
        ],
    )


def save_tokenizer(folder: Path) -> int:
    """Write CLIP's byte-level tokenizer with a small vocabulary; returns the vocabulary's size.

    As in CLIP's own: bytes, bytes that end a word, merges, then the two special tokens.
    """
    letters = [chr(code) for code in [*range(33, 127), *range(161, 173), *range(174, 256)]]
    letters += [chr(256 + i) for i in range(256 - len(letters))]
    merges: list[tuple[str, str]] = []
    for word in WORDS:
        pieces = [*word[:-1], word[-1] + "</w>"]
        for i in range(1, len(pieces)):
            merges.append(("".join(pieces[:i]), pieces[i]))
    merges = list(dict.fromkeys(merges))
    tokens = [*letters, *(letter + "</w>" for letter in letters)]
    tokens += dict.fromkeys("".join(pair) for pair in merges)
    tokens += [START, END]
    vocabulary = {token: i for i, token in enumerate(tokens)}
    tokenizer = CLIPTokenizer(vocab=vocabulary, merges=merges)  # type: ignore[arg-type]
    tokenizer.save_pretrained(folder)
    return len(vocabulary)


def save_clip(
    folder: Path,
    *,
    text: Mapping[str, int] | None = None,
    legacy_end: bool = False,
    seed: int = 0,
    safetensors: bool = True,
) -> Path:
    """Write a whole CLIP model with random weights and return its directory.

    Args:
        folder: made where it is missing.
        text: sizes of the text tower in place of the tiny ones.
        legacy_end: give the configuration the wrong end-of-text id 2, as the files of OpenAI's
            models on the hub do.
        seed: of the weights.
        safetensors: else a pickle, as ``openai/clip-vit-base-patch32`` has.

    """
    folder.mkdir(parents=True, exist_ok=True)
    size = save_tokenizer(folder)
    tiny = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    ends = {"bos_token_id": size - 2, "eos_token_id": 2 if legacy_end else size - 1}
    config = CLIPConfig(
        text_config={
            **tiny,
            "num_attention_heads": 2,
            "vocab_size": size,
            **ends,
            **(text or {}),
        },
        vision_config={**tiny, "num_attention_heads": 2, "image_size": 224, "patch_size": 56},
        projection_dim=16,
    )
    torch.manual_seed(seed)
    model = CLIPModel(config)
    if safetensors:
        model.save_pretrained(folder)
    else:
        model.config.save_pretrained(folder)
        torch.save(model.state_dict(), folder / "pytorch_model.bin")
    CLIPImageProcessorPil().save_pretrained(folder)
    return folder


def save_siglip(
    folder: Path,
    *,
    generation: int = 2,
    text: Mapping[str, int] | None = None,
    vision: Mapping[str, bool] | None = None,
    seed: int = 0,
) -> Path:
    """Write a whole SigLIP model with random weights and return its directory.

    Args:
        folder: made where it is missing.
        generation: 1 has a tokenizer like T5's, 2 one like Gemma's, as the files on the hub.
        text: sizes of the text tower in place of the tiny ones.
        vision: settings of the image tower in place of the usual.
        seed: of the weights.

    """
    folder.mkdir(parents=True, exist_ok=True)
    save = save_t5_tokenizer if generation == 1 else save_gemma_tokenizer
    tiny = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    tiny["num_attention_heads"] = 2
    ends = {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 1}
    config = SiglipConfig(
        text_config={**tiny, **ends, "vocab_size": save(folder), **(text or {})},
        vision_config={**tiny, "image_size": 224, "patch_size": 56, **(vision or {})},
    )
    torch.manual_seed(seed)
    model = SiglipModel(config)
    model.logit_scale.data.fill_(2.01)
    model.logit_bias.data.fill_(-3.01)
    model.save_pretrained(folder)
    half = [0.5, 0.5, 0.5]
    SiglipImageProcessorPil(image_mean=half, image_std=half).save_pretrained(folder)
    return folder


def save_t5_tokenizer(folder: Path) -> int:
    """Write a tokenizer as the first SigLIP's, which leaves capitals and punctuation to others."""
    letters = dict.fromkeys(map(chr, range(33, 127)))
    pieces = [*letters, "\u2581", *(f"\u2581{word}" for word in WORDS)]
    vocabulary = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", -9.0)]
    vocabulary += [(piece, -float(i < len(letters)) - 1) for i, piece in enumerate(pieces)]
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=2))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing("$A </s>", None, [("</s>", 1)])
    shape = {"lstrip": True, "rstrip": True, "normalized": True}
    tokenizer.add_special_tokens([AddedToken(name, **shape) for name in ("</s>", "<unk>")])
    settings = {"tokenizer_class": "SiglipTokenizer", "eos_token": "</s>", "pad_token": "</s>"}
    return write_tokenizer(folder, tokenizer, {**settings, "unk_token": "<unk>"})


def save_gemma_tokenizer(folder: Path) -> int:
    """Write a tokenizer as SigLIP 2's, whose files know nothing of lower case."""
    special = ["<pad>", "<eos>", "<bos>", "<unk>"]
    tokens = dict.fromkeys([*special, "\u2581", *(f"<0x{i:02X}>" for i in range(256))])
    tokens |= dict.fromkeys(map(chr, range(33, 127)))
    merges: dict[tuple[str, str], None] = {}
    for word in WORDS:
        merges |= dict.fromkeys((word[:i], word[i]) for i in range(1, len(word)))
    tokens |= dict.fromkeys("".join(pair) for pair in merges)
    tokenizer = Tokenizer(
        models.BPE(
            {token: i for i, token in enumerate(tokens)},
            list(merges),
            unk_token="<unk>",
            fuse_unk=True,
            byte_fallback=True,
        )
    )
    tokenizer.normalizer = normalizers.Replace(" ", "\u2581")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.post_processor = processors.TemplateProcessing("$A <eos>", None, [("<eos>", 1)])
    tokenizer.add_special_tokens(special)
    names = {"pad_token": "<pad>", "eos_token": "<eos>", "bos_token": "<bos>"}
    ends = {"add_bos_token": False, "add_eos_token": True, "padding_side": "right"}
    settings = {"tokenizer_class": "GemmaTokenizer", "unk_token": "<unk>"}
    return write_tokenizer(folder, tokenizer, {**settings, **names, **ends})


def write_tokenizer(folder: Path, tokenizer: Tokenizer, settings: Mapping[str, object]) -> int:
    """Write a tokenizer as the files of the hub have it; returns the vocabulary's size."""
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {**settings, "model_input_names": ["input_ids"], "model_max_length": 64}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), "utf-8")
    return int(tokenizer.get_vocab_size())


class HandMadeEncoder:
    """Vectors given in advance: for texts by their words, for images by their first pixel."""

    def __init__(
        self,
        texts: Mapping[str, Sequence[float]] | None = None,
        images: Mapping[tuple[int, int, int], Sequence[float]] | None = None,
        logit_scale: float = 10.0,
        fingerprint: str = "hand-made",
        max_tokens: int = 8,
        logit_bias: float | None = None,
    ) -> None:
        self._texts = texts or {}
        self._images = images or {}
        self.id = "hand-made"
        self.revision: str | None = None
        self.fingerprint = fingerprint
        self.dim = len(next(iter([*self._texts.values(), *self._images.values()]), ()))
        self.logit_scale = logit_scale
        self.precision = "float32"
        self.logit_bias = logit_bias
        self.max_tokens = max_tokens
        self.image_batch = 32
        self.image_side = 100_000
        self.image_calls: list[int] = []

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(text.split()) + 2 for text in texts]

    def encode_text(self, texts: Sequence[str]) -> torch.Tensor:
        return torch.tensor([list(self._texts[text]) for text in as_texts(texts)])

    def encode_images(self, images: Sequence[Image.Image]) -> torch.Tensor:
        return encode_images(self, images)

    def prepare(self, image: Image.Image) -> torch.Tensor:
        red, green, blue = image.tobytes()[:3]
        if (red, green, blue) not in self._images:
            raise ValueError(f"no vector for the pixel {(red, green, blue)}")
        return torch.tensor([red, green, blue])

    def encode_prepared(self, images: torch.Tensor) -> torch.Tensor:
        self.image_calls.append(len(images))
        pixels = [(int(red), int(green), int(blue)) for red, green, blue in images]
        return torch.tensor([list(self._images[pixel]) for pixel in pixels])
