"""Classes whose vectors are the same."""

from collections.abc import Sequence

import pytest
import torch

from cupl.bank.labels import ClassLabel
from cupl.embedding.class_vectors import ClassVectors
from cupl.embedding.twins import explain_twins, twin_classes

BASE = torch.nn.functional.normalize(torch.randn(6, 32, generator=torch.Generator().manual_seed(1)))


def vectors_of(rows: torch.Tensor, names: Sequence[str | ClassLabel]) -> ClassVectors:
    return ClassVectors.from_arrays(names, rows)


def test_different_classes_are_no_twins() -> None:
    vectors = vectors_of(BASE, list("abcdef"))
    assert twin_classes(vectors) == []
    assert explain_twins(vectors) is None


@pytest.mark.parametrize("noise", [0.0, 1e-7, -3e-7])
def test_equal_but_for_the_noise_of_a_sum(noise: float) -> None:
    rows = torch.cat([BASE, BASE[2:3] + noise])
    [(one, other)] = twin_classes(vectors_of(rows, list("abcdefg")))
    assert (one.name, other.name) == ("c", "g")


def test_three_alike_and_the_order_of_classes() -> None:
    vectors = vectors_of(BASE[[3, 0, 3, 1, 3]], list("abcde"))
    assert {other.name for _, other in twin_classes(vectors)} == {"c", "e"}


def test_two_of_one_name_need_only_be_nearly_alike() -> None:
    crane = [ClassLabel("crane", "n1"), ClassLabel("crane", "n2")]
    moved = torch.nn.functional.normalize(BASE[:1] + 0.01 * BASE[1:2])
    rows = torch.cat([BASE[:1], moved, BASE[2:3]])
    assert twin_classes(vectors_of(rows, [*crane, "cat"])) == [(crane[0], crane[1])]
    assert twin_classes(vectors_of(rows, ["crane", "heron", "cat"])) == []
    sentence = explain_twins(vectors_of(rows, [*crane, "cat"]))
    assert sentence is not None
    assert "'crane (n2)' after 'crane (n1)'" in sentence
    assert "descriptions that differ" in sentence
    assert "alias" in sentence


def test_many_twins_take_a_sentence() -> None:
    vectors = vectors_of(BASE[:1].expand(500, 32), [f"c{n}" for n in range(500)])
    assert len(twin_classes(vectors)) == 499
    assert "and 496 more" in str(explain_twins(vectors))


def test_one_class_has_no_twin() -> None:
    assert twin_classes(vectors_of(BASE[:1], ["a"])) == []
