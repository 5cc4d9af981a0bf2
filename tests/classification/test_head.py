import io
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch

from cupl.classification.classifier import ZeroShotClassifier
from cupl.classification.head import ClassifierHead
from cupl.embedding.bank_encoding import encode_bank
from tests.models import HandMadeEncoder, bank_of

random = torch.Generator().manual_seed(0)
NAMES = [f"class {number}" for number in range(7)]
TEXTS = {name: torch.randn(16, generator=random).tolist() for name in [*NAMES, "wall", "noise"]}
BANK = bank_of({name: [name] for name in NAMES})
NONE = bank_of({"a wall": ["wall"], "nothing": ["noise"]}, name="none of these")
IMAGES = 5 * torch.randn(40, 16, generator=random)


def classifier(bias: float | None, reject: bool, **pooling: Any) -> ZeroShotClassifier:
    encoder = HandMadeEncoder(TEXTS, logit_scale=37.5, logit_bias=bias)
    vectors = encode_bank(BANK, encoder, **pooling).with_temperature(1.7)
    return ZeroShotClassifier(vectors, encoder, reject=NONE if reject else None)


@pytest.mark.parametrize("bias", [None, -3.5])
@pytest.mark.parametrize("reject", [False, True])
@pytest.mark.parametrize("pooling", ["normalized-mean", "similarity"])
def test_it_says_what_predict_proba_says(bias: float | None, reject: bool, pooling: str) -> None:
    made = classifier(bias, reject, pooling=pooling)
    head = made.to_torch()
    logits = head(IMAGES)
    assert logits.shape == (40, 9 if reject else 7)
    assert [label.name for label in head.labels[:7]] == NAMES
    assert (head.bias is None) == (bias is None)
    found = logits.softmax(dim=1) if bias is None else logits.sigmoid()
    expected = torch.from_numpy(made.predict_proba(IMAGES))
    torch.testing.assert_close(found[:, :7], expected, atol=1e-6, rtol=0)


def test_sizes_as_of_a_linear_layer() -> None:
    head = classifier(None, reject=True).to_torch()
    linear = torch.nn.Linear(16, 9)
    assert (head.in_features, head.out_features) == (linear.in_features, linear.out_features)
    assert head.weight.shape == linear.weight.shape
    assert repr(head) == "ClassifierHead(in_features=16, out_features=9)"


@pytest.mark.parametrize("bias", [None, -3.5])
def test_its_state_goes_from_one_to_another(bias: float | None, tmp_path: Path) -> None:
    made = classifier(bias, reject=False)
    head = made.to_torch()
    names = ["weight", "scale"] + ([] if bias is None else ["bias"])
    assert set(head.state_dict()) == set(names)
    torch.save(head.state_dict(), tmp_path / "head.pt")
    other = ClassifierHead(made.vectors.with_temperature(9.0))
    with torch.no_grad():
        other.weight.zero_()
    other.load_state_dict(torch.load(tmp_path / "head.pt"))
    assert torch.equal(other(IMAGES), head(IMAGES))
    buffer = io.BytesIO()
    torch.save(deepcopy(head), buffer)
    buffer.seek(0)
    assert torch.equal(torch.load(buffer, weights_only=False)(IMAGES), head(IMAGES))


def test_it_moves_with_its_numbers() -> None:
    head = classifier(-3.5, reject=False).to_torch()
    exact = deepcopy(head).to(torch.float64)(IMAGES.double())
    torch.testing.assert_close(exact.float(), head(IMAGES), atol=1e-4, rtol=0)
    nowhere = head.to("meta")(IMAGES.to("meta"))
    assert (nowhere.device.type, nowhere.shape) == ("meta", (40, 7))


def test_only_the_weight_is_trained_and_the_classifier_stays() -> None:
    made = classifier(None, reject=False)
    before = made.predict_proba(IMAGES)
    head = made.to_torch()
    assert [name for name, one in head.named_parameters() if one.requires_grad] == ["weight"]
    targets = torch.arange(40) % 7
    optimizer = torch.optim.AdamW(head.parameters(), 1e-2)
    losses = []
    for _ in range(20):
        loss = torch.nn.functional.cross_entropy(head(IMAGES), targets)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert head.scale.item() == pytest.approx(37.5 / 1.7)
    assert (made.predict_proba(IMAGES) == before).all()


def test_a_row_of_zeros_does_not_spoil_a_step() -> None:
    head = classifier(-3.5, reject=False).to_torch()
    logits = head(torch.zeros(1, 16))
    assert logits.tolist() == [pytest.approx([-3.5 / 1.7] * 7)]
    torch.autograd.backward(logits.sum())
    assert head.weight.grad is not None
    assert head.weight.grad.isfinite().all()
