from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cupl.errors import InputError, MissingFileError
from cupl.index.opening import open_store
from cupl.index.rows import paths_of, rows_of, vector_matrix
from cupl.index.store import PhotoStore
from cupl.index.where import parse_where
from tests.index.conftest import fill, metadata, photo_row, random_vectors

NewStore = Callable[[], PhotoStore]


def test_rows_come_back_as_they_were(new_store: NewStore) -> None:
    rows = [photo_row(0, path="/p/\udcff.jpg", date="2024-05-01 10:00:00", latitude=-3.5,
                      longitude=179.0, label="it's", probability=0.5, tags=("a", "b")),
            photo_row(1)]  # fmt: skip
    fill(new_store(), rows)
    found = [row for table in new_store().scan(["id", *rows[0].__slots__, "raw_path"])
             for row in rows_of(table)]  # fmt: skip
    assert sorted(found, key=lambda row: row.size) == rows


def test_a_search_is_brute_force(new_store: NewStore) -> None:
    store = new_store()
    fill(store, [photo_row(i) for i in range(300)])
    queries, matrix = random_vectors(4, seed=9), random_vectors(300)
    unit = matrix / np.linalg.norm(matrix, axis=1, keepdims=True)
    for query, found in zip(queries, store.search(queries, 7, vectors=True), strict=True):
        cosines = unit @ (query / np.linalg.norm(query))
        best = np.argsort(-cosines)[:7]
        assert paths_of(found) == [f"/photos/{i}.jpg" for i in best]
        assert found.column("score").to_pylist() == pytest.approx(cosines[best], abs=2e-3)
        assert vector_matrix(found) == pytest.approx(unit[best], abs=2e-3)


def test_a_row_takes_the_place_of_the_one_with_its_path(new_store: NewStore) -> None:
    store = new_store()
    fill(store, [photo_row(i) for i in range(10)])
    fill(store, [photo_row(3, label="new")], seed=5)
    assert store.count() == 10
    assert store.count(parse_where("label = 'new'")) == 1
    store.delete([photo_row(3).id, photo_row(99).id])
    assert store.count() == 9


def test_only_photos_for_which_the_condition_holds(new_store: NewStore) -> None:
    store = new_store()
    fill(store, [photo_row(i, date=f"20{i:02}-01-01", tags=("odd",) * (i % 2)) for i in range(30)])
    found = store.search(random_vectors(1), 50, parse_where("date > '2020' and has(tags, 'odd')"))
    assert sorted(paths_of(found[0])) == sorted(f"/photos/{i}.jpg" for i in range(21, 30, 2))


def test_what_is_no_index_is_said(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="no such index"):
        open_store(str(tmp_path / "nothing"))
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="not an index of photos"):
        open_store(str(tmp_path / "file"), metadata())
    with pytest.raises(InputError, match="is a folder, not an index of photos"):
        open_store(str(tmp_path), metadata())
