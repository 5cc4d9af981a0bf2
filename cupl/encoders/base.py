"""What an encoder is, and the batching of text that every encoder shares."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from PIL.Image import Image

Tokens = list[int]


class Encoder(Protocol):
    """A text tower and an image tower with one common space.

    Neither method normalises. Both batch inside, keep the order of their input and return
    float32 on the CPU.
    """

    @property
    def id(self) -> str:
        """Name it was loaded by, e.g. ``openai/clip-vit-base-patch32`` or ``mini``."""

    @property
    def revision(self) -> str | None:
        """Commit of the model hub, where it came from one."""

    @property
    def fingerprint(self) -> str:
        """Hex digest of everything that decides a vector; equal only for equal encoders."""

    @property
    def dim(self) -> int:
        """Width of the common space."""

    @property
    def logit_scale(self) -> float:
        """Factor on the cosine before the softmax (the inverse temperature)."""

    @property
    def max_tokens(self) -> int:
        """Longest text the text tower reads, special tokens included."""

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text before truncation, special tokens included."""

    def encode_text(self, texts: Sequence[str]) -> torch.Tensor:
        """Embeddings of the texts, float32 ``[len(texts), dim]``."""

    def encode_images(self, images: Sequence[Image]) -> torch.Tensor:
        """Embeddings of upright RGB images, float32 ``[len(images), dim]``."""


def tokenize(tokenizer: Any, texts: Sequence[str], limit: int | None) -> list[Tokens]:
    """Token ids of each text, special tokens included, cut to ``limit``.

    A special token that a text spells out is text. ``tokenizer`` is one of transformers.
    """
    if not texts:
        return []
    encoded: list[Tokens] = tokenizer(
        list(texts),
        truncation=limit is not None,
        max_length=limit,
        split_special_tokens=True,
        return_attention_mask=False,
        verbose=False,
    )["input_ids"]
    return encoded


def pad(batch: Sequence[Tokens], padding: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids filled up to the longest of the batch, and the mask of what is text.

    Both are int64 ``[batch, longest]``.
    """
    longest = max(map(len, batch))
    ids = torch.tensor([tokens + [padding] * (longest - len(tokens)) for tokens in batch])
    lengths = torch.tensor([[len(tokens)] for tokens in batch])
    return ids, (torch.arange(longest) < lengths).long()


def encode_unique_texts(
    texts: Sequence[str],
    tokenize: Callable[[list[str]], list[Tokens]],
    encode_batch: Callable[[list[Tokens]], torch.Tensor],
    batch_size: int,
) -> torch.Tensor:
    """Encode each different text once, in batches of similar length.

    Args:
        texts: what to encode; repeats are free.
        tokenize: texts to token ids, special tokens included, truncated to the model's length.
        encode_batch: token ids, longest at most a few longer than the shortest, to
            ``[batch, dim]``.
        batch_size: most texts in one call of ``encode_batch``.

    Returns:
        float32 ``[len(texts), dim]`` in the order of ``texts``.

    """
    unique = list(dict.fromkeys(texts))
    tokens = tokenize(unique)
    order = sorted(range(len(unique)), key=lambda i: len(tokens[i]))
    parts = [
        encode_batch([tokens[i] for i in order[start : start + batch_size]])
        for start in range(0, len(order), batch_size)
    ]
    by_length = torch.cat(parts).float().cpu()  # [unique, dim]
    row_of = {unique[i]: row for row, i in enumerate(order)}
    return by_length[torch.tensor([row_of[text] for text in texts])]
