from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cupl.embedding.adapter import Adapter
from cupl.embedding.bank_encoding import encode_bank
from cupl.embedding.class_vectors import ClassVectors
from cupl.encoders.loading import load_encoder
from cupl.encoders.protocol import Encoder
from cupl.errors import InputError
from cupl.index.photo_index import PhotoIndex
from cupl.index.rows import VECTOR, paths_of, vector_matrix
from tests.models import bank_of, draw, save_clip

BANK = bank_of({
    "cat": ["a small cat", "the cat has a tree", "a photo of a cat"],
    "dog": ["a large dog", "a dog with a frog"],
    "frog": ["a tree frog"],
})  # fmt: skip
PHOTOS = 30


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    return load_encoder(save_clip(tmp_path_factory.mktemp("clip")), precision="float32")


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory, encoder: Encoder) -> PhotoIndex:
    folder = tmp_path_factory.mktemp("index")
    (folder / "photos").mkdir()
    for number in range(PHOTOS):
        draw(20, 20, seed=number).save(folder / "photos" / f"{number}.png")
    made = PhotoIndex.open(folder / "photos.lance", encoder, numbers="float32")
    return made.add(folder / "photos", image_cache=False)


def best_by_all(index: PhotoIndex, vectors: ClassVectors, k: int) -> list[list[str]]:
    """The same of the whole matrix at once, by what a classifier computes."""
    paths, parts = list[str](), []
    for table in index.store.scan(["path", "raw_path", VECTOR]):
        paths += paths_of(table)
        parts.append(vector_matrix(table))
    images = torch.nn.functional.normalize(torch.from_numpy(np.concatenate(parts)))
    scores = vectors.cosines(images)
    if vectors.adapter is not None:
        scores = vectors.adapter.adapted(scores, images)
    order = scores.T.argsort(dim=1, descending=True)[:, :k]
    return [[paths[place] for place in row] for row in order.tolist()]


def adapted(vectors: ClassVectors) -> ClassVectors:
    shape = vectors.matrix.shape
    weights = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    return replace(vectors, adapter=Adapter(weights, torch.tensor([0.3, -0.2, 0.0])))


@pytest.mark.parametrize("kind", ["one vector", "parts", "adapter", "both"])
def test_the_best_photos_of_each_class_are_brute_force(
    index: PhotoIndex, encoder: Encoder, kind: str
) -> None:
    pooling = "top" if kind in ("parts", "both") else "normalized-mean"
    vectors = encode_bank(BANK, encoder, pooling, text_cache=False)
    vectors = adapted(vectors) if kind in ("adapter", "both") else vectors
    found = index.search_classes(vectors, k=7)
    assert [of.label.name for of in found] == ["cat", "dog", "frog"]
    assert [of.photos.paths for of in found] == best_by_all(index, vectors, 7)
    scores = [one.score for one in found[0].photos]
    assert scores == sorted(scores, reverse=True)


def test_a_bank_and_files_of_either(index: PhotoIndex, encoder: Encoder, tmp_path: Path) -> None:
    BANK.save(tmp_path / "bank.yaml")
    vectors = encode_bank(BANK, encoder, text_cache=False)
    vectors.save(tmp_path / "v.safetensors")
    wanted = [of.photos.paths for of in index.search_classes(BANK, 3)]
    for given in (vectors, tmp_path / "bank.yaml", tmp_path / "v.safetensors"):
        assert [of.photos.paths for of in index.search_classes(given, 3)] == wanted


def test_limits_hold_for_classes(index: PhotoIndex, encoder: Encoder) -> None:
    for pooling in ("top", "normalized-mean"):
        vectors = encode_bank(BANK, encoder, pooling, text_cache=False)
        few = index.search_classes(vectors, 10**9, where="path like '%/1.png'")
        assert [len(of.photos) for of in few] == [1, 1, 1]
        none = index.search_classes(vectors, 5, where="width > 1000")
        assert [len(of.photos) for of in none] == [0, 0, 0]
        best = index.search_classes(vectors, 1)[0].photos[0].score
        above = index.search_classes(vectors, 5, min_score=best)
        assert len(above[0].photos) == 1
        with pytest.raises(InputError, match="1 photo or more"):
            index.search_classes(vectors, 0)


def test_class_vectors_of_another_encoder_are_refused(index: PhotoIndex) -> None:
    other = ClassVectors.from_arrays(["cat", "dog"], np.eye(2, 16))
    with pytest.raises(InputError, match="encode both with the same"):
        index.search_classes(other)
