"""Every vector of a store against queries, where the store itself has no exact search."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cupl.index.rows import COLUMNS, ID, SCORE, VECTOR, table_schema, vector_matrix
from cupl.index.store import PhotoStore
from cupl.index.where import Where, where_in


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
    scores = np.empty((len(unit), 0), np.float32)
    ids = np.empty((len(unit), 0), object)
    for table in store.scan([ID, VECTOR], where):
        matrix = vector_matrix(table)
        cosines = unit @ (matrix / np.linalg.norm(matrix, axis=1, keepdims=True)).T
        keys = np.array(table.column(ID).to_pylist(), object)
        scores = np.concatenate([scores, cosines], axis=1)
        ids = np.concatenate([ids, np.broadcast_to(keys, cosines.shape)], axis=1)
        best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        scores, ids = np.take_along_axis(scores, best, 1), np.take_along_axis(ids, best, 1)
    columns = [*COLUMNS, *([VECTOR] if vectors else [])]
    return [_rows(store, columns, *one) for one in zip(ids, scores, strict=True)]


def _rows(store: PhotoStore, columns: list[str], ids: Any, scores: Any) -> Any:
    """The rows of some keys in their order, of those that are still there."""
    all_columns = table_schema(store.metadata.dim, store.metadata.numbers)
    none = pa.schema([all_columns.field(name) for name in columns]).empty_table()
    table = pa.concat_tables([none, *store.scan(columns, where_in(ID, list(ids)))])
    places = pc.index_in(pa.array(list(ids), pa.string()), table.column(ID))
    kept = pa.array(scores, pa.float32()).filter(places.is_valid())
    return table.take(places.drop_null()).append_column(SCORE, kept)
