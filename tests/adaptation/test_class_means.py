import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from cupl.adaptation.class_means import Examples, chance_in_squares, left_out_scores
from cupl.adaptation.gda import whitening_of


def examples_of(counts: list[int], dim: int = 7, seed: int = 0) -> Examples:
    random = torch.Generator().manual_seed(seed)
    targets = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    targets = targets[torch.randperm(len(targets), generator=random)]
    images = torch.randn(len(targets), dim, generator=random, dtype=torch.float64)
    texts = torch.randn(len(counts), dim, generator=random, dtype=torch.float64)
    return Examples(normalize(images), targets, normalize(texts))


def without(examples: Examples, row: int) -> Examples:
    keep = torch.arange(len(examples.targets)) != row
    return Examples(examples.images[keep], examples.targets[keep], examples.texts)


def test_means_count_the_moved_text_as_one_more_example() -> None:
    texts = torch.eye(3, dtype=torch.float64)
    images = torch.tensor([[0.0, 0, 1], [0, 0, 0.5], [1, 0, 0]], dtype=torch.float64)
    examples = Examples(images, torch.tensor([0, 0, 1]), texts)
    assert examples.means.tolist() == [[0, 0, 0.75], [1, 0, 0], [0, 0, 0]]
    moved = (torch.tensor([-1, 0, 0.75]) + torch.tensor([1, -1, 0])) / 2
    torch.testing.assert_close(examples.moved_texts, texts + moved)
    expected = (2 * examples.means[0] + texts[0] + moved) / 3
    torch.testing.assert_close(examples.anchored_means[0], expected)
    torch.testing.assert_close(examples.anchored_means[2], texts[2] + moved)


@given(st.lists(st.integers(0, 4), min_size=2, max_size=5), st.booleans(), st.integers(0, 99))
@settings(deadline=None)
def test_left_out_scores_are_those_of_all_others(counts: list[int], white: bool, seed: int) -> None:
    if sum(number > 0 for number in counts) < 2:
        counts = [*counts, 2, 1]
    examples = examples_of(counts, seed=seed)
    whitening = whitening_of(examples) if white else None
    found, number = left_out_scores(examples, whitening), len(examples.targets)
    own_scatter = examples.deviations.T @ examples.deviations
    for row in range(number):
        rest = without(examples, row)
        precision = torch.eye(7, dtype=torch.float64)
        if whitening is not None:  # what is there beside the scatter is the ridge
            ridge = torch.linalg.inv(whitening @ whitening.T) * number - own_scatter
            scatter = rest.deviations.T @ rest.deviations + ridge
            precision = torch.linalg.inv(scatter / number)
        means = rest.anchored_means
        squares = ((means @ precision) * means).sum(dim=1)
        squares = squares - chance_in_squares(examples, rest.counts, whitening)
        expected = means @ precision @ examples.images[row] - squares / 2
        torch.testing.assert_close(found[row], expected, rtol=1e-6, atol=1e-8)


def test_chance_is_what_small_classes_have_too_much() -> None:
    """Means of 1 and of 16 drawn around the same point: the squares differ by what is taken off."""
    random = torch.Generator().manual_seed(3)
    texts = torch.zeros(2, 5, dtype=torch.float64)
    squares, chances = [], []
    for _ in range(3000):
        images = torch.randn(17, 5, generator=random, dtype=torch.float64)
        examples = Examples(images, torch.tensor([0] + [1] * 16), texts)
        shares = examples.counts / (examples.counts + 1)
        squares.append((shares[:, None] * examples.means).square().sum(dim=1))
        chances.append(chance_in_squares(examples, examples.counts))
    expected = torch.stack(squares).mean(dim=0)
    torch.testing.assert_close(torch.stack(chances).mean(dim=0), expected, rtol=0.05, atol=0)


def test_whitening_is_the_inverse_of_the_shrunken_covariance() -> None:
    examples = examples_of([3, 4], dim=20)  # fewer than dimensions
    whitening = whitening_of(examples)
    assert whitening is not None
    scatter = examples.deviations.T @ examples.deviations
    shrunken = (scatter + torch.trace(scatter) / 6 * torch.eye(20, dtype=torch.float64)) / 7
    torch.testing.assert_close(
        whitening @ whitening.T @ shrunken, torch.eye(20, dtype=torch.float64)
    )


@pytest.mark.parametrize("counts", [[1, 1], [1, 0, 1]])
def test_single_examples_have_no_covariance(counts: list[int]) -> None:
    assert whitening_of(examples_of(counts)) is None
