"""``predict_proba`` and ``scores``: numbers of all classes, a row an image."""

import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cupl.classification.classifier import ZeroShotClassifier
from cupl.embedding.bank_encoding import encode_bank
from cupl.embedding.image_runs import embed_images
from cupl.embedding.image_vectors import load_embeddings
from cupl.errors import InputError
from tests.classification.colors import BLUE, GREEN, NOTHING, RED, image_of
from tests.models import HandMadeEncoder, bank_of

NONE = bank_of({"a wall": ["wall"], "nothing": ["noise"]}, name="none of these")
TEXTS = {
    "red": [1.0, 0.0, 0.0, 0.0],
    "green": [0.0, 2.0, 0.0, 0.0],
    "wall": [0.0, 0.0, 1.0, 0.0],
    "noise": [0.0, 0.0, 0.0, 1.0],
}
BANK = bank_of({"rose": ["red"], "leaf": ["green"]})


@pytest.mark.parametrize("bias", [None, -4.0])
@pytest.mark.parametrize("reject", [False, True])
@pytest.mark.parametrize("at_once", [1, 10, 2**22])
def test_they_are_the_numbers_of_the_predictions(
    bias: float | None, reject: bool, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cupl.classification.scoring.AT_ONCE", at_once)
    encoder = HandMadeEncoder(TEXTS, logit_bias=bias)
    vectors = encode_bank(BANK, encoder).with_temperature(2.5)
    made = ZeroShotClassifier(vectors, encoder, reject=NONE if reject else None)
    rows = 3 * torch.randn(30, 4, generator=torch.Generator().manual_seed(0))
    scores, probabilities = made.scores(rows), made.predict_proba(rows)
    assert scores.shape == probabilities.shape == (30, 2)
    assert scores.dtype == probabilities.dtype == np.float32
    for image, prediction in enumerate(made.predict_vectors(rows)):
        for one in prediction.top:
            column = ["rose", "leaf"].index(one.label)
            assert scores[image, column] == pytest.approx(one.score, abs=1e-6)
            assert probabilities[image, column] == pytest.approx(one.probability, abs=1e-6)
    if bias is None:
        assert ((probabilities.sum(axis=1) < 0.9999) == reject).any()
    assert np.array_equal(made.scores(rows.numpy()), scores)


def test_images_of_every_number(classifier: ZeroShotClassifier, tmp_path: Path) -> None:
    image_of(RED).save(tmp_path / "red.png")
    expected = classifier.scores(torch.tensor([[1.0, 0, 0], [0.6, 0.8, 0]]))
    green = np.asarray(image_of(GREEN))
    one = classifier.scores(tmp_path / "red.png")
    assert one.shape == (1, 3)
    assert np.array_equal(one, expected[:1])
    assert np.array_equal(classifier.scores(green), expected[1:])
    assert np.array_equal(classifier.scores([tmp_path / "red.png", green]), expected)
    assert np.array_equal(classifier.scores(map(image_of, [RED, GREEN])), expected)
    assert np.array_equal(classifier.scores(np.stack([np.asarray(image_of(RED)), green])), expected)
    assert classifier.scores([]).shape == classifier.predict_proba(torch.ones(0, 3)).shape == (0, 3)


def test_an_image_that_cannot_be_read_is_a_row_of_nan(
    classifier: ZeroShotClassifier, encoder: HandMadeEncoder, tmp_path: Path
) -> None:
    encoder.image_batch = 2
    (tmp_path / "damaged.jpg").write_bytes(b"no image")
    images: list[Any] = [image_of(RED), image_of(BLUE), image_of(NOTHING), image_of(GREEN)]
    images[2:2] = [tmp_path / "damaged.jpg"]
    with pytest.warns(
        UserWarning, match="2 of 5 images .* NaN, the first .*damaged.jpg: n"
    ) as told:
        found = classifier.predict_proba(images)
    assert [one.filename for one in told] == [__file__]
    assert np.isnan(found).all(axis=1).tolist() == [False, False, True, True, False]
    whole = classifier.predict_proba([images[0], images[1], images[4]])
    assert np.array_equal(found[[0, 1, 4]], whole)
    with pytest.warns(UserWarning, match="1 of 1 images .* first image 0: .* is zero or not fin"):
        assert np.isnan(classifier.scores(images[3])).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        classifier.scores(images[:2])


@pytest.mark.parametrize("row", [[0.0, 0, 0], [math.inf, 0, 0], [math.nan, 1, 0], [3e38, 3e38, 0]])
def test_a_vector_without_direction_is_a_row_of_nan(
    row: list[float], classifier: ZeroShotClassifier
) -> None:
    rows = torch.tensor([row, [0.0, 0.0, 1.0]])
    for found in (classifier.scores(rows), classifier.predict_proba(rows)):
        assert np.isnan(found).all(axis=1).tolist() == [True, False]


@pytest.mark.parametrize("shape", [(3,), (2, 4), (4, 2), ()])
def test_floats_of_two_dimensions_are_vectors_and_no_grey_image(
    shape: tuple[int, ...], classifier: ZeroShotClassifier, encoder: HandMadeEncoder
) -> None:
    for floats in (torch.ones(shape), np.ones(shape, dtype=np.float16)):
        with pytest.raises(InputError, match=r"do not fit: \[images, 3\] \(a grey image of floats"):
            classifier.predict_proba(floats)
    assert encoder.image_calls == []


def test_a_grey_image_of_bytes_or_in_a_list_is_one(encoder: HandMadeEncoder) -> None:
    encoder._images = {(255, 255, 255): [1.0, 0.0, 0.0]}
    made = ZeroShotClassifier.from_bank(bank_of({"rose": ["red"]}), encoder)
    assert made.scores(np.full((4, 3), 255, dtype=np.uint8)).tolist() == [[1.0]]
    assert made.scores([np.ones((4, 3))]).tolist() == [[1.0]]
    assert made.scores(np.ones((4, 3))).shape == (4, 1)


def test_stored_images_have_a_row_each_that_could_be_read(
    classifier: ZeroShotClassifier, encoder: HandMadeEncoder, tmp_path: Path
) -> None:
    paths = [tmp_path / f"{number}.png" for number in range(5)]
    for path, color in zip(paths, (RED, GREEN, BLUE, RED, GREEN), strict=True):
        image_of(color).save(path)
    paths[2].write_bytes(b"no image")
    embed_images(paths, encoder, tmp_path / "v", shard_size=2)
    embeddings = load_embeddings(tmp_path / "v")
    found = classifier.predict_proba(embeddings)
    of_row = [path for shard in embeddings for path in shard.readable]
    assert of_row == [str(paths[number]) for number in (0, 1, 3, 4)]
    assert np.array_equal(found, classifier.predict_proba([paths[n] for n in (0, 1, 3, 4)]))


def test_progress(classifier: ZeroShotClassifier, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cupl.classification.scoring.AT_ONCE", 6)
    told: list[tuple[int, int]] = []
    classifier.scores(torch.ones(3, 3), progress=lambda *done: told.append(done))
    assert told == [(1, 3), (2, 3), (3, 3)]
    told.clear()
    classifier.predict_proba([image_of(RED)] * 2, progress=lambda *done: told.append(done))
    assert told == [(1, 2), (2, 2)]


@pytest.mark.parametrize("given_images", [5, None, 1.5])
def test_what_is_no_image_at_all(classifier: ZeroShotClassifier, given_images: Any) -> None:
    kind = type(given_images).__name__
    for use in (classifier.predict_proba, classifier.scores, classifier.predict):
        with pytest.raises(InputError, match=rf"\({kind}\) is no image, nor an iterable"):
            use(given_images)


def test_stored_vectors_are_no_images(
    classifier: ZeroShotClassifier, encoder: HandMadeEncoder, tmp_path: Path
) -> None:
    image_of(RED).save(tmp_path / "red.png")
    embed_images([tmp_path / "red.png"], encoder, tmp_path / "v")
    stored: Any = load_embeddings(tmp_path / "v")
    with pytest.raises(InputError, match="predict_vectors classifies them"):
        classifier.predict(stored)
    assert classifier.predict_vectors(stored)[0].label == "rose"
