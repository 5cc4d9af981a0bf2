"""Text embeddings that were computed before, so that a bank that was edited is encoded in a moment.

They are kept for each encoder by its fingerprint and precision. All of it can be computed again:
the oldest go when there are too many, and where the cache cannot be used, nothing is kept.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import torch

from cupl.embedding.vector_cache import VectorCache
from cupl.encoders.protocol import Encoder
from cupl.io.paths import cache_dir
from cupl.progress import Progress, ignore

MAX_CACHE_BYTES = 4 * 2**30
"""Of all encoders together: two million embeddings of 512 numbers."""
_AT_ONCE = 1024
"""Texts that are encoded and kept together: what an interrupt can cost."""
_AT_FIRST = 64
"""As many the first time, which tells soon how long all of it takes."""

TextCache: TypeAlias = str | os.PathLike[str] | Literal[False] | None
"""Where text embeddings are kept: a folder, None for the usual place (``embeddings`` in
:func:`~cupl.io.paths.cache_dir`), False for nowhere."""
_TokenCounts = npt.NDArray[np.int64]
_Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True)
class TextEmbeddings:
    """Texts as an encoder reads them.

    Attributes:
        vectors: float32 ``[texts, dim]``, as ``encoder.encode_text`` gives them.
        tokens: of each text, before truncation.

    """

    vectors: torch.Tensor
    tokens: list[int]


def embed_texts(
    texts: Sequence[str],
    encoder: Encoder,
    *,
    check: Callable[[list[int]], None] = ignore,
    text_cache: TextCache = None,
    progress: Progress = ignore,
) -> TextEmbeddings:
    """Embeddings of texts, from the cache where it has them.

    Args:
        texts: repeats are free.
        encoder: computes what is missing.
        check: called with the tokens of each text before anything is computed.
        text_cache: where embeddings are looked up and kept, see :data:`TextCache`.
        progress: told how many different texts are done, and of how many; at first those that
            the cache has, where many are missing.

    """
    unique = list(dict.fromkeys(texts))
    row_of = {text: row for row, text in enumerate(unique)}
    rows = [row_of[text] for text in texts]
    with closing(_opened(text_cache)) as cache:
        keys = [_key(text, encoder) for text in unique]
        tokens, vectors = _fetch(cache, keys, encoder.dim)
        # Neighbours in the alphabet share their beginnings, and are encoded together for that.
        missing = sorted(np.flatnonzero(tokens == 0).tolist(), key=unique.__getitem__)
        tokens[missing] = encoder.count_tokens([unique[row] for row in missing])
        check(tokens[rows].tolist())
        known = len(unique) - len(missing)
        if len(missing) > _AT_ONCE:
            progress(known, len(unique))
        for batch in _batches(missing):
            vectors[batch] = encoder.encode_text([unique[row] for row in batch]).numpy()
            _keep(cache, [(keys[row], tokens[row], vectors[row]) for row in batch])
            known += len(batch)
            progress(known, len(unique))
    return TextEmbeddings(torch.from_numpy(vectors[rows]), tokens[rows].tolist())


def _batches(rows: list[int]) -> Iterator[list[int]]:
    first = min(_AT_FIRST, _AT_ONCE) if len(rows) > _AT_ONCE else _AT_ONCE
    yield from (part for part in (rows[:first],) if part)
    for start in range(first, len(rows), _AT_ONCE):
        yield rows[start : start + _AT_ONCE]


def _key(text: str, encoder: Encoder) -> str:
    precision = getattr(encoder, "text_precision", encoder.precision)  # not always that of images
    said = f"{encoder.fingerprint} {precision} {text}"
    return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()


def _opened(place: TextCache) -> VectorCache:
    folder = None if place is False else embedding_folder(place)
    return VectorCache(folder, "text embeddings", MAX_CACHE_BYTES)


def embedding_folder(place: str | os.PathLike[str] | None) -> Path:
    """Where embeddings are kept; None for the usual place."""
    return cache_dir() / "embeddings" if place is None else Path(place)


def _fetch(cache: VectorCache, keys: Sequence[str], dim: int) -> tuple[_TokenCounts, _Vectors]:
    """Tokens and vectors of the keys; no tokens where there is no whole vector."""
    kind = np.dtype([("tokens", "<i4"), ("vector", "<f4", (dim,))])
    rows = np.zeros(len(keys), kind)
    row_of = {key: row for row, key in enumerate(keys)}
    for key, data in cache.fetch(keys):
        if len(data) == kind.itemsize:
            rows[row_of[key]] = np.frombuffer(data, kind)[0]
    unusable = ~np.isfinite(rows["vector"]).all(axis=1) | (rows["tokens"] < 0)
    rows["tokens"][unusable] = 0
    return rows["tokens"].astype(np.int64), rows["vector"].astype(np.float32)


def _keep(cache: VectorCache, rows: Sequence[tuple[str, np.int64, _Vectors]]) -> None:
    cache.keep(
        [
            (key, tokens.astype("<i4").tobytes() + vector.astype("<f4").tobytes())
            for key, tokens, vector in rows
        ]
    )
