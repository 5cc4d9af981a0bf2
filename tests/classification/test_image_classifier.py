import io
import itertools
import math
import threading
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, assert_type

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import CLIPModel, CLIPTokenizer

from cupl.bank.labels import ClassLabel
from cupl.bank.model import ClassPrompts, PromptBank
from cupl.classification.classifier import ZeroShotClassifier
from cupl.classification.explanation import Explanation
from cupl.classification.prediction import Prediction
from cupl.embedding.image_sources import ImageSource
from cupl.encoders.protocol import Encoder
from cupl.errors import InputError
from cupl.progress import ignore
from tests.classification.colors import BLUE, GREEN, NOTHING, ODD, RED, image_of
from tests.models import HandMadeEncoder, bank_of


def test_scores_are_cosines_and_probabilities_their_softmax(
    classifier: ZeroShotClassifier,
) -> None:
    prediction = classifier.predict(image_of(GREEN))
    exponentials = [math.exp(10 * cosine) for cosine in (0.8, 0.6, 0.0)]
    total = sum(exponentials)
    assert [one.label for one in prediction.top] == ["leaf", "rose", "sky"]
    assert [one.score for one in prediction.top] == pytest.approx([0.8, 0.6, 0.0])
    assert [one.probability for one in prediction.top] == pytest.approx(
        [value / total for value in exponentials]
    )
    assert prediction.label == "leaf"
    assert prediction.id is None
    assert prediction.score == prediction.top[0].score
    assert prediction.probability == prediction.top[0].probability
    assert prediction.error is None


def test_similarity_scores_are_mean_cosines(encoder: HandMadeEncoder) -> None:
    bank = bank_of({"mixed": ["red", "green"], "sky": ["blue"]})
    classifier = ZeroShotClassifier.from_bank(bank, encoder, pooling="similarity")
    prediction = classifier.predict(image_of(GREEN))
    assert prediction.score == pytest.approx((0.6 + 0.8) / 2)


@torch.inference_mode()
def test_probabilities_are_those_of_transformers(clip: Encoder, clip_folder: Path) -> None:
    prompts = ["a photo of a cat", "the small dog", "a tree frog", "a large tree"]
    bank = bank_of({prompt: [prompt] for prompt in prompts})
    noise = np.random.default_rng(0).integers(0, 256, (3, 60, 80, 3), dtype=np.uint8)
    model = CLIPModel.from_pretrained(clip_folder)
    tokens = CLIPTokenizer.from_pretrained(clip_folder)(
        prompts, padding="max_length", max_length=77, return_tensors="pt"
    )
    pixels = clip._processor(images=list(noise), return_tensors="pt")  # type: ignore[attr-defined]
    expected = model(**tokens, **pixels).logits_per_image.softmax(dim=1)  # [images, classes]
    predictions = ZeroShotClassifier.from_bank(bank, clip).predict(list(noise), top_k=9)
    for prediction, row in zip(predictions, expected, strict=True):
        found = {score.label: score.probability for score in prediction.top}
        assert [found[prompt] for prompt in prompts] == pytest.approx(row.tolist(), abs=1e-5)
        assert prediction.label == prompts[int(row.argmax())]


def test_each_kind_of_source(classifier: ZeroShotClassifier, tmp_path: Path) -> None:
    file = tmp_path / "red.png"
    image_of(RED).save(file)
    sources: list[ImageSource] = [
        file,
        str(file),
        file.read_bytes(),
        np.asarray(image_of(RED)),
        image_of(RED),
    ]
    predictions = list(classifier.predict(sources))
    assert [one.label for one in predictions] == ["rose"] * 5
    assert [one.path for one in predictions] == [str(file), str(file), None, None, None]
    for source, expected in zip(sources, predictions, strict=True):
        assert classifier.predict(source) == expected


def test_an_image_that_cannot_be_read_leaves_the_others(
    classifier: ZeroShotClassifier, tmp_path: Path
) -> None:
    (tmp_path / "damaged.jpg").write_bytes(b"\xff\xd8\xff no image")
    sources: list[ImageSource] = [
        image_of(RED),
        tmp_path / "damaged.jpg",
        tmp_path / "gone.png",
        image_of(BLUE),
    ]
    first, damaged, gone, last = classifier.predict(sources)
    assert (first.label, last.label) == ("rose", "sky")
    assert (first.error, last.error) == (None, None)
    assert gone.error == "there is no such file"
    assert gone.path == str(tmp_path / "gone.png")
    assert damaged.error
    assert damaged.top == ()
    assert (damaged.label, damaged.id, damaged.score, damaged.probability) == (None,) * 4


def test_only_unreadable_images(classifier: ZeroShotClassifier, tmp_path: Path) -> None:
    predictions = list(classifier.predict([tmp_path / "gone.png"] * 40))
    assert [one.error for one in predictions] == ["there is no such file"] * 40


def test_an_image_that_cannot_be_encoded_leaves_the_others(
    classifier: ZeroShotClassifier,
) -> None:
    colors = [RED, ODD, BLUE, NOTHING, GREEN]
    predictions = list(classifier.predict(map(image_of, colors)))
    assert [one.label for one in predictions] == ["rose", None, "sky", None, "leaf"]
    assert "cannot be encoded: no vector for the pixel" in str(predictions[1].error)
    assert predictions[3].error == "the image vector is zero or not finite"


@pytest.mark.parametrize("size", [(1, 1), (1, 3), (3, 1), (2, 4000), (4000, 2)])
def test_odd_sizes_are_classified(size: tuple[int, int], clip: Encoder) -> None:
    classifier = ZeroShotClassifier.from_bank(bank_of({"cat": ["a cat"]}), clip)
    normal, odd = classifier.predict([image_of(RED), Image.new("RGB", size, "blue")])
    assert (normal.label, odd.label) == ("cat", "cat")


def test_one_image_is_one_prediction_of_whatever_kind(
    classifier: ZeroShotClassifier, tmp_path: Path
) -> None:
    file = tmp_path / "red.png"
    image_of(RED).save(file)
    data = file.read_bytes()
    pixels = np.asarray(image_of(RED))
    kinds: list[Any] = [
        *[file, str(file), data, bytearray(data), memoryview(data), io.BytesIO(data)],
        *[pixels, pixels[:, :, 0], torch.zeros(3, 2, 2), image_of(RED)],
    ]
    for one in kinds:
        assert isinstance(classifier.predict(one), Prediction)
        assert isinstance(classifier.explain(one), Explanation)
    with file.open("rb") as opened:
        assert isinstance(classifier.predict(opened), Prediction)


def test_any_number_of_images_is_an_iterator(classifier: ZeroShotClassifier) -> None:
    image = image_of(RED)
    pixels = np.stack([np.asarray(image)] * 2)
    kinds: list[Any] = [[image] * 2, (image,) * 2, iter([image] * 2), {1: image, 2: image}.values()]
    for many in [*kinds, pixels, list(pixels)]:
        predictions = classifier.predict(many)
        assert isinstance(predictions, Generator)
        assert [one.label for one in predictions] == ["rose", "rose"]
    assert len(list(classifier.predict(torch.zeros(4, 3, 2, 2)))) == 4
    assert len(list(classifier.explain(iter([image])))) == 1
    assert list(classifier.predict(pixels[:0])) == []


def test_an_array_of_paths_is_many(classifier: ZeroShotClassifier, tmp_path: Path) -> None:
    image_of(RED).save(tmp_path / "red.png")
    paths = [str(tmp_path / "red.png"), str(tmp_path / "gone.png")]
    for many in (np.array(paths), np.array(paths, dtype=object)):
        red, gone = classifier.predict(many)
        assert (red.label, red.path, gone.error) == ("rose", paths[0], "there is no such file")


def test_one_image_that_cannot_be_read(classifier: ZeroShotClassifier, tmp_path: Path) -> None:
    gone = classifier.predict(tmp_path / "gone.png")
    assert gone == Prediction(path=str(tmp_path / "gone.png"), error="there is no such file")
    assert classifier.explain(b"no image").error == classifier.predict(b"no image").error
    assert str(classifier.predict(image_of(ODD)).error).startswith("the image cannot be encoded")


def test_types_say_what_comes_back(classifier: ZeroShotClassifier) -> None:
    image = image_of(RED)
    assert_type(classifier.predict(image), Prediction)
    assert_type(classifier.predict("gone.png", 2, threshold=0.5, progress=ignore), Prediction)
    assert_type(classifier.predict([image]), Generator[Prediction, None, None])
    assert_type(classifier.predict(["a.png", "b.png"]), Generator[Prediction, None, None])
    assert_type(classifier.explain(image), Explanation)
    assert_type(classifier.explain([image]), Generator[Explanation, None, None])


def test_progress_is_told_the_number_of_images_where_it_is_known(
    classifier: ZeroShotClassifier,
) -> None:
    told: list[tuple[int, int]] = []
    images = [image_of(RED)] * 3

    def note(done: int, total: int) -> None:
        told.append((done, total))

    for number, _ in enumerate(classifier.predict(images, progress=note), 1):
        assert told[-1] == (number, 3)
    told.clear()
    list(classifier.predict(iter(images), progress=note))
    assert told == [(1, 1), (2, 2), (3, 3)]
    told.clear()
    classifier.predict(images[0], progress=note)
    assert told == [(1, 1)]


def test_predictions_that_are_given_up_leave_no_thread(classifier: ZeroShotClassifier) -> None:
    predictions = classifier.predict(image_of(RED) for _ in range(1000))
    next(predictions)
    assert [thread for thread in threading.enumerate() if "cupl" in thread.name]
    predictions.close()
    assert [thread for thread in threading.enumerate() if "cupl" in thread.name] == []


def test_no_images(classifier: ZeroShotClassifier) -> None:
    assert list(classifier.predict([])) == []


def test_images_are_read_as_predictions_are_asked_for(
    classifier: ZeroShotClassifier, encoder: HandMadeEncoder
) -> None:
    read = itertools.count()

    def endless() -> Iterator[Image.Image]:
        for index in read:
            yield image_of((RED, GREEN, BLUE)[index % 3])

    predictions = classifier.predict(endless())
    assert next(read) == 0
    labels = [one.label for one in itertools.islice(predictions, 70)]
    assert labels == [("rose", "leaf", "sky")[(index + 1) % 3] for index in range(70)]
    assert encoder.image_calls == [32, 32, 32]


@pytest.mark.parametrize("top_k", [1, 2, 3, 4, 1000])
def test_top_k(top_k: int, classifier: ZeroShotClassifier) -> None:
    prediction = classifier.predict(image_of(GREEN), top_k)
    assert [score.label for score in prediction.top] == ["leaf", "rose", "sky"][:top_k]


@pytest.mark.parametrize("top_k", [0, -1])
def test_top_k_below_one_is_refused_at_once(top_k: int, classifier: ZeroShotClassifier) -> None:
    with pytest.raises(InputError, match=f"top_k is {top_k}"):
        classifier.predict([], top_k)
    with pytest.raises(InputError, match=f"top_k is {top_k}"):
        classifier.predict_vectors(torch.ones(1, 3), top_k)


def test_equal_scores_are_ordered_as_the_classes(encoder: HandMadeEncoder) -> None:
    bank = bank_of({name: ["red"] for name in "zebra"} | {"x": ["green"]})
    prediction = ZeroShotClassifier.from_bank(bank, encoder).predict(image_of(RED), 6)
    assert [score.label for score in prediction.top] == [*"zebra", "x"]


def test_classes_of_one_name_are_told_apart_by_id(encoder: HandMadeEncoder) -> None:
    bank = PromptBank(
        name="twins",
        classes=[
            ClassPrompts(name="missile", id="n1", prompts={"q": ["red"]}),
            ClassPrompts(name="missile", id="n2", prompts={"q": ["blue"]}),
        ],
    )
    classifier = ZeroShotClassifier.from_bank(bank, encoder)
    assert [one.id for one in classifier.predict([image_of(RED), image_of(BLUE)])] == ["n1", "n2"]
    assert classifier.labels == [ClassLabel("missile", "n1"), ClassLabel("missile", "n2")]
