"""Runs that classify into a file, of a classifier that is quick, and that are stopped."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from cupl.classification.classifier import ZeroShotClassifier
from cupl.classification.resumable import classify_to_file
from tests.models import HandMadeEncoder, bank_of

BATCH = 4
COLORS = {(shade, 0, 0): [1.0, shade / 7, 1 / (shade + 1)] for shade in range(20)}


def classifier_of(encoder: HandMadeEncoder | None = None, batch: int = BATCH) -> ZeroShotClassifier:
    texts = {"red": [1.0, 0.0, 0.0], "green": [0.0, 2.0, 0.0], "blue": [0.0, 0.0, 1.0]}
    encoder = encoder or HandMadeEncoder(texts, COLORS)
    encoder.image_batch = batch
    bank = bank_of({"rose": ["red"], "leaf": ["green"], "sky, blue": ["blue"]})
    return ZeroShotClassifier.from_bank(bank, encoder)


def image_calls(classifier: ZeroShotClassifier) -> list[int]:
    assert isinstance(classifier.encoder, HandMadeEncoder)
    return classifier.encoder.image_calls


NONE = bank_of({"none": ["blue"]}, name="none")


def rejecting(reject: bool = True) -> ZeroShotClassifier:
    """As ``classifier_of``, but two classes; the third can be the reject bank."""
    texts = {"red": [1.0, 0.0, 0.0], "green": [0.0, 2.0, 0.0], "blue": [0.0, 0.0, 1.0]}
    encoder = HandMadeEncoder(texts, COLORS)
    encoder.image_batch = BATCH
    bank = bank_of({"rose": ["red"], "leaf": ["green"]})
    return ZeroShotClassifier.from_bank(bank, encoder, reject=NONE if reject else None)


def stopping(at: int) -> Callable[[int, int], None]:
    def progress(done: int, total: int) -> None:
        if done == at:
            raise KeyboardInterrupt

    return progress


def stop_at(at: int, photos: Sequence[Path], target: Path, format: str = "csv") -> Path:
    """Leave what a run leaves that is stopped after so many images; returns the partial file."""
    with pytest.raises(KeyboardInterrupt):
        classify_to_file(classifier_of(), photos, target, format, 2, progress=stopping(at))
    return target.with_name(f"{target.name}.part")
