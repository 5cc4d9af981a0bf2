"""An index that has grown is compacted, so that searches stay quick without anyone's doing."""

from __future__ import annotations

from collections.abc import Callable

from cupl.index import store as stores

_NOT_INDEXED = 0.2
"""Share of the photos that may be outside of the approximate index."""


def compact_grown(
    store: stores.PhotoStore,
    before: Callable[[], object] | None = None,
) -> None:
    """Compact a large index where more than a fifth of it is in no approximate index.

    Args:
        store: of the index.
        before: called before it is compacted.

    """
    if store.count() < stores.APPROXIMATE_FROM:
        return
    info = store.info()
    outside = info.rows if info.ann is None else info.unindexed
    if outside > _NOT_INDEXED * info.rows:
        if before is not None:
            before()
        store.compact()
