"""Thresholds of classes that are judged alone, fitted to a few examples of each."""

from pathlib import Path

import numpy as np
import pytest
import torch

from cupl.classification.classifier import ZeroShotClassifier
from cupl.classification.decision import read_class_thresholds, save_class_thresholds
from cupl.classification.thresholds import fit_class_thresholds
from cupl.embedding.class_vectors import ClassVectors
from cupl.errors import InputError


def of_class(levels: list[float], each: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Scores whose own class lies around a level of its own, and the classes."""
    generator = torch.Generator().manual_seed(seed)
    targets = torch.arange(len(levels)).repeat_interleave(each)
    scores = torch.rand(len(targets), len(levels), generator=generator) * 0.1
    own = torch.tensor(levels)[targets]
    own = own + 0.05 * torch.randn(len(targets), generator=generator)
    return scores.scatter(1, targets[:, None], own[:, None]), targets


@pytest.mark.parametrize("each", [3, 5, 20])
def test_the_share_is_kept_in_every_class_on_new_photos(each: int) -> None:
    levels, found = [0.2, 0.4, 0.6], []
    for seed in range(100):
        fitted = fit_class_thresholds(*of_class(levels, each, seed), keep=0.8)
        scores, targets = of_class(levels, 30, 1000 + seed)
        own = scores.gather(1, targets[:, None])[:, 0]
        found.append((own >= torch.tensor(fitted)[targets]).view(3, 30).float().mean(dim=1))
    assert torch.stack(found).mean(dim=0).numpy() == pytest.approx(0.8, abs=0.05)


def test_too_few_examples() -> None:
    scores, targets = of_class([0.2, 0.4], 3, 0)
    with pytest.raises(InputError, match="keep=0.9 needs at least 9 examples, and there are 6"):
        fit_class_thresholds(scores, targets, 0.9)
    alone = fit_class_thresholds(scores, torch.tensor([0, 0, 0, 0, 0, 1]), 0.8)
    assert alone[1] is None


def classifier() -> ZeroShotClassifier:
    return ZeroShotClassifier(ClassVectors.from_arrays(["cat", "dog, large"], np.eye(2)))


def test_what_is_fitted_decides_labels_and_comes_back_from_its_file(tmp_path: Path) -> None:
    rows = [[1.0, number / 20] for number in range(1, 6)]
    rows += [[number / 20, 1.0] for number in range(1, 6)]
    fitted = classifier().fit_class_thresholds(np.array(rows), [0] * 5 + ["dog, large"] * 5, 0.8)
    assert list(fitted) == ["cat", "dog, large"]
    save_class_thresholds(fitted, tmp_path / "t.csv")
    assert read_class_thresholds(tmp_path / "t.csv") == pytest.approx(fitted, abs=1e-6)
    both = classifier().predict_vectors(
        np.array([[1.0, 1.0], [1.0, 0.1]]), multi_label=True, class_thresholds=fitted
    )
    assert [len(one.labels) for one in both] == [0, 1]
    assert both[1].labels[0].label == "cat"


def test_a_class_without_examples_is_named() -> None:
    with pytest.raises(InputError, match="1 class has fewer than two examples, the first 'dog"):
        classifier().fit_class_thresholds(np.eye(2)[[0] * 9 + [1]], [0] * 9 + [1], 0.8)
    with pytest.raises(InputError, match="3 images have 2 labels|2 labels"):
        classifier().fit_class_thresholds(np.eye(2)[[0, 1, 0]], [0, 1], 0.5)
    with pytest.raises(InputError, match="keep is 2"):
        classifier().fit_class_thresholds(np.eye(2), [0, 1], 2)
