"""Rows of an index by their keys, some hundred at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from cupl.index.rows import ID
from cupl.index.store import PhotoStore
from cupl.index.where import where_in

_AT_ONCE = 500


def rows_by_id(store: PhotoStore, columns: Sequence[str], ids: Sequence[str]) -> Iterator[Any]:
    """Tables with some columns of the rows that have these keys, in no order."""
    for start in range(0, len(ids), _AT_ONCE):
        yield from store.scan(columns, where_in(ID, ids[start : start + _AT_ONCE]))
