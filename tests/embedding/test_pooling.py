import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cupl.embedding.pooling import POOLINGS, average, pool
from cupl.errors import InputError

methods = pytest.mark.parametrize("method", POOLINGS)
sizes_and_seed = st.tuples(st.lists(st.integers(1, 6), min_size=1, max_size=8), st.integers(0, 999))


def random_vectors(sizes: list[int], seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(sum(sizes), 5, generator=generator) + 0.5


def pool_class(prompts: list[list[float]], method: str) -> list[float]:
    """The formulas in plain Python, for one class."""

    def norm(vector: list[float]) -> list[float]:
        length = math.sqrt(sum(x * x for x in vector))
        return [x / length for x in vector]

    used = prompts if method == "mean" else [norm(prompt) for prompt in prompts]
    mean = [sum(column) / len(used) for column in zip(*used, strict=True)]
    return mean if method == "similarity" else norm(mean)


@methods
@given(case=sizes_and_seed)
def test_equals_the_formula(method: str, case: tuple[list[int], int]) -> None:
    sizes, seed = case
    vectors = random_vectors(sizes, seed)
    expected = [pool_class(part.tolist(), method) for part in torch.split(vectors, sizes)]
    torch.testing.assert_close(
        pool(vectors, sizes, method), torch.tensor(expected), rtol=0, atol=1e-5
    )


@methods
@given(case=sizes_and_seed)
def test_the_order_inside_a_class_does_not_matter(method: str, case: tuple[list[int], int]) -> None:
    sizes, seed = case
    vectors = random_vectors(sizes, seed)
    turned = torch.cat([part.flip(0) for part in torch.split(vectors, sizes)])
    torch.testing.assert_close(
        pool(turned, sizes, method), pool(vectors, sizes, method), rtol=0, atol=1e-5
    )


@methods
@given(case=sizes_and_seed)
def test_every_prompt_twice_changes_nothing(method: str, case: tuple[list[int], int]) -> None:
    sizes, seed = case
    vectors = random_vectors(sizes, seed)
    twice = pool(vectors.repeat_interleave(2, 0), [2 * size for size in sizes], method)
    torch.testing.assert_close(twice, pool(vectors, sizes, method), rtol=0, atol=1e-5)


@methods
@given(case=sizes_and_seed)
def test_lengths(method: str, case: tuple[list[int], int]) -> None:
    sizes, seed = case
    lengths = pool(random_vectors(sizes, seed), sizes, method).norm(dim=1)
    if method == "similarity":
        assert (lengths <= 1 + 1e-5).all()
    else:
        torch.testing.assert_close(lengths, torch.ones(len(sizes)), rtol=0, atol=1e-5)


@methods
def test_one_prompt_is_its_own_direction(method: str) -> None:
    assert pool(torch.tensor([[3.0, 4.0]]), [1], method).tolist() == [pytest.approx([0.6, 0.8])]


def test_the_poolings_differ_as_they_should() -> None:
    vectors = torch.tensor([[3.0, 0.0], [0.0, 1.0]])
    half = math.sqrt(0.5)
    assert pool(vectors, [2]).tolist() == [pytest.approx([half, half])]
    assert pool(vectors, [2], "mean").tolist() == [pytest.approx([3 / 10**0.5, 1 / 10**0.5])]
    assert pool(vectors, [2], "similarity").tolist() == [[0.5, 0.5]]


def test_similarity_makes_scores_the_mean_of_the_cosines() -> None:
    vectors = random_vectors([4], seed=1)
    image = torch.nn.functional.normalize(torch.randn(5), dim=0)
    cosines = torch.nn.functional.cosine_similarity(vectors, image[None])
    torch.testing.assert_close(pool(vectors, [4], "similarity")[0] @ image, cosines.mean())


def test_average_is_at_length_one_where_its_pooling_is() -> None:
    first, second = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    assert average(first, second, "similarity").tolist() == [[0.5, 0.5]]
    for method in ("normalized-mean", "mean"):
        assert average(first, second, method).tolist() == [pytest.approx([0.5**0.5, 0.5**0.5])]


@methods
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_is_refused(method: str, value: float) -> None:
    vectors = torch.tensor([[1.0, 0.0], [value, 0.0]])
    with pytest.raises(InputError, match=r"1 of \d vectors are zero or not finite"):
        pool(vectors, [1, 1], method)


@methods
def test_a_class_of_zeros_is_refused(method: str) -> None:
    with pytest.raises(InputError, match=r"1 of \d vectors are zero or not finite"):
        pool(torch.tensor([[1.0, 0.0], [0.0, 0.0]]), [1, 1], method)


def test_prompts_that_cancel_out_are_refused() -> None:
    with pytest.raises(InputError, match="1 of 1 vectors are zero"):
        pool(torch.tensor([[1.0, 0.0], [-1.0, 0.0]]), [2])


@pytest.mark.parametrize("sizes", [[], [0, 2], [3, -1]])
def test_a_class_without_prompts_is_refused(sizes: list[int]) -> None:
    with pytest.raises(InputError, match="every class needs at least one prompt"):
        pool(torch.ones(2, 3), sizes)


def test_sizes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match="2 vectors, but the classes have 3 prompts"):
        pool(torch.ones(2, 3), [1, 2])


def test_an_unknown_pooling_is_refused() -> None:
    with pytest.raises(InputError, match="use normalized-mean, mean, similarity"):
        pool(torch.ones(1, 3), [1], "median")
