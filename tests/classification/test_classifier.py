import itertools
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import CLIPModel, CLIPTokenizer

from cupl.bank.labels import ClassLabel
from cupl.bank.model import ClassPrompts, PromptBank
from cupl.classification.classifier import ZeroShotClassifier
from cupl.classification.prediction import Prediction
from cupl.embedding.class_vectors import ClassVectors
from cupl.embedding.image_sources import ImageSource
from cupl.encoders.loading import load_encoder
from cupl.encoders.protocol import Encoder
from cupl.errors import CuplError, InputError, MissingFileError
from tests.models import HandMadeEncoder, bank_of, save_clip

RED, GREEN, BLUE, NOTHING, ODD = (
    (255, 0, 0),
    (0, 255, 0),
    (0, 0, 255),
    (0, 0, 0),
    (255, 255, 255),
)


def image_of(color: tuple[int, int, int], width: int = 4) -> Image.Image:
    return Image.new("RGB", (width, 3), color)


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


def test_scores_are_cosines_and_probabilities_their_softmax(
    classifier: ZeroShotClassifier,
) -> None:
    (prediction,) = classifier.predict(image_of(GREEN))
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
    (prediction,) = classifier.predict(image_of(GREEN))
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
        assert list(classifier.predict(source)) == [expected]


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
    (prediction,) = classifier.predict(image_of(GREEN), top_k)
    assert [score.label for score in prediction.top] == ["leaf", "rose", "sky"][:top_k]


@pytest.mark.parametrize("top_k", [0, -1])
def test_top_k_below_one_is_refused_at_once(top_k: int, classifier: ZeroShotClassifier) -> None:
    with pytest.raises(InputError, match=f"top_k is {top_k}"):
        classifier.predict([], top_k)
    with pytest.raises(InputError, match=f"top_k is {top_k}"):
        classifier.predict_vectors(torch.ones(1, 3), top_k)


def test_equal_scores_are_ordered_as_the_classes(encoder: HandMadeEncoder) -> None:
    bank = bank_of({name: ["red"] for name in "zebra"} | {"x": ["green"]})
    (prediction,) = ZeroShotClassifier.from_bank(bank, encoder).predict(image_of(RED), 6)
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


def test_vectors_encoded_earlier(classifier: ZeroShotClassifier, encoder: HandMadeEncoder) -> None:
    images = [image_of(color) for color in (GREEN, NOTHING, RED)]
    vectors = encoder.encode_images(images)
    expected = list(classifier.predict(images))
    assert classifier.predict_vectors(vectors) == expected
    assert classifier.predict_vectors(vectors.double().numpy() * 4) == expected


@pytest.mark.parametrize("row", [[0.0, 0.0, 0.0], [math.inf, 0.0, 0.0], [math.nan, 1.0, 0.0]])
def test_a_vector_without_direction_is_an_error(
    row: list[float], classifier: ZeroShotClassifier
) -> None:
    wrong, right = classifier.predict_vectors(torch.tensor([row, [0.0, 0.0, 1.0]]))
    assert wrong == Prediction(error="the image vector is zero or not finite")
    assert right.label == "sky"


@pytest.mark.parametrize("shape", [(3,), (2, 4), (1, 2, 3)])
def test_vectors_of_another_shape_are_refused(
    shape: tuple[int, ...], classifier: ZeroShotClassifier
) -> None:
    with pytest.raises(InputError, match=r"do not fit: \[images, 3\]"):
        classifier.predict_vectors(torch.ones(shape))


def test_no_vectors(classifier: ZeroShotClassifier) -> None:
    assert classifier.predict_vectors(torch.ones(0, 3)) == []


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
    assert list(loaded.predict(image_of(GREEN))) == list(made.predict(image_of(GREEN)))


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


def test_explain_says_what_decided_about_each_image(
    classifier: ZeroShotClassifier, tmp_path: Path
) -> None:
    (tmp_path / "damaged.jpg").write_bytes(b"no image")
    image_of(GREEN).save(tmp_path / "green.png")
    explanations = classifier.explain([tmp_path / "green.png", tmp_path / "damaged.jpg"])
    green, damaged = explanations
    assert green.path == str(tmp_path / "green.png")
    assert green.winner is not None
    assert green.runner_up is not None
    assert (green.winner.label, green.runner_up.label) == ("leaf", "rose")
    (spoke,) = green.winner.supporting
    assert (spoke.text, spoke.question) == ("green", "What?")
    assert spoke.cosine == pytest.approx(0.8)
    assert [prompt.text for prompt in green.runner_up.opposing] == ["red"]
    assert damaged.winner is None
    assert damaged.path == str(tmp_path / "damaged.jpg")
    assert str(damaged.error).startswith("not an image")
    (alone,) = classifier.explain(image_of(GREEN))
    assert alone == replace(green, path=None)


def test_a_prediction_carries_its_explanation(classifier: ZeroShotClassifier) -> None:
    without, with_it = (
        next(classifier.predict(image_of(GREEN), 2, explain=most)) for most in (0, 1)
    )
    assert without.explanation is None
    assert replace(with_it, explanation=None) == without
    assert with_it.explanation == next(classifier.explain(image_of(GREEN)))
    vectors = torch.tensor([[math.nan, 0.0, 0.0], [0.6, 0.8, 0.0]])
    wrong, right = classifier.predict_vectors(vectors, 2, explain=1)
    assert wrong == Prediction(error="the image vector is zero or not finite")
    assert right.explanation == with_it.explanation


def test_vectors_alone_explain_nothing_until_the_bank_is_given(
    classifier: ZeroShotClassifier, encoder: HandMadeEncoder, tmp_path: Path
) -> None:
    classifier.save(tmp_path / "v")
    alone = ZeroShotClassifier.load(tmp_path / "v", encoder)
    with pytest.raises(InputError, match="the bank that the class vectors were made of is needed"):
        alone.explain(image_of(GREEN))
    assert classifier.bank is not None
    classifier.bank.save(tmp_path / "bank.yaml")
    told = ZeroShotClassifier.load(tmp_path / "v", encoder, bank=tmp_path / "bank.yaml")
    assert list(told.explain(image_of(GREEN))) == list(classifier.explain(image_of(GREEN)))
    edited = bank_of({"rose": ["red"], "leaf": ["green", "blue"], "sky": ["blue"]})
    with pytest.raises(InputError, match="were not made of this bank 'animals'"):
        ZeroShotClassifier.load(tmp_path / "v", encoder, bank=edited)


def test_a_class_of_the_reject_bank_is_explained(encoder: HandMadeEncoder) -> None:
    classifier = ZeroShotClassifier.from_bank(
        bank_of({"rose": ["red"]}), encoder, reject=bank_of({"anything else": ["green"]})
    )
    (prediction,) = classifier.predict(image_of(GREEN), explain=2)
    assert prediction.label is None
    assert prediction.explanation is not None
    assert prediction.explanation.winner is not None
    assert prediction.explanation.winner.label == "anything else"
    assert [prompt.text for prompt in prediction.explanation.winner.supporting] == ["green"]


def test_an_explanation_has_the_temperature_of_the_classifier(
    classifier: ZeroShotClassifier,
) -> None:
    (before,) = classifier.predict(image_of(GREEN), explain=1)
    classifier.vectors = classifier.vectors.with_temperature(5.0)
    (after,) = classifier.predict(image_of(GREEN), explain=1)
    for prediction in (before, after):
        assert prediction.explanation is not None
        assert prediction.explanation.winner is not None
        assert prediction.explanation.winner.probability == pytest.approx(prediction.probability)
    assert after.probability != before.probability


def test_no_prompts_to_name(classifier: ZeroShotClassifier) -> None:
    with pytest.raises(InputError, match="most is 0"):
        classifier.explain(image_of(GREEN), 0)
