"""Every vector of a store against many queries in one pass, or where it has no exact search."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import torch

from cupl.classification.top_k import best_first
from cupl.index.lookup import rows_by_id
from cupl.index.rows import COLUMNS, ID, SCORE, VECTOR, table_schema, vector_matrix
from cupl.index.store import PhotoStore
from cupl.index.unusable import usable_rows, warn_unusable
from cupl.index.where import Where


def brute_search(
    store: PhotoStore,
    queries: npt.NDArray[np.float32],
    k: int,
    where: Where | None = None,
    *,
    vectors: bool = False,
) -> list[Any]:
    """The closest rows of each query: see :meth:`~cupl.index.store.PhotoStore.search`."""
    unit = queries / np.linalg.norm(queries, axis=1, keepdims=True)

    def cosines(matrix: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        found: npt.NDArray[np.float32] = (
            unit @ (matrix / np.linalg.norm(matrix, axis=1, keepdims=True)).T
        )
        return found

    return best_rows(store, len(unit), cosines, k, where, vectors=vectors)


def best_rows(
    store: PhotoStore,
    queries: int,
    scores_of: Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]],
    k: int,
    where: Where | None = None,
    *,
    vectors: bool = False,
) -> list[Any]:
    """The rows with the highest scores of each query, a table each, the best first.

    Args:
        store: all whose vectors are looked at, but for damaged ones.
        queries: how many there are.
        scores_of: the scores ``[queries, photos]`` of some vectors ``[photos, dim]``.
        k: rows a query, at most.
        where: only of photos for which it holds.
        vectors: with the column ``vector``.

    """
    scores, ids = np.empty((queries, 0), np.float32), np.empty((queries, 0), object)
    unusable = 0
    for scanned in store.scan([ID, VECTOR], where):
        table = usable_rows(scanned)
        unusable += len(scanned) - len(table)
        new = scores_of(vector_matrix(table))
        keys = np.array(table.column(ID).to_pylist(), object)
        scores = np.concatenate([scores, new], axis=1)
        ids = np.concatenate([ids, np.broadcast_to(keys, new.shape)], axis=1)
        best = best_first(torch.from_numpy(scores), k).numpy()
        scores, ids = np.take_along_axis(scores, best, 1), np.take_along_axis(ids, best, 1)
    warn_unusable(unusable)
    rows = _rows(store, [*COLUMNS, *([VECTOR] if vectors else [])], sorted(set(ids.ravel())))
    return [_in_order(rows, *one) for one in zip(ids, scores, strict=True)]


def _rows(store: PhotoStore, columns: list[str], ids: list[str]) -> Any:
    """The rows of some keys, of those that are still there."""
    known = table_schema(store.metadata.dim, store.metadata.numbers)
    empty = pa.schema([known.field(name) for name in columns]).empty_table()
    return pa.concat_tables([empty, *rows_by_id(store, columns, ids)])


def _in_order(rows: Any, ids: Any, scores: Any) -> Any:
    places = pc.index_in(pa.array(ids, pa.string()), rows.column(ID))
    kept = pa.array(scores, pa.float32()).filter(places.is_valid())
    return rows.take(places.drop_null()).append_column(SCORE, kept)
