"""Encoders for tests: real CLIP models with random weights, and one of hand-made vectors."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from PIL.Image import Image
from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel, CLIPTokenizer

from cupl.bank import ClassPrompts, PromptBank
from cupl.encoders.base import encode_images

# Test processes share the cores: with a thread for each core in every one of them they mostly wait
# for one another, and a test of 1.6 s takes 16.
torch.set_num_threads(1)

START, END = "<|startoftext|>", "<|endoftext|>"
WORDS = ("a", "photo", "of", "cat", "dog", "tree", "frog", "small", "with", "large", "the", "has")


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


class HandMadeEncoder:
    """Vectors given in advance: for texts by their words, for images by their first pixel."""

    def __init__(
        self,
        texts: Mapping[str, Sequence[float]] | None = None,
        images: Mapping[tuple[int, int, int], Sequence[float]] | None = None,
        logit_scale: float = 10.0,
        fingerprint: str = "hand-made",
        max_tokens: int = 8,
    ) -> None:
        self._texts = texts or {}
        self._images = images or {}
        self.id = "hand-made"
        self.revision: str | None = None
        self.fingerprint = fingerprint
        self.dim = len(next(iter([*self._texts.values(), *self._images.values()]), ()))
        self.logit_scale = logit_scale
        self.precision = "float32"
        self.logit_bias: float | None = None
        self.max_tokens = max_tokens
        self.image_batch = 32
        self.image_calls: list[int] = []

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(text.split()) + 2 for text in texts]

    def encode_text(self, texts: Sequence[str]) -> torch.Tensor:
        return torch.tensor([list(self._texts[text]) for text in texts])

    def encode_images(self, images: Sequence[Image]) -> torch.Tensor:
        return encode_images(self, images)

    def prepare(self, image: Image) -> torch.Tensor:
        red, green, blue = image.tobytes()[:3]
        if (red, green, blue) not in self._images:
            raise ValueError(f"no vector for the pixel {(red, green, blue)}")
        return torch.tensor([red, green, blue])

    def encode_prepared(self, images: torch.Tensor) -> torch.Tensor:
        self.image_calls.append(len(images))
        pixels = [(int(red), int(green), int(blue)) for red, green, blue in images]
        return torch.tensor([list(self._images[pixel]) for pixel in pixels])
