"""What is searched for as one vector, and the photos that are closest to it.

The vector is the sum of the terms' vectors, each at length 1 and times its weight (below 0 for what
is not to be seen), again at length 1, as rclip does it.
"""

from __future__ import annotations

import operator
import os
import warnings
from collections.abc import Callable, Collection, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cupl.embedding.image_cache import ImageCache
from cupl.encoders.protocol import Encoder
from cupl.errors import InputError
from cupl.index.examples import Vector, photo_examples, unit_vector
from cupl.index.found import FoundPhotos
from cupl.index.given import given_vector
from cupl.index.query import QueryTerm
from cupl.index.rows import ID, SCORE, VECTOR, vector_matrix
from cupl.index.store import PhotoStore
from cupl.index.unusable import usable_rows, warn_unusable
from cupl.index.where import Where, parse_where
from cupl.io.arguments import check_numbers, check_whole

_SPARE = 10
"""Photos that a store is asked for beyond those that are wanted."""
SHORTEST = 1e-4
"""Length of a sum, of that of its parts, below which only rounding is left of it."""


def query_vector(
    store: PhotoStore,
    encoder: Callable[[], Encoder],
    terms: Sequence[QueryTerm],
    image_cache: ImageCache = None,
) -> tuple[Vector, set[str]]:
    """The vector of all terms, ``[dim]`` at length 1, and the keys of the photos among them.

    Warns of a text that the encoder reads only the beginning of.

    Raises:
        InputError: a photo cannot be read, or the terms leave nothing of one another.

    """
    images = [term.image for term in terms if term.image is not None]
    photos = photo_examples(store, encoder, images, image_cache) if images else []
    for source, example in zip(images, photos, strict=True):
        if example.vector is None:
            name = os.fsdecode(source) if isinstance(source, str | os.PathLike) else "the image"
            raise InputError(f"{name:.300}: {example.error}")
    texts = [term.text for term in terms if term.text is not None]
    of_texts = iter(_text_vectors(encoder(), texts) if texts else ())
    of_images = (one.vector for one in photos)
    of_vectors = (unit_vector(given_vector(one.vector)) for one in terms if one.vector is not None)
    vectors = [
        next(
            of_images if term.image is not None
            else of_vectors if term.vector is not None
            else of_texts
        )
        for term in terms
    ]  # fmt: skip
    weights = np.array([term.weight for term in terms])
    summed = weights @ np.stack([vector for vector in vectors if vector is not None])
    if np.linalg.norm(summed) < SHORTEST * np.abs(weights).sum():
        raise InputError("the terms of the query leave nothing of one another: change the weights")
    return unit_vector(summed), {one.id for one in photos if one.id is not None}


def _text_vectors(encoder: Encoder, texts: Sequence[str]) -> list[Vector]:
    for text, tokens in zip(texts, encoder.count_tokens(texts), strict=True):
        if tokens > encoder.max_tokens:
            warnings.warn(
                f"only the beginning of {text[:40]!r}... is searched for: {encoder.id} reads "
                f"{encoder.max_tokens} tokens, and it has {tokens:,}",
                stacklevel=5,
            )
    return [unit_vector(row) for row in encoder.encode_text(texts).numpy()]


def checked_k(k: int, store: PhotoStore, more: int = 0) -> int:
    """How many photos to ask a store for.

    Raises:
        InputError: it is no whole number from 1 on.

    """
    if k is None or isinstance(k, bool):
        raise InputError(f"k must be a whole number, not {k}", arguments={"top_k": ...})
    check_whole(k=k)
    if operator.index(k) < 1:
        raise InputError(f"a search finds 1 photo or more, not {k}", arguments={"top_k": ...})
    return min(operator.index(k) + more, max(1, store.count()))


def checked_where(where: str | None) -> Where | None:
    """A condition as a person writes it, taken apart."""
    return None if where is None else parse_where(where)


def closest(
    store: PhotoStore,
    vector: Vector,
    k: int,
    *,
    where: Where | None = None,
    min_score: float | None = None,
    exact: bool = False,
    without: Collection[str] = (),
) -> FoundPhotos:
    """The photos that are closest to a vector.

    Args:
        store: of the index.
        vector: ``[dim]`` at length 1.
        k: how many, at most.
        where: only of those for which it holds.
        min_score: only with at least this cosine.
        exact: look at all vectors, also where there is an approximate index.
        without: keys of photos that are left out.

    Raises:
        InputError: ``k`` or ``min_score`` is none, or the vector is not as wide as the index's.

    """
    asked = checked_k(k, store, len(without))
    check_min_score(min_score)
    dim = store.metadata.dim
    if vector.shape != (dim,):
        raise InputError(f"the vector has the shape {list(vector.shape)}, and the index's [{dim}]")
    (table,) = searched(store, vector[None], asked, where, exact=exact)
    return FoundPhotos(kept_of(table, k, min_score, without))


def searched(
    store: PhotoStore,
    queries: npt.NDArray[np.float32],
    k: int,
    where: Where | None = None,
    *,
    exact: bool = False,
) -> list[pa.Table]:
    """As :meth:`PhotoStore.search`, with the cosines as float32 has them, and in their order.

    A store may compare in half precision, or with vectors that it has made smaller.
    """
    found = store.search(queries, k + _SPARE, where, exact=exact, vectors=True)
    tables = list(map(usable_rows, found))
    warn_unusable(max(len(one) - len(kept) for one, kept in zip(found, tables, strict=True)))
    return [_scored(table, query) for table, query in zip(tables, queries, strict=True)]


def _scored(table: pa.Table, query: Vector) -> pa.Table:
    matrix = vector_matrix(table)
    scores = matrix @ query / np.linalg.norm(matrix, axis=1)
    order = np.argsort(-scores, kind="stable")
    rest = table.drop_columns([VECTOR, SCORE]).take(pa.array(order))
    return rest.append_column(SCORE, pa.array(scores[order], pa.float32()))


def check_min_score(min_score: float | None) -> None:
    """Accept a cosine.

    Raises:
        InputError: it is none.

    """
    check_numbers(min_score=min_score)
    if min_score is not None and not -1 <= min_score <= 1:
        raise InputError(
            f"the lowest score is a cosine from -1 to 1, not {min_score}",
            arguments={"min_score": ...},
        )


def kept_of(
    table: pa.Table, k: int, min_score: float | None = None, without: Collection[str] = ()
) -> pa.Table:
    """The first rows of a search's table, without those that are not wanted."""
    if without:
        table = table.filter(pc.invert(pc.is_in(table.column(ID), pa.array(sorted(without)))))
    if min_score is not None:
        table = table.filter(pc.greater_equal(table.column(SCORE), min_score))
    return table.slice(0, min(k, table.num_rows))
