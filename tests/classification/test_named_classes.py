import math
from typing import Any

import numpy as np
import pytest
import torch

from cupl.bank.labels import ClassLabel
from cupl.classification.classifier import ZeroShotClassifier
from cupl.classification.decision import find_classes
from cupl.errors import InputError
from tests.models import HandMadeEncoder, bank_of

ODD_LABELS: list[Any] = [
    1.7, 1.0, math.nan, True, None, b"frog", [1], (0,), np.float64(1), np.float32(0.5),
    np.bool_(True), np.array([1.0])[0], torch.tensor(1.0), torch.tensor(True), 1j, "",
]  # fmt: skip


@pytest.mark.parametrize("label", ODD_LABELS, ids=repr)
def test_a_label_is_a_name_or_a_whole_number(label: Any) -> None:
    labels = [ClassLabel("frog"), ClassLabel("toad")]
    with pytest.raises(InputError, match="a name or a whole number|means no class"):
        find_classes([0, label], labels)


@pytest.mark.parametrize(
    "labels",
    [
        torch.tensor([0.0, 1.0]), torch.tensor([True, False]), np.array([0.0, 1.7]),
        np.array([True, False]), np.array([0, None], dtype=object), torch.tensor([[0], [1]]),
        "01",
    ],
)  # fmt: skip
def test_labels_of_another_type_fit_no_temperature(labels: Any) -> None:
    encoder = HandMadeEncoder({"A frog.": [1, 0], "A toad.": [0, 1]})
    classifier = ZeroShotClassifier.from_bank(
        bank_of({"frog": ["A frog."], "toad": ["A toad."]}), encoder
    )
    with pytest.raises(InputError, match=r"name.*whole number"):
        classifier.calibrate(torch.eye(2), labels)


def test_whole_numbers_of_every_library_are_labels() -> None:
    labels = [ClassLabel("frog"), ClassLabel("1")]
    kinds: list[Any] = [1, np.int8(1), np.uint64(1), torch.tensor(1), np.array(1), np.str_("1")]
    assert find_classes(kinds, labels) == [1] * 6
    assert find_classes(np.array([1, 0]), labels) == find_classes(torch.tensor([1, 0]), labels)
