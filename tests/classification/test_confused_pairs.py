from dataclasses import replace

import numpy as np
import pytest
import torch

from cupl.classification.confused_pairs import ConfusedPair, confused_pairs
from cupl.embedding.adapter import Adapter
from cupl.embedding.class_vectors import ClassVectors
from cupl.errors import InputError

THREE = ClassVectors.from_arrays(["cat", "dog", "owl"], np.eye(3, dtype=np.float32))
BETWEEN = {
    "cat dog": [1.0, 1.0, 0.0],
    "cat owl": [1.0, 0.0, 1.0],
    "owl": [0.0, 0.0, 1.0],
    "nothing": [0.0, 0.0, 0.0],
}


def images(*kinds: str) -> torch.Tensor:
    return torch.tensor([BETWEEN[kind] for kind in kinds])


def test_pairs_come_by_how_many_images_hesitate() -> None:
    rows = images("cat owl", "owl", "cat dog", "nothing", "cat owl")
    assert confused_pairs(rows, THREE, most=9) == [ConfusedPair(0, 2, 2), ConfusedPair(0, 1, 1)]


def test_equally_frequent_pairs_come_in_their_order() -> None:
    found = confused_pairs(images("cat owl", "cat dog"), THREE, most=2)
    assert [(pair.first, pair.second) for pair in found] == [(0, 1), (0, 2)]


def test_of_all_pairs_five_percent_are_of_interest() -> None:
    assert confused_pairs(images("cat owl", "cat dog"), THREE) == [ConfusedPair(0, 1, 1)]


def test_shards_are_counted_together() -> None:
    rows = images("cat owl", "cat dog", "cat owl", "owl")
    assert confused_pairs(torch.split(rows, 1), THREE, most=9) == confused_pairs(
        rows, THREE, most=9
    )
    assert confused_pairs(rows.numpy(), THREE, most=9) == confused_pairs(rows, THREE, most=9)


def test_the_margin_is_one_of_probabilities() -> None:
    """A logit scale of 100 makes 0.02 of a cosine e^2 to 1, which is no hesitation."""
    rows = torch.tensor([[1.0, 0.98, 0.0]])
    assert confused_pairs(rows, THREE) == []
    assert confused_pairs(rows, THREE, margin=0.95) == [ConfusedPair(0, 1, 1)]


def test_what_adaptation_calls_otherwise_was_confused_by_the_texts() -> None:
    """The adapter moves all images from cat to owl, by far, so that none hesitates."""
    adapter = Adapter(torch.zeros(3, 3), torch.tensor([-1.0, 0.0, 1.0]))
    adapted = replace(THREE, adapter=adapter)
    sure = torch.tensor([[1.0, 0.2, 0.1], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
    assert confused_pairs(sure, THREE, most=9) == []
    assert confused_pairs(sure, adapted, most=9) == [ConfusedPair(0, 2, 1)]


def test_one_class_is_not_confused() -> None:
    one = ClassVectors.from_arrays(["cat"], np.eye(1, 3, dtype=np.float32))
    assert confused_pairs(images("cat owl"), one) == []


@pytest.mark.parametrize("margin", [0.0, 1.1, float("nan")])
def test_a_margin_that_is_none(margin: float) -> None:
    with pytest.raises(InputError, match="margin is a probability"):
        confused_pairs(images("owl"), THREE, margin=margin)
