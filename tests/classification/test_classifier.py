from pathlib import Path
from typing import Any

import pytest

from cupl.classification.classifier import ZeroShotClassifier
from cupl.embedding.class_vectors import ClassVectors
from cupl.encoders.protocol import Encoder
from cupl.errors import CuplError, InputError, MissingFileError
from tests.classification.colors import GREEN, image_of
from tests.models import HandMadeEncoder, bank_of


def test_everything_by_name_and_back(clip_folder: Path, tmp_path: Path) -> None:
    bank = bank_of({"cat": ["a small cat", "a cat"], "frog": ["the tree frog"]})
    bank.save(tmp_path / "bank.yaml")
    made = ZeroShotClassifier.from_bank(
        tmp_path / "bank.yaml",
        str(clip_folder),
        "cpu",
        templates=["a photo of a {}"],
        combine="average",
    )
    made.save(tmp_path / "v.safetensors")
    loaded = ZeroShotClassifier.load(tmp_path / "v.safetensors", device="cpu")
    assert loaded.encoder.id == str(clip_folder)
    assert loaded.vectors.provenance == made.vectors.provenance
    assert loaded.predict(image_of(GREEN)) == made.predict(image_of(GREEN))


def test_vectors_of_another_encoder_are_refused(
    clip: Encoder, classifier: ZeroShotClassifier, tmp_path: Path
) -> None:
    classifier.save(tmp_path / "v")
    with pytest.raises(InputError, match="were made by the encoder 'hand-made'"):
        ZeroShotClassifier.load(tmp_path / "v", clip)
    same_width = HandMadeEncoder({"a": [1.0, 0.0, 0.0]}, fingerprint="another")
    with pytest.raises(InputError, match="were made by the encoder 'hand-made'"):
        ZeroShotClassifier.from_vectors(ClassVectors.load(tmp_path / "v"), same_width)


def test_a_bank_that_is_not_there(tmp_path: Path, encoder: HandMadeEncoder) -> None:
    with pytest.raises(MissingFileError):
        ZeroShotClassifier.from_bank(tmp_path / "no.yaml", encoder)


@pytest.mark.parametrize("setting", [{"pooling": "median"}, {"combine": "sum"}])
def test_a_wrong_setting_is_refused(setting: dict[str, Any], encoder: HandMadeEncoder) -> None:
    with pytest.raises(CuplError, match="use "):
        ZeroShotClassifier.from_bank(bank_of({"rose": ["red"]}), encoder, **setting)


def test_strict_refuses_long_prompts(encoder: HandMadeEncoder) -> None:
    bank = bank_of({"rose": ["red " * 9]})
    with pytest.raises(InputError, match="longer than the 8 tokens"):
        ZeroShotClassifier.from_bank(bank, encoder, strict=True)


def test_how_an_encoder_given_by_name_is_loaded(clip_folder: Path, tmp_path: Path) -> None:
    how: dict[str, Any] = {"device": "cpu", "precision": "bfloat16", "batch_size": 7}
    bank = bank_of({"cat": ["a small cat", "a cat"], "frog": ["the tree frog"]})
    none = bank_of({"dog": ["a dog", "the small dog"]}, name="none")
    told: list[tuple[int, int]] = []

    def note(done: int, total: int) -> None:
        told.append((done, total))

    made = ZeroShotClassifier.from_bank(bank, clip_folder, **how, reject=none, progress=note)
    assert told == [(3, 3), (2, 2)]
    made.save(tmp_path / "v")
    told.clear()
    others = bank_of({"tree": ["the large tree"]}, name="others")
    loaded = ZeroShotClassifier.load(tmp_path / "v", **how, reject=others, progress=note)
    assert told == [(1, 1)]
    again = ZeroShotClassifier.from_vectors(made.vectors, clip_folder, **how)
    for one in (made, loaded, again):
        assert (one.encoder.precision, one.encoder.image_batch) == ("bfloat16", 7)
    with pytest.raises(InputError, match="no precision is called 'half'"):
        ZeroShotClassifier.load(tmp_path / "v", precision="half")
