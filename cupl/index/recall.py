"""How much of what an exact search finds the approximate index finds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cupl.errors import InputError
from cupl.index.rows import ID, VECTOR, vector_matrix
from cupl.index.store import PhotoStore
from cupl.index.where import where_in

_FOUND = 10


@dataclass(frozen=True)
class IndexRecall:
    """How an approximate index compares with looking at all vectors.

    Attributes:
        recall: share of the 10 closest photos that it finds, a mean of the queries.
        queries: stored vectors that were searched for.

    """

    recall: float
    queries: int


def index_recall(store: PhotoStore, queries: int = 100, seed: int = 0) -> IndexRecall:
    """Recall@10 of a store's usual search against its exact one.

    A photo that is as close as the tenth counts as found, whichever of them is listed. The queries
    are vectors of the store, each of which finds itself: texts are further away from photos, and
    harder to find by.

    Args:
        store: the index.
        queries: how many of its vectors are searched for.
        seed: of drawing them.

    Raises:
        InputError: there are no photos in it.

    """
    if queries < 1:
        raise InputError("recall needs at least one query", arguments={"recall": 100})
    vectors = _drawn(store, queries, np.random.default_rng(seed))
    exact = store.search(vectors, _FOUND, exact=True)
    usual = store.search(vectors, _FOUND)
    shares = []
    for truth, found in zip(exact, usual, strict=True):
        scores = truth.column("score").to_numpy()
        known = set(truth.column(ID).to_pylist())
        ids, values = found.column(ID).to_pylist(), found.column("score").to_numpy()
        hits = sum(i in known or v >= scores[-1] - 1e-6 for i, v in zip(ids, values, strict=True))
        shares.append(min(1.0, hits / len(scores)))
    return IndexRecall(float(np.mean(shares)), len(shares))


def _drawn(
    store: PhotoStore, number: int, random: np.random.Generator
) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    ids = sorted(key for table in store.scan([ID]) for key in table.column(ID).to_pylist())
    if not ids:
        raise InputError(f"{store.place} holds no photos")
    chosen = random.choice(len(ids), min(number, len(ids)), replace=False)
    tables = store.scan([VECTOR], where_in(ID, [ids[i] for i in chosen]))
    return np.concatenate([vector_matrix(table) for table in tables])
