import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, confusion_matrix, top_k_accuracy_score

from cupl.bank.labels import ClassLabel
from cupl.embedding.provenance import Provenance
from cupl.evaluation import ranking as module
from cupl.evaluation.bootstrap import Statistic, intervals
from cupl.evaluation.ranking import (
    LONGEST_LIST,
    ImageRanks,
    ScoreChunks,
    class_accuracies,
    confusions,
    join_ranks,
    rank_images,
)

CLIP = Provenance(encoder="e", fingerprint="f", logit_scale=10.0, pooling="normalized-mean")


def run_of(ranks: list[int]) -> ImageRanks:
    return ImageRanks(np.zeros(len(ranks), np.int64), np.array(ranks), np.ones(len(ranks)))


@settings(max_examples=50)
@given(
    images=st.integers(1, 30),
    classes=st.integers(2, 9),
    steps=st.sampled_from([2, 5, 1000]),
    seed=st.integers(0, 1000),
)
def test_ranks_are_the_places_in_a_stable_order(
    images: int, classes: int, steps: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    scores = torch.from_numpy(random.integers(0, steps, (images, classes)) / steps)
    targets = torch.from_numpy(random.integers(0, classes, images))
    run = rank_images(scores, targets, CLIP)
    order = scores.sort(dim=1, descending=True, stable=True).indices
    assert run.predicted.tolist() == order[:, 0].tolist()
    places = (order == targets[:, None]).int().argmax(dim=1) + 1
    assert run.ranks.tolist() == places.tolist()
    probabilities = (10 * scores).softmax(dim=1).amax(dim=1)
    np.testing.assert_allclose(run.confidence, probabilities.numpy(), rtol=1e-6)


def test_accuracies_are_those_of_scikit_learn() -> None:
    random = np.random.default_rng(0)
    targets = random.integers(0, 8, 300)
    scores = random.random((300, 8))
    scores[np.arange(300), targets] += 0.2
    run = rank_images(torch.from_numpy(scores), torch.from_numpy(targets), CLIP)
    five = (run.ranks <= 5).astype(float)
    correct = run.correct[None]
    found = intervals(
        [Statistic(correct), Statistic(five[None]), Statistic(correct, per_class=True)], targets
    )
    for one, k in zip(found, (1, 5), strict=False):
        assert one.value == pytest.approx(top_k_accuracy_score(targets, scores, k=k))
    assert found[2].value == pytest.approx(balanced_accuracy_score(targets, run.predicted))
    names = [ClassLabel(f"c{i}") for i in range(9)]
    each = class_accuracies(run.correct, targets, names)
    assert len(each) == 8  # the ninth has no image
    assert np.mean([one.accuracy for one in each]) == pytest.approx(found[2].value)
    assert sum(one.images for one in each) == 300


def test_confusions_are_the_most_frequent_pairs() -> None:
    labels = [ClassLabel("a"), ClassLabel("b", "n1"), ClassLabel("c"), ClassLabel("d")]
    targets = np.array([0] * 6 + [1] * 4 + [2] * 2)
    predicted = np.array([1, 1, 1, 0, 0, 3, 1, 1, 1, 0, 2, 2])
    run = ImageRanks(predicted, np.where(predicted == targets, 1, 2), np.ones(12))
    found = [(one.truth, one.predicted, one.images) for one in confusions(run, targets, labels)]
    assert found == [("a", "b (n1)", 3), ("a", "d", 1), ("b (n1)", "a", 1)]
    assert confusions(run, targets, labels)[0].share == 0.5
    assert confusions(run_of([1] * 5), np.zeros(5, np.int64), labels) == []


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=60))
def test_confusions_are_those_of_a_whole_matrix(pairs: list[tuple[int, int]]) -> None:
    labels = [ClassLabel(f"c{number}") for number in range(7)]
    targets, predicted = np.array(pairs).T
    run = ImageRanks(predicted, np.where(predicted == targets, 1, 2), np.ones(len(pairs)))
    matrix = confusion_matrix(targets, predicted, labels=range(7))
    totals = matrix.sum(axis=1)
    np.fill_diagonal(matrix, 0)
    cells = np.argsort(-matrix, axis=None, kind="stable")[:LONGEST_LIST]
    expected = [
        (f"c{row}", f"c{column}", matrix[row, column], matrix[row, column] / totals[row])
        for row, column in zip(*np.unravel_index(cells, matrix.shape), strict=True)
        if matrix[row, column]
    ]
    found = confusions(run, targets, labels)
    assert [(one.truth, one.predicted, one.images, one.share) for one in found] == expected


def test_confusions_take_no_room_for_pairs_that_do_not_occur() -> None:
    number = 200_000  # a matrix of them would take 320 GB
    labels = [ClassLabel(f"c{one}") for one in range(number)]
    targets = np.arange(number)
    run = ImageRanks(np.roll(targets, 1), np.full(number, 2), np.ones(number))
    assert len(confusions(run, targets, labels)) == LONGEST_LIST


@pytest.mark.parametrize("at_once", [1, 7, 20, 2**22])
def test_any_size_of_chunks_gives_the_same_ranks(
    monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    random = torch.Generator().manual_seed(0)
    images, classes = torch.randn(23, 8, generator=random), torch.randn(5, 8, generator=random)
    targets = torch.randint(0, 5, (23,), generator=random)
    whole = rank_images(images @ classes.T, targets, CLIP)
    monkeypatch.setattr(module, "AT_ONCE", at_once)
    chunks = ScoreChunks(images, classes)
    assert max(part.numel() for part in chunks) <= max(at_once, 5)
    parts = zip(chunks, chunks.split(targets), strict=True)
    found = join_ranks([rank_images(*part, CLIP) for part in parts])
    assert found.predicted.tolist() == whole.predicted.tolist()
    assert found.ranks.tolist() == whole.ranks.tolist()
    np.testing.assert_allclose(found.confidence, whole.confidence, rtol=1e-5)
