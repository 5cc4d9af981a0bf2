"""The batching that every encoder shares."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from PIL.Image import Image
from tokenizers import models

from cupl.encoders.protocol import Encoder

Tokens = list[int]
_NEVER = -1e6
"""Score of a piece that no text is cut into."""


def as_texts(texts: Sequence[str]) -> Sequence[str]:
    """A single text as a list of it; else it would be one of its letters."""
    return [texts] if isinstance(texts, str) else texts


def encode_images(encoder: Encoder, images: Sequence[Image]) -> torch.Tensor:
    """Prepare and encode images, a batch at a time; see :meth:`Encoder.encode_images`."""
    images = [images] if isinstance(images, Image) else images
    vectors = torch.empty(len(images), encoder.dim)
    for start in range(0, len(images), encoder.image_batch):
        batch = images[start : start + encoder.image_batch]
        prepared = torch.stack([encoder.prepare(image) for image in batch])
        vectors[start : start + len(batch)] = encoder.encode_prepared(prepared)
    return vectors


def tokenize(tokenizer: Any, texts: Sequence[str], limit: int | None) -> list[Tokens]:
    """Token ids of each text, special tokens included, cut to ``limit``; a single text is one.

    A special token that a text spells out is text. ``tokenizer`` is one of transformers.
    """
    if len(texts) == 0 and not isinstance(texts, str):
        return []
    encoded: list[Tokens] = tokenizer(
        list(as_texts(texts)),
        truncation=limit is not None,
        max_length=limit,
        split_special_tokens=True,
        return_attention_mask=False,
        verbose=False,
    )["input_ids"]
    return encoded


def hide_special_pieces(tokenizer: Any) -> None:
    """Let no text hold the special tokens that it spells out, where pieces are scored (XLM-R).

    There the special ones are pieces as well, of the best score there is, so ``</s>`` in a text
    would be its end even where special tokens are split.
    """
    backend = tokenizer.backend_tokenizer
    if not isinstance(backend.model, models.Unigram):
        return
    model = json.loads(backend.to_str())["model"]
    special = set(tokenizer.all_special_tokens)
    vocabulary = [(piece, _NEVER if piece in special else score) for piece, score in model["vocab"]]
    backend.model = models.Unigram(vocabulary, model["unk_id"], bool(model.get("byte_fallback")))


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
    encode: Callable[[list[Tokens]], torch.Tensor],
) -> torch.Tensor:
    """Encode each different text once.

    Args:
        texts: what to encode; repeats are free, also of what is the same after truncation.
        tokenize: texts to token ids, special tokens included, truncated to the model's length.
        encode: token ids, no two texts the same, to ``[texts, dim]``.

    Returns:
        float32 ``[len(texts), dim]`` in the order of ``texts``, on the CPU.

    """
    unique = list(dict.fromkeys(texts))
    tokens = tokenize(unique)
    different = {tuple(ids): row for row, ids in enumerate(dict.fromkeys(map(tuple, tokens)))}
    vectors = encode(list(map(list, different))).float().cpu()  # [different, dim]
    row_of = {text: different[tuple(ids)] for text, ids in zip(unique, tokens, strict=True)}
    return vectors[torch.tensor([row_of[text] for text in texts])]


def encode_by_length(
    tokens: Sequence[Tokens], encode_batch: Callable[[list[Tokens]], torch.Tensor], budget: int
) -> torch.Tensor:
    """Encode texts in batches of similar length, so that little of them is padding.

    Args:
        tokens: token ids of each text.
        encode_batch: token ids to ``[batch, dim]``.
        budget: most tokens in a batch, padding included; a single text may have more.

    Returns:
        float32 ``[texts, dim]`` on the CPU, in the order of ``tokens``.

    """
    order = sorted(range(len(tokens)), key=lambda i: len(tokens[i]))
    parts = [
        encode_batch([tokens[i] for i in batch]).float().cpu()
        for batch in _batches(order, tokens, budget)
    ]
    vectors = torch.cat(parts)
    return vectors[torch.tensor(order).argsort()]


def _batches(order: list[int], tokens: Sequence[Tokens], budget: int) -> Iterator[list[int]]:
    batch: list[int] = []
    for i in order:  # from short to long: the newest is the longest
        if batch and (len(batch) + 1) * len(tokens[i]) > budget:
            yield batch
            batch = []
        batch.append(i)
    yield batch
