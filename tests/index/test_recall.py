"""Approximate indexes of both stores: built when compacted, complete, and measured."""

from collections.abc import Callable

import numpy as np
import pytest

from cupl.errors import InputError
from cupl.index.brute import brute_search
from cupl.index.recall import index_recall
from cupl.index.rows import paths_of
from cupl.index.store import PhotoStore
from cupl.index.where import parse_where
from tests.index.conftest import fill, photo_row, random_vectors

NewStore = Callable[[], PhotoStore]
MANY = 600


@pytest.fixture
def indexed(new_store: NewStore, monkeypatch: pytest.MonkeyPatch) -> PhotoStore:
    for kind in ("lance", "milvus"):
        monkeypatch.setattr(f"cupl.index.{kind}.APPROXIMATE_FROM", MANY)
    store = new_store()
    fill(store, [photo_row(i, label="ab"[i % 2]) for i in range(MANY - 1)])
    store.compact()
    assert store.info().ann is None
    fill(store, [photo_row(MANY - 1, label="b")], seed=1)
    store.compact()
    assert store.info().ann is not None
    return store


def test_recall_is_that_of_the_approximate_index(indexed: PhotoStore) -> None:
    measured = index_recall(indexed, 50)
    assert measured.queries == 50
    assert 0.9 < measured.recall <= 1
    assert index_recall(indexed, MANY * 2).queries == MANY


def test_recall_counts_what_is_missed(indexed: PhotoStore, monkeypatch: pytest.MonkeyPatch) -> None:
    real = type(indexed).search

    def half(store: PhotoStore, *asked: object, **how: object) -> list[object]:
        found = real(store, *asked, **how)  # type: ignore[arg-type]
        return found if how.get("exact") else [table.slice(0, 5) for table in found]

    monkeypatch.setattr(type(indexed), "search", half)
    assert index_recall(indexed, 20).recall == 0.5


def test_an_exact_search_is_brute_force(indexed: PhotoStore) -> None:
    queries = random_vectors(3, seed=7)
    for where in (None, parse_where("label = 'a'")):
        truth = brute_search(indexed, queries, 20, where)
        for found, true in zip(indexed.search(queries, 20, where, exact=True), truth, strict=True):
            assert paths_of(found) == paths_of(true)
        for found, true in zip(indexed.search(queries, 20, where), truth, strict=True):
            assert len(set(paths_of(found)) & set(paths_of(true))) >= 17


def test_what_was_added_since_is_found(indexed: PhotoStore) -> None:
    fill(indexed, [photo_row(MANY + i) for i in range(5)], seed=3)
    for number, vector in enumerate(random_vectors(5, seed=3)):
        (found,) = indexed.search(vector[None], 1)
        assert paths_of(found) == [f"/photos/{MANY + number}.jpg"]
    indexed.delete([photo_row(MANY).id])
    assert indexed.count() == MANY + 4
    (found,) = indexed.search(random_vectors(5, seed=3)[:1], 1)
    assert paths_of(found) != [f"/photos/{MANY}.jpg"]


def test_many_queries_are_each_alone(new_store: NewStore) -> None:
    store = new_store()
    fill(store, [photo_row(i) for i in range(50)])
    queries = random_vectors(30, seed=8)
    together = store.search(queries, 7, vectors=True)
    for query, found in zip(queries, together, strict=True):
        (alone,) = store.search(query[None], 7, vectors=True)
        # LanceDB reckons in half precision when it is asked for one: neighbours may change places.
        assert len(set(paths_of(found)) & set(paths_of(alone))) >= 6
        assert found.schema.equals(alone.schema)
        first, second = (table.column("score").to_numpy() for table in (found, alone))
        assert np.allclose(first, second, atol=2e-3)


def test_recall_of_nothing(new_store: NewStore) -> None:
    with pytest.raises(InputError, match="holds no photos"):
        index_recall(new_store())
    with pytest.raises(InputError, match="at least one"):
        index_recall(new_store(), 0)
