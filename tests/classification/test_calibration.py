import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cupl.classification.calibration import fit_temperature
from cupl.embedding.class_vectors import Provenance
from cupl.errors import InputError

SOFTMAX = Provenance(encoder="e", fingerprint="f", logit_scale=100.0, pooling="mean")
SIGMOID = SOFTMAX.model_copy(update={"logit_bias": -15.0, "logit_scale": 110.0})


def at(provenance: Provenance, temperature: float) -> Provenance:
    return provenance.model_copy(update={"temperature": temperature})


@pytest.mark.parametrize("planted", [0.4, 1.0, 2.5, 7.0])
def test_the_temperature_that_labels_were_drawn_at_is_found(planted: float) -> None:
    random = torch.Generator().manual_seed(0)
    scores = 0.2 + 0.05 * torch.randn(20_000, 8, generator=random)
    chances = at(SOFTMAX, planted).probabilities(scores)
    targets = chances.multinomial(1, generator=random).flatten()
    assert fit_temperature(scores, targets, SOFTMAX) == pytest.approx(planted, rel=0.03)


@pytest.mark.parametrize("planted", [0.5, 1.0, 3.0])
def test_the_temperature_of_sigmoids_is_found(planted: float) -> None:
    """Two classes of equal and opposite logits: one is true exactly where the other is not."""
    random = torch.Generator().manual_seed(0)
    middle = 15 / 110
    apart = 0.05 * torch.randn(20_000, 1, generator=random)
    scores = torch.cat([middle + apart, middle - apart], dim=1)
    chances = at(SIGMOID, planted).probabilities(scores)
    assert chances.sum(dim=1).tolist() == pytest.approx([1.0] * len(scores), abs=1e-4)
    targets = chances.multinomial(1, generator=random).flatten()
    assert fit_temperature(scores, targets, SIGMOID) == pytest.approx(planted, rel=0.03)


def test_a_temperature_from_before_is_left_out() -> None:
    random = torch.Generator().manual_seed(1)
    scores = 0.2 + 0.05 * torch.randn(500, 4, generator=random)
    targets = SOFTMAX.probabilities(scores).multinomial(1, generator=random).flatten()
    found = fit_temperature(scores, targets, SOFTMAX)
    assert fit_temperature(scores, targets, at(SOFTMAX, 5.0)) == found


def test_all_right_and_all_wrong_stay_within_the_bounds() -> None:
    scores = torch.eye(3)
    assert fit_temperature(scores, torch.arange(3), SOFTMAX) >= 0.01
    assert fit_temperature(scores, torch.tensor([1, 2, 0]), SOFTMAX) <= 100
    assert fit_temperature(scores, torch.tensor([1, 2, 0]), SOFTMAX) > 90


@pytest.mark.parametrize(("images", "labels"), [(0, 0), (2, 3)])
def test_no_images_or_another_number_of_labels(images: int, labels: int) -> None:
    with pytest.raises(InputError, match=f"needs images with labels: {images}, {labels}"):
        fit_temperature(torch.zeros(images, 2), torch.zeros(labels, dtype=torch.int64), SOFTMAX)


@pytest.mark.parametrize("provenance", [SOFTMAX, SIGMOID])
@given(
    temperature=st.floats(0.05, 50),
    scores=st.lists(st.tuples(*[st.floats(-1, 1, width=32)] * 4).map(list), min_size=1, max_size=4),
)
@settings(max_examples=50)
def test_a_temperature_changes_no_order(
    provenance: Provenance, temperature: float, scores: list[list[float]]
) -> None:
    cosines = torch.tensor(scores, dtype=torch.float64)
    before = provenance.probabilities(cosines)
    after = at(provenance, temperature).probabilities(cosines)
    for row, was, now in zip(cosines, before, after, strict=True):
        order = row.sort(descending=True).indices
        for values in (was, now):
            assert (values[order].diff() <= 0).all()
    logits = provenance.logits(cosines)
    assert torch.allclose(at(provenance, temperature).logits(cosines) * temperature, logits)


def test_a_bias_is_divided_too() -> None:
    logits = at(SIGMOID, 2.0).logits(torch.tensor([[0.1]])).item()
    assert logits == pytest.approx((11 - 15) / 2)
    probability = at(SIGMOID, 2.0).probabilities(torch.tensor([[0.1]])).item()
    assert probability == pytest.approx(1 / (1 + math.exp(2)), rel=1e-4)
