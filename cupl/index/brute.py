"""Every vector of a store against many queries in one pass, or where it has no exact search."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import torch

from cupl.classification.top_k import best_first
from cupl.index.rows import COLUMNS, ID, SCORE, VECTOR, table_schema, vector_matrix
from cupl.index.store import PhotoStore
from cupl.index.unusable import usable_rows, warn_unusable
from cupl.index.where import Where, where_in

_AT_ONCE = 1000
"""Keys in one condition."""


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
    scores, ids = np.empty((len(unit), 0), np.float32), np.empty((len(unit), 0), object)
    unusable = 0
    for scanned in store.scan([ID, VECTOR], where):
        table = usable_rows(scanned)
        unusable += len(scanned) - len(table)
        matrix = vector_matrix(table)
        cosines = unit @ (matrix / np.linalg.norm(matrix, axis=1, keepdims=True)).T
        keys = np.array(table.column(ID).to_pylist(), object)
        scores = np.concatenate([scores, cosines], axis=1)
        ids = np.concatenate([ids, np.broadcast_to(keys, cosines.shape)], axis=1)
        best = best_first(torch.from_numpy(scores), k).numpy()
        scores, ids = np.take_along_axis(scores, best, 1), np.take_along_axis(ids, best, 1)
    warn_unusable(unusable)
    rows = _rows(store, [*COLUMNS, *([VECTOR] if vectors else [])], sorted(set(ids.ravel())))
    return [_in_order(rows, *one) for one in zip(ids, scores, strict=True)]


def _rows(store: PhotoStore, columns: list[str], ids: list[str]) -> Any:
    """The rows of some keys, of those that are still there."""
    known = table_schema(store.metadata.dim, store.metadata.numbers)
    tables = [pa.schema([known.field(name) for name in columns]).empty_table()]
    for start in range(0, len(ids), _AT_ONCE):
        tables += store.scan(columns, where_in(ID, ids[start : start + _AT_ONCE]))
    return pa.concat_tables(tables)


def _in_order(rows: Any, ids: Any, scores: Any) -> Any:
    places = pc.index_in(pa.array(ids, pa.string()), rows.column(ID))
    kept = pa.array(scores, pa.float32()).filter(places.is_valid())
    return rows.take(places.drop_null()).append_column(SCORE, kept)
