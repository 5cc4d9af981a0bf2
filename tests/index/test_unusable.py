"""What is said and done of vectors that were damaged on the disk."""

import warnings
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from cupl.classification.vector_classifier import VectorClassifier
from cupl.embedding.bank_encoding import encode_bank
from cupl.encoders.loading import load_encoder
from cupl.index.photo_index import PhotoIndex
from cupl.index.rows import VECTOR, vector_column
from cupl.index.unusable import are_usable
from tests.index.photo_files import damage_vector, vectors_of
from tests.models import bank_of, draw, save_clip

PHOTOS = 8


@pytest.fixture
def index(tmp_path: Path) -> PhotoIndex:
    """Eight photos, the vectors of the first two damaged: no numbers, and zero."""
    encoder = load_encoder(save_clip(tmp_path / "clip"), precision="float32")
    (tmp_path / "photos").mkdir()
    for number in range(PHOTOS):
        draw(20, 20, seed=number).save(tmp_path / "photos" / f"{number}.png")
    made = PhotoIndex.open(tmp_path / "i.lance", encoder)
    made.add(tmp_path / "photos", image_cache=False)
    for number, wrong in enumerate((0xFF, 0)):
        damage_vector(made, str(tmp_path / "photos" / f"{number}.png"), wrong)
    return PhotoIndex.open(tmp_path / "i.lance", encoder)


@pytest.mark.parametrize("number", [np.nan, np.inf, 0, 1e30, 3])
def test_only_vectors_of_length_one_are_usable(number: float) -> None:
    matrix = np.eye(3, 16, dtype=np.float32)
    matrix[1, 1] = number
    table = pa.table({VECTOR: vector_column(matrix, "float32")})
    assert are_usable(table).tolist() == [True, False, True]


def test_an_update_encodes_them_anew(index: PhotoIndex, tmp_path: Path) -> None:
    assert index.info().unusable == 2
    assert index.update(dry_run=True).changed == 2
    changes = index.update(image_cache=False)
    assert (changes.changed, changes.unchanged) == (2, PHOTOS - 2)
    assert index.info().unusable == 0
    new = PhotoIndex.open(tmp_path / "new.lance", index.encoder)
    new.add(tmp_path / "photos", image_cache=False)
    assert vectors_of(index) == vectors_of(new)


def test_a_copy_does_not_take_a_damaged_vector(index: PhotoIndex, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    (photos / "copy.png").write_bytes((photos / "0.png").read_bytes())
    index.add(photos, image_cache=False)
    assert index.info().unusable == 2
    assert index.update(image_cache=False).changed == 2
    assert index.info().unusable == 0


@pytest.mark.parametrize("pooling", ["top", "normalized-mean"])
@pytest.mark.parametrize("classes", [1, 6])
def test_a_class_search_leaves_them_out(index: PhotoIndex, pooling: str, classes: int) -> None:
    bank = bank_of({f"cat {i}": ["a small cat", f"{i} cats"] for i in range(classes)})
    vectors = encode_bank(bank, index.encoder, pooling, text_cache=False)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = index.search_classes(vectors, k=PHOTOS)
    assert {len(one.photos) for one in found} == {PHOTOS - 2}
    assert not [one for one in said if one.category is RuntimeWarning]
    if pooling == "top" or classes == 6:
        assert [str(one.message)[:18] for one in said] == ["2 photos left out,"]


def test_duplicates_leave_them_out(index: PhotoIndex, recwarn: pytest.WarningsRecorder) -> None:
    found = index.duplicates(min_cosine=0.01, max_distance=64)
    assert sum(len(group.photos) for group in found.groups) <= PHOTOS - 2
    assert found.unusable == 2
    assert not recwarn.list


def test_tagging_leaves_them_out(index: PhotoIndex) -> None:
    vectors = encode_bank(bank_of({"cat": ["a cat"]}), index.encoder, text_cache=False)
    with pytest.warns(UserWarning, match="2 photos left out"):
        assert len(index.tag(VectorClassifier(vectors), top=1)) == PHOTOS - 2
