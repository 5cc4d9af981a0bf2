import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cupl.classification import calibration as module
from cupl.classification.calibration import FEWEST_TO_FIT, fit_temperature
from cupl.embedding.provenance import Provenance
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


@pytest.mark.parametrize("provenance", [SOFTMAX, SIGMOID])
def test_any_size_of_chunks_finds_the_same_temperature(
    monkeypatch: pytest.MonkeyPatch, provenance: Provenance
) -> None:
    random = torch.Generator().manual_seed(2)
    scores = 0.15 + 0.05 * torch.randn(101, 4, generator=random)
    targets = SOFTMAX.probabilities(scores).multinomial(1, generator=random).flatten()
    whole = fit_temperature(scores, targets, provenance)
    for at_once in (1, 12, 400):
        monkeypatch.setattr(module, "_AT_ONCE", at_once)
        found = fit_temperature(scores, targets, provenance)
        assert found == pytest.approx(whole, rel=1e-4)


def test_a_temperature_from_before_is_left_out() -> None:
    random = torch.Generator().manual_seed(1)
    scores = 0.2 + 0.05 * torch.randn(500, 4, generator=random)
    targets = SOFTMAX.probabilities(scores).multinomial(1, generator=random).flatten()
    found = fit_temperature(scores, targets, SOFTMAX)
    assert fit_temperature(scores, targets, at(SOFTMAX, 5.0)) == found


def planted(images: int, seed: int = 0, right: float = 1.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Cosines of three classes and targets, that share of them the class of the best cosine."""
    random = torch.Generator().manual_seed(seed)
    scores = 0.2 + 0.05 * torch.randn(images, 3, generator=random)
    targets = scores.argmax(dim=1)
    wrong = round((1 - right) * images)
    targets[:wrong] = scores[:wrong].argmin(dim=1)
    return scores, targets


@pytest.mark.parametrize("provenance", [SOFTMAX, SIGMOID])
def test_where_every_image_is_right_no_temperature_is_low_enough(provenance: Provenance) -> None:
    scores = torch.full((30, 3), -0.5)
    targets = torch.arange(30) % 3
    scores[range(30), targets] = 0.5
    with pytest.raises(InputError, match=r"at the lower end of its range, 0\.01: every image is"):
        fit_temperature(scores, targets, provenance)


@pytest.mark.parametrize("seed", range(5))
def test_all_right_by_little_is_at_the_edge_too(seed: int) -> None:
    """The loss is flat long before the edge, so that a minimum is found anywhere on the way."""
    with pytest.raises(InputError, match="lower end"):
        fit_temperature(*planted(40, seed), SOFTMAX)


@pytest.mark.parametrize("provenance", [SOFTMAX, SIGMOID])
def test_where_cosines_say_the_opposite_no_temperature_is_high_enough(
    provenance: Provenance,
) -> None:
    with pytest.raises(InputError, match=r"at the upper end of its range, 100: .* true class"):
        fit_temperature(*planted(40, right=0.0), provenance)


@pytest.mark.parametrize(
    "scores", [torch.rand(40, 1), torch.full((40, 3), 0.25), torch.rand(40, 1).expand(40, 3)]
)
def test_cosines_that_tell_no_classes_apart_fit_any_temperature(scores: torch.Tensor) -> None:
    with pytest.raises(InputError, match="tell no classes apart"):
        fit_temperature(scores, torch.zeros(40, dtype=torch.int64), SOFTMAX)


def test_a_few_images_say_little_of_a_temperature() -> None:
    scores, targets = planted(FEWEST_TO_FIT, right=0.7)
    assert 0.01 < fit_temperature(scores, targets, SOFTMAX) < 100
    with pytest.raises(InputError, match="needs at least 20 labelled images, and there are 19"):
        fit_temperature(scores[1:], targets[1:], SOFTMAX)


def test_so_few_images_are_enough_for_a_factor_of_two() -> None:
    """Why it is 20: nine fits in ten are between half the temperature and twice."""
    random = torch.Generator().manual_seed(0)
    scores = 0.2 + 0.03 * torch.randn(200 * FEWEST_TO_FIT, 8, generator=random)
    targets = SOFTMAX.probabilities(scores).multinomial(1, generator=random).flatten()
    found = [
        fit_temperature(scores[start:][:FEWEST_TO_FIT], targets[start:][:FEWEST_TO_FIT], SOFTMAX)
        for start in range(0, len(scores), FEWEST_TO_FIT)
    ]
    assert sum(0.5 < one < 2 for one in found) >= 0.9 * len(found)


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
