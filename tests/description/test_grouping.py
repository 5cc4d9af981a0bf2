from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cupl.description.grouping import encoded_vectors, group_photos, stored_vectors
from cupl.embedding.image_runs import embed_images
from cupl.embedding.image_stream import Encoded
from cupl.embedding.image_vectors import load_embeddings
from cupl.errors import InputError
from tests.description.seeing_server import make_photos
from tests.models import save_clip


def around(centres: int, photos: int, seed: int = 0) -> npt.NDArray[np.float32]:
    """So many vectors near each of some axes, one after the other."""
    noise = np.random.default_rng(seed).normal(0, 0.05, (centres * photos, 8))
    noise[np.arange(len(noise)), np.arange(len(noise)) % centres] += 1
    return np.asarray(noise / np.linalg.norm(noise, axis=1, keepdims=True), np.float32)


def test_what_lies_close_is_one_group() -> None:
    vectors = around(4, 10)
    found = group_photos(vectors, 4)
    assert {frozenset(photo % 4 for photo in group) for group in found.groups} == {
        frozenset({number}) for number in range(4)
    }
    assert sorted(found.group_of()) == list(range(40))


@settings(deadline=None, max_examples=25)
@given(st.integers(2, 6), st.integers(6, 40), st.integers(0, 10))
def test_every_photo_is_in_one_group_the_largest_first(number: int, photos: int, seed: int) -> None:
    noise = np.random.default_rng(seed).normal(size=(photos, 5)).astype(np.float32)
    vectors = noise / np.linalg.norm(noise, axis=1, keepdims=True)
    found = group_photos(vectors, number)
    assert sorted(photo for group in found.groups for photo in group) == list(range(photos))
    sizes = [len(group) for group in found.groups]
    assert sizes == sorted(sizes, reverse=True)
    assert found.groups == group_photos(vectors.copy(), number).groups
    for group in found.groups:
        centre = vectors[group].mean(0)
        distances = np.linalg.norm(vectors[group] - centre, axis=1)
        assert (np.diff(distances) >= -1e-4).all()


@pytest.mark.parametrize("number", [0, 1, 41])
def test_a_number_that_cannot_be_is_one_error(number: int) -> None:
    with pytest.raises(InputError, match=r"^40 photos can be put into 2 to 40 groups, not \d+$"):
        group_photos(around(4, 10), number)


def test_photos_that_look_the_same_make_fewer_groups() -> None:
    vectors = np.repeat(np.eye(3, dtype=np.float32), 5, axis=0)
    assert len(group_photos(vectors, 3).groups) == 3
    with pytest.raises(InputError, match="^only 3 groups of photos look different"):
        group_photos(vectors, 5)


def test_vectors_are_read_and_made_alike(tmp_path: Path) -> None:
    from cupl.embedding.image_stream import encode_sources
    from cupl.encoders.loading import load_encoder

    folder = make_photos(tmp_path / "photos", red=3, green=2)
    (folder / "red" / "a.png").write_bytes(b"")
    encoder = load_encoder(save_clip(tmp_path / "model"))
    paths = sorted(map(str, folder.rglob("*.png")))
    embed_images(paths, encoder, tmp_path / "e", image_cache=False, shard_size=2)
    stored = stored_vectors(load_embeddings(tmp_path / "e"))
    made = encoded_vectors(encode_sources(paths, encoder, image_cache=False), encoder.id)
    assert stored.paths == made.paths == [path for path in paths if "a.png" not in path]
    assert stored.unreadable == made.unreadable
    assert stored.encoder == made.encoder
    assert np.allclose(stored.vectors, made.vectors, atol=1e-5)
    assert np.allclose(np.linalg.norm(made.vectors, axis=1), 1, atol=1e-6)


def test_no_photo_that_can_be_read_is_one_error() -> None:
    with pytest.raises(InputError, match="none of the photos can be read"):
        encoded_vectors([Encoded("a.png", None, "broken")], "mini")
    assert encoded_vectors([Encoded("a.png", torch.ones(2))], "mini").paths == ["a.png"]
