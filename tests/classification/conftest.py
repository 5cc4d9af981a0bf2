"""A classifier of three colours, a CLIP with random weights, and files that are classified."""

import math
import os
from pathlib import Path

import pytest
from PIL import Image

from cupl.classification.classifier import ZeroShotClassifier
from cupl.classification.writers import FORMATS, write_predictions
from cupl.encoders.loading import load_encoder
from cupl.encoders.protocol import Encoder
from tests.classification.colors import BLUE, GREEN, NOTHING, RED
from tests.classification.runs import classifier_of
from tests.models import HandMadeEncoder, bank_of, save_clip


@pytest.fixture
def encoder() -> HandMadeEncoder:
    """Red is what the text "red" says; the colour green lies between "green" and "red"."""
    return HandMadeEncoder(
        texts={"red": [1.0, 0.0, 0.0], "green": [0.0, 2.0, 0.0], "blue": [0.0, 0.0, 1.0]},
        images={
            RED: [3.0, 0.0, 0.0],
            GREEN: [0.6, 0.8, 0.0],
            BLUE: [0.0, 0.0, 0.1],
            NOTHING: [math.nan, 0.0, 0.0],
        },
    )


@pytest.fixture
def classifier(encoder: HandMadeEncoder) -> ZeroShotClassifier:
    bank = bank_of({"rose": ["red"], "leaf": ["green"], "sky": ["blue"]})
    return ZeroShotClassifier.from_bank(bank, encoder)


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="module")
def clip(clip_folder: Path) -> Encoder:
    return load_encoder(str(clip_folder), "cpu")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Ten files; two of them cannot be read, and one has a name that is not text."""
    folder = tmp_path_factory.mktemp("photos")
    names = [f"{number}, ü.png" for number in range(9)] + [os.fsdecode(b"9\xff\n.png")]
    for shade, name in enumerate(names):
        Image.new("RGB", (3, 2), (shade, 0, 0)).save(folder / name)
    (folder / names[2]).write_bytes(b"")
    (folder / names[7]).unlink()
    return [folder / name for name in names]


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory, photos: list[Path]) -> dict[str, bytes]:
    """What a run that is not stopped writes, by format."""
    target = tmp_path_factory.mktemp("expected") / "out"
    found = {}
    for format in FORMATS:
        write_predictions(classifier_of().predict(photos, 2), 2, format, target)
        found[format] = target.read_bytes()
    return found
