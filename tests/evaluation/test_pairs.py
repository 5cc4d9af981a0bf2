import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cupl.errors import InputError
from cupl.evaluation.pairs import match_pair
from tests.evaluation.pictures import ANIMALS

VECTORS = torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 3.0]])


@pytest.mark.parametrize(
    "labels",
    [
        ["cat", "Dog", "n7"], ["cat", 1, "hyla"], [0, 1, 2], (0, 1, 2), np.array([0, 1, 2]),
        torch.tensor([0, 1, 2]), np.array(["cat", "dog", "tree_frog"]),
        np.array([0, 1, 2], dtype=np.uint8), [np.int64(0), torch.tensor(1), np.str_("n7")],
    ],
)  # fmt: skip
@pytest.mark.parametrize("images", ["paths", "vectors", "array"])
def test_labels_are_names_ids_aliases_or_numbers(images: str, labels: Any) -> None:
    kinds: dict[str, Any] = {
        "paths": ["1.png", Path("2.png"), "a/3.png"],
        "vectors": VECTORS,
        "array": VECTORS.double().numpy(),
    }
    found = match_pair(kinds[images], labels, ANIMALS)
    assert found.targets == [0, 1, 2]
    assert not found.unmatched
    assert found.has_files == (images == "paths")
    if images == "paths":
        assert found.paths == ["1.png", "2.png", "a/3.png"]
        assert found.vectors is None
    else:
        assert found.paths == ["image 0", "image 1", "image 2"]
        assert found.vectors is not None
        assert torch.equal(found.vectors, VECTORS)


@pytest.mark.parametrize(
    "label", [1.7, 1.0, math.nan, None, True, np.float32(1), torch.tensor(0.5), b"cat", ("cat",)]
)
def test_other_labels_are_refused(label: Any) -> None:
    with pytest.raises(InputError, match="a label is a name or a whole number"):
        match_pair(VECTORS[:2], ["cat", label], ANIMALS)


@pytest.mark.parametrize("labels", [torch.tensor([0.0, 1, 2]), np.array([True, False, True])])
def test_other_kinds_of_numbers_are_refused(labels: Any) -> None:
    with pytest.raises(InputError, match="a label is a name or a whole number"):
        match_pair(VECTORS, labels, ANIMALS)


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (VECTORS, ["cat"], "there are 3 images and 1 labels"),
        (VECTORS, "cat", "labels are a list"),
        (VECTORS, [0, 1, 3], "there is no class 3: they are 0 to 2"),
        (VECTORS, [0, 1, -1], "there is no class -1"),
        (VECTORS[0], [0], r"a matrix of floats \[images, dim\], not torch.float32 of shape \[2\]"),
        (VECTORS.int(), [0, 1, 2], "a matrix of floats .* not torch.int32"),
        (torch.tensor([[1.0, 0], [0, 0]]), [0, 1], "image vector 1: the image vector is zero"),
        (torch.tensor([[math.nan, 0]]), [0], "image vector 0: the image vector is zero or not fin"),
        ([], [], "there is no image"),
        ("photos", ["cat"], "a list of paths or a matrix .* not str"),
        ([np.zeros((4, 4, 3))], ["cat"], "not ndarray; pictures in memory are encoded first"),
        ([1, 2], ["cat", "dog"], "not int"),
        (["1.png", "1.png"], ["cat", "dog"], "1.png has two labels, 'cat' and 'dog'"),
    ],
)
def test_pairs_that_are_none(images: Any, labels: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        match_pair(images, labels, ANIMALS)


def test_labels_of_no_class_are_counted() -> None:
    found = match_pair(VECTORS, ["cat", "ufo", "ufo"], ANIMALS)
    assert found.unmatched == {"ufo": 2}
    assert found.targets == [0]
    assert found.vectors is not None
    assert found.vectors.tolist() == [[1, 0]]


def test_a_path_that_is_named_again_counts_once() -> None:
    found = match_pair(["1.png", "./1.png"], ["cat", "cat"], ANIMALS)
    assert found.paths == ["1.png"]
    assert found.notes == ["1 repeated image left out: each counts once"]


@given(st.lists(st.integers(0, 2), min_size=1, max_size=20))
def test_equal_vectors_are_all_kept(labels: list[int]) -> None:
    found = match_pair(torch.ones(len(labels), 2), labels, ANIMALS)
    assert found.targets == labels
