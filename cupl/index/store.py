"""What keeps the rows of an index: a folder or object store (LanceDB), or a cluster (Milvus)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from cupl.index.metadata import IndexMetadata
from cupl.index.where import Where

APPROXIMATE_FROM = 50_000
"""Photos from which a store is searched by an approximate index, which is built by compacting."""


@dataclass(frozen=True)
class StoreInfo:
    """How much a store holds, and how it is searched.

    Attributes:
        rows: photos.
        bytes: on disk; None where the store does not say.
        ann: the approximate index that searches go by; None where they look at all vectors.
        unindexed: rows that are not in it yet, which are looked at one by one.

    """

    rows: int
    bytes: int | None
    ann: str | None = None
    unindexed: int = 0


class PhotoStore(Protocol):
    """Rows of photos with their vectors, by the key ``id``.

    Tables are of :mod:`cupl.index.rows`. What fails is a :class:`~cupl.errors.CuplError` that
    names the place and never a password.
    """

    @property
    def place(self) -> str:
        """Where it is, as an error may name it."""

    @property
    def metadata(self) -> IndexMetadata:
        """What its vectors have in common."""

    def add(self, rows: Any, gone: Sequence[str] = ()) -> None:
        """Put the rows of a table in, in place of those with the same keys; all or none.

        Args:
            rows: of different keys.
            gone: keys of rows that are removed with it, of photos that have moved.

        """

    def delete(self, ids: Sequence[str]) -> None:
        """Remove the rows of some keys, of those that are there."""

    def search(
        self,
        queries: npt.NDArray[np.float32],
        k: int,
        where: Where | None = None,
        *,
        exact: bool = False,
        vectors: bool = False,
    ) -> list[Any]:
        """The rows whose vectors are closest to each query.

        Args:
            queries: ``[queries, dim]``.
            k: rows a query, at most.
            where: only of photos for which it holds.
            exact: look at all vectors, also where there is an approximate index.
            vectors: with the column ``vector``.

        Returns:
            A table a query, the closest first: all columns, and ``score``, the cosine.

        """

    def scan(self, columns: Sequence[str], where: Where | None = None) -> Iterator[Any]:
        """Some columns of all rows, a table of some thousand at a time, in no order."""

    def count(self, where: Where | None = None) -> int:
        """How many rows there are."""

    def info(self) -> StoreInfo:
        """How much it holds."""

    def compact(self) -> None:
        """Put small files together, drop what is no longer needed, and index what is large."""
