"""Text embeddings that were computed before, so that a bank that was edited is encoded in a moment.

They are kept for each encoder by its fingerprint and precision. All of it can be computed again:
the oldest go when there are too many, and where the cache cannot be used, nothing is kept.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import diskcache
import numpy as np
import numpy.typing as npt
import torch

from cupl.encoders.protocol import Encoder
from cupl.io.paths import cache_dir
from cupl.io.reasons import reason
from cupl.io.sqlite import DATABASE, PlainDisk, checksum, database_address, select_many
from cupl.progress import Progress, ignore

MAX_CACHE_BYTES = 4 * 2**30
"""Of all encoders together: two million embeddings of 512 numbers."""
_AT_ONCE = 1024
"""Texts that are encoded and kept together: what an interrupt can cost."""
_OF_THE_PLACE = tuple(
    f"SQLITE_{name}" for name in ("FULL", "IOERR", "BUSY", "LOCKED", "READONLY", "CANTOPEN")
)
"""What SQLite calls faults that are not the database's own."""
_SETTINGS = {
    "eviction_policy": "least-recently-stored",
    "size_limit": MAX_CACHE_BYTES,
    "cull_limit": 2,  # for each that is added: space comes free only when all of them are
    "disk_min_file_size": 1 << 30,  # no files beside the database
    "sqlite_mmap_size": 0,
    "sqlite_synchronous": 1,
}

TextCache: TypeAlias = str | os.PathLike[str] | Literal[False] | None
"""Where text embeddings are kept: a folder, None for the usual place (``embeddings`` in
:func:`~cupl.io.paths.cache_dir`), False for nowhere."""
_TokenCounts = npt.NDArray[np.int64]
_Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True)
class _Cache:
    """Where to look up, and what to keep new ones in; None where that cannot be done."""

    folder: Path | None
    database: Any


class _BytesDisk(PlainDisk):
    cache, value, value_name = "the cache of embeddings", bytes, "bytes"


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
        progress: told how many different texts are done, and of how many.

    """
    unique = list(dict.fromkeys(texts))
    row_of = {text: row for row, text in enumerate(unique)}
    rows = [row_of[text] for text in texts]
    with _opened(text_cache) as cache:
        keys = [_key(text, encoder) for text in unique]
        tokens, vectors = _fetch(cache, keys, encoder.dim)
        # Neighbours in the alphabet share their beginnings, and are encoded together for that.
        missing = sorted(np.flatnonzero(tokens == 0).tolist(), key=unique.__getitem__)
        tokens[missing] = encoder.count_tokens([unique[row] for row in missing])
        check(tokens[rows].tolist())
        for start in range(0, len(missing), _AT_ONCE):
            batch = missing[start : start + _AT_ONCE]
            vectors[batch] = encoder.encode_text([unique[row] for row in batch]).numpy()
            _keep(cache, [(keys[row], tokens[row], vectors[row]) for row in batch])
            progress(len(unique) - len(missing) + start + len(batch), len(unique))
    return TextEmbeddings(torch.from_numpy(vectors[rows]), tokens[rows].tolist())


def _key(text: str, encoder: Encoder) -> str:
    said = f"{encoder.fingerprint} {encoder.precision} {text}"
    return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()


@contextlib.contextmanager
def _opened(place: TextCache) -> Iterator[_Cache]:
    """The cache, as far as it is wanted and can be used."""
    if place is False:
        yield _Cache(None, None)
        return
    folder = cache_dir() / "embeddings" if place is None else Path(place)
    with contextlib.ExitStack() as stack:
        database = None
        with _lenient(folder):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if os.access(folder, os.W_OK | os.X_OK):
                opened = diskcache.Cache(str(folder), disk=_BytesDisk, timeout=10, **_SETTINGS)
                database = stack.enter_context(opened)
        yield _Cache(folder, database)


def _fetch(cache: _Cache, keys: Sequence[str], dim: int) -> tuple[_TokenCounts, _Vectors]:
    """Tokens and vectors of the keys; no tokens where there is no whole vector."""
    kind = np.dtype([("tokens", "<i4"), ("vector", "<f4", (dim,))])
    rows = np.zeros(len(keys), kind)
    row_of = {key: row for row, key in enumerate(keys)}
    for key, data, seal in _stored(cache, keys):
        whole = isinstance(data, bytes) and len(data) == kind.itemsize
        if whole and key in row_of and seal == checksum(key, data):
            rows[row_of[key]] = np.frombuffer(data, kind)[0]
    unusable = ~np.isfinite(rows["vector"]).all(axis=1) | (rows["tokens"] < 0)
    rows["tokens"][unusable] = 0
    return rows["tokens"].astype(np.int64), rows["vector"].astype(np.float32)


def _stored(cache: _Cache, keys: Sequence[str]) -> Iterator[tuple[str, Any, object]]:
    """What the database has of some keys."""
    if cache.folder is None or not os.path.isfile(cache.folder / DATABASE):  # noqa: PTH113 (no error)
        return
    with (
        _lenient(cache.folder),
        contextlib.closing(sqlite3.connect(database_address(cache.folder), uri=True)) as db,
    ):
        yield from select_many(db, keys)


def _keep(cache: _Cache, rows: Sequence[tuple[str, np.int64, _Vectors]]) -> None:
    if cache.folder is None or cache.database is None:
        return
    with _lenient(cache.folder), cache.database.transact():
        for key, tokens, vector in rows:
            data = tokens.astype("<i4").tobytes() + vector.astype("<f4").tobytes()
            cache.database.set(key, data, tag=checksum(key, data))


@contextlib.contextmanager
def _lenient(folder: Path) -> Iterator[None]:
    """The cache only saves time: what fails in it costs that time and nothing else."""
    try:
        yield
    except Exception as error:
        place = isinstance(error, OSError | diskcache.Timeout) or getattr(
            error, "sqlite_errorname", ""
        ).startswith(_OF_THE_PLACE)
        why = reason(error) if isinstance(error, OSError) else error
        warnings.warn(
            f"the cache of text embeddings {folder} "
            + (
                f"cannot be used ({why}), so what it lacks is computed each time"
                if place
                else f"is damaged ({why}), so all is computed each time: delete it, and it is "
                "made again"
            ),
            stacklevel=2,
        )
