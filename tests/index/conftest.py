"""Indexes with the tiny encoder, or with vectors that a test makes."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cupl.embedding.image_shards import ImageProvenance
from cupl.index.metadata import IndexMetadata
from cupl.index.opening import open_store
from cupl.index.rows import PhotoRow, rows_table
from cupl.index.store import PhotoStore

DIM = 16


def metadata(dim: int = DIM, fingerprint: str = "abc") -> IndexMetadata:
    provenance = ImageProvenance(
        encoder="some", fingerprint=fingerprint, precision="float32", dim=dim
    )
    return IndexMetadata(provenance=provenance)


def photo_row(number: int, **known: object) -> PhotoRow:
    path = str(known.pop("path", f"/photos/{number}.jpg"))
    usual: dict[str, object] = {
        "sha256": f"{number:064x}", "size": number, "mtime_ns": number, "width": 4, "height": 3,
    }  # fmt: skip
    return PhotoRow(path, **{**usual, **known})  # type: ignore[arg-type]


def random_vectors(
    number: int, seed: int = 0, dim: int = DIM
) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    return np.random.default_rng(seed).standard_normal((number, dim), dtype=np.float32)


def fill(store: PhotoStore, rows: list[PhotoRow], seed: int = 0) -> None:
    store.add(rows_table(rows, random_vectors(len(rows), seed), store.metadata.numbers))


@pytest.fixture(params=["lance", "milvus"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where an index can be made, of each kind of store."""
    if request.param == "lance":
        return str(tmp_path / "photos.lance")
    return str(request.getfixturevalue("cluster_place"))


@pytest.fixture
def new_store(place: str) -> Callable[[], PhotoStore]:
    """An index in each kind of store; asked for again it is opened again."""
    return lambda: open_store(place, metadata())
