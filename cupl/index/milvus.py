"""An index in a Milvus or Zilliz cluster, through pymilvus."""

from __future__ import annotations

from cupl.errors import InputError
from cupl.index.metadata import IndexMetadata
from cupl.index.store import PhotoStore


def open_milvus(place: str, make: IndexMetadata | None = None) -> PhotoStore:
    """Open an index, or make it; see :func:`~cupl.index.opening.open_store`."""
    raise InputError(f"{place}: not yet")
