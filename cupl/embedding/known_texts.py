"""Texts of many banks that are embedded together, before any of the banks is encoded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch

from cupl.embedding.text_cache import TextCache, embed_texts
from cupl.encoders.protocol import Encoder
from cupl.progress import Progress, ignore


def know_texts(
    texts: Sequence[str],
    encoder: Encoder,
    *,
    text_cache: TextCache = None,
    progress: Progress = ignore,
) -> Encoder:
    """The encoder, with the embeddings of some texts in memory.

    What the texts share is computed once over all of them: a text that stands in several banks, and
    for an encoder that reads prefix trees what texts of different banks begin with.

    Args:
        texts: what it will be asked for; repeats are free.
        encoder: computes what is not cached, and later all other texts and images.
        text_cache: as for :func:`~cupl.embedding.text_cache.embed_texts`.
        progress: told how many different texts are done, and of how many.

    """
    return cast("Encoder", _Knowing(texts, encoder, text_cache, progress))


class _Knowing:
    def __init__(
        self, texts: Sequence[str], encoder: Encoder, text_cache: TextCache, progress: Progress
    ) -> None:
        unique = list(dict.fromkeys(texts))
        embedded = embed_texts(unique, encoder, text_cache=text_cache, progress=progress)
        self._encoder = encoder
        self._row_of = {text: row for row, text in enumerate(unique)}
        self._vectors, self._tokens = embedded.vectors, embedded.tokens

    def __getattr__(self, name: str) -> Any:
        return getattr(self._encoder, name)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        if not self._knows(texts):
            return self._encoder.count_tokens(texts)
        return [self._tokens[self._row_of[text]] for text in texts]

    def encode_text(self, texts: Sequence[str]) -> torch.Tensor:
        if not self._knows(texts):
            return self._encoder.encode_text(texts)
        return self._vectors[[self._row_of[text] for text in texts]]

    def _knows(self, texts: Sequence[str]) -> bool:
        return all(text in self._row_of for text in texts)
