import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cupl.classification.conformal import fit_conformal, set_sizes
from cupl.embedding.provenance import Provenance
from cupl.errors import InputError


def made_by(bias: float | None = None, temperature: float = 1.0) -> Provenance:
    return Provenance(
        encoder="none", fingerprint="f", logit_scale=10.0, logit_bias=bias,
        temperature=temperature, pooling="mean",
    )  # fmt: skip


def holds(scores: torch.Tensor, targets: torch.Tensor, sizes: torch.Tensor) -> torch.Tensor:
    """Whether the true class is among the best so many."""
    true = scores.gather(1, targets[:, None])
    return (scores > true).sum(dim=1) < sizes


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(12, 40),
    st.integers(1, 6),
    st.sampled_from([0.5, 0.8, 0.9]),
    st.sampled_from([None, -3.0]),
    st.booleans(),
)
def test_each_left_out_in_turn_is_covered_at_the_rate(
    seed: int, images: int, classes: int, coverage: float, bias: float | None, ties: bool
) -> None:
    """The exact statement, for labels that have nothing to do with the scores, too."""
    random = torch.Generator().manual_seed(seed)
    scores = torch.rand(images, classes, generator=random)
    scores = (scores * 3).round() / 3 if ties else scores
    targets = torch.randint(classes, (images,), generator=random)
    covered = 0
    for number in range(images):
        rest, new = torch.arange(images) != number, slice(number, number + 1)
        fitted = fit_conformal(scores[rest], targets[rest], made_by(bias), coverage)
        sizes = set_sizes(scores[new], made_by(bias), fitted)
        covered += int(holds(scores[new], targets[new], sizes).sum())
    assert covered / images >= coverage


def test_new_images_are_covered_as_expected_and_not_much_more() -> None:
    random = torch.Generator().manual_seed(0)
    shares = []
    for _ in range(100):
        targets = torch.randint(5, (400,), generator=random)
        scores = torch.rand(400, 5, generator=random)
        scores[torch.arange(400), targets] += 0.3
        fitted = fit_conformal(scores[:200], targets[:200], made_by(), 0.9)
        sizes = set_sizes(scores[200:], made_by(), fitted)
        shares.append(float(holds(scores[200:], targets[200:], sizes).float().mean()))
    assert fitted.expected == pytest.approx(181 / 201)
    assert np.mean(shares) == pytest.approx(fitted.expected, abs=0.01)


def test_a_set_has_the_best_class_at_least() -> None:
    scores = torch.tensor([[1.0, 0.0]] * 20)
    fitted = fit_conformal(scores, torch.zeros(20, dtype=torch.int64), made_by(), 0.9)
    doubtful = torch.tensor([[0.1, 0.1], [1.0, 0.0]])
    assert set_sizes(doubtful, made_by(), fitted).tolist() == [1, 1]


def test_sets_do_not_depend_on_the_temperature_that_comes_later() -> None:
    random = torch.Generator().manual_seed(0)
    scores, targets = torch.rand(50, 4, generator=random), torch.arange(50) % 4
    fitted = fit_conformal(scores, targets, made_by(), 0.8)
    sizes = set_sizes(scores, made_by(), fitted)
    assert sizes.tolist() == set_sizes(scores, made_by(temperature=7.0), fitted).tolist()
    assert len(set(sizes.tolist())) > 1


def test_too_few_examples_and_classes_never_seen() -> None:
    scores, targets = torch.rand(9, 4), torch.zeros(9, dtype=torch.int64)
    assert fit_conformal(scores, targets, made_by(), 0.9).unseen == 3
    with pytest.raises(InputError, match="coverage=0.9 needs at least 9 examples, and there are 8"):
        fit_conformal(scores[1:], targets[1:], made_by(), 0.9)
