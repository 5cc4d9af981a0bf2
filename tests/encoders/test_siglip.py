"""SigLIP models with random weights, written to disk and loaded as a user's would be."""

import re
import shutil
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import (
    PreTrainedTokenizerFast,
    SiglipImageProcessorPil,
    SiglipModel,
)
from transformers.models.siglip2 import Siglip2Tokenizer

from cupl.classification.classifier import ZeroShotClassifier
from cupl.embedding.bank_encoding import encode_bank
from cupl.embedding.class_vectors import ClassVectors
from cupl.encoders.loading import load_encoder
from cupl.encoders.siglip import SiglipEncoder
from tests.encoders.files import edit_json
from tests.models import WORDS, bank_of, draw, save_siglip

BANK = bank_of(
    {
        "cat": ["A cat, small.", "the Cat has a photo"],
        "dog": ["a LARGE dog", "dog " * 100],
        "tree frog": ["A tree frog."],
    }
)
TEXTS = [
    "",
    "cat",
    "A photo of a  Cat.",
    "the small, tree-frog: has (a) large photo!",
    # What is left of the special tokens </s> and <unk> without punctuation.
    "Dogs and s, the unk\tas</s> ends",
    "dog " * 200,
]


@pytest.fixture(scope="module", params=[1, 2])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_siglip(tmp_path_factory.mktemp("siglip"), generation=request.param)


@pytest.fixture(scope="module")
def encoder(folder: Path) -> SiglipEncoder:
    return load(folder)


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "copy"))


def load(folder: Path, precision: str = "auto") -> SiglipEncoder:
    loaded = load_encoder(str(folder), "cpu", precision)
    assert isinstance(loaded, SiglipEncoder)
    return loaded


def canonical(text: str) -> str:
    """As the first generation's texts were cleaned; its own tokenizer needs sentencepiece."""
    bare = text.lower().translate(str.maketrans("", "", string.punctuation))
    return re.sub(r"\s+", " ", bare).strip()


def tokenize_alone(folder: Path, text: str) -> torch.Tensor:
    """A text as the model was trained on it: cleaned, cut and padded to 64; no mask."""
    is_first = "SiglipTokenizer" in (folder / "tokenizer_config.json").read_text("utf-8")
    kind: Any = PreTrainedTokenizerFast if is_first else Siglip2Tokenizer
    tokens = kind.from_pretrained(folder)(
        [canonical(text) if is_first else text],
        padding="max_length",
        max_length=64,
        truncation=True,
        return_tensors="pt",
    )
    assert tokens.keys() == {"input_ids"}
    ids: torch.Tensor = tokens["input_ids"]
    return ids  # [1, 64]


@torch.inference_mode()
def encode_alone(folder: Path, text: str) -> torch.Tensor:
    model = SiglipModel.from_pretrained(folder)
    vector: torch.Tensor = model.get_text_features(tokenize_alone(folder, text)).pooler_output[0]
    return vector


def test_what_an_encoder_says_of_itself(encoder: SiglipEncoder, folder: Path) -> None:
    assert encoder.id == str(folder)
    assert encoder.dim == 32
    assert encoder.max_tokens == 64
    assert encoder.logit_scale == pytest.approx(np.exp(2.01), rel=1e-6)
    assert encoder.logit_bias == pytest.approx(-3.01, rel=1e-6)


def test_texts_equal_texts_encoded_alone(encoder: SiglipEncoder, folder: Path) -> None:
    expected = torch.stack([encode_alone(folder, text) for text in TEXTS])
    torch.testing.assert_close(encoder.encode_text(TEXTS), expected, rtol=0, atol=1e-5)
    assert torch.pdist(expected).min() > 0.01


@settings(max_examples=15, deadline=None)
@given(texts=st.lists(st.lists(st.sampled_from(WORDS), max_size=5).map(" ".join), max_size=30))
def test_neighbours_order_and_repeats_do_not_matter(
    encoder: SiglipEncoder, texts: list[str]
) -> None:
    vectors = encoder.encode_text(texts + texts[::-1])
    assert vectors.shape == (2 * len(texts), encoder.dim)
    assert torch.equal(vectors[: len(texts)], vectors[len(texts) :].flip(0))
    for text, vector in zip(texts, vectors, strict=False):
        torch.testing.assert_close(encoder.encode_text([text])[0], vector, rtol=0, atol=1e-5)


def test_capitals_do_not_matter(encoder: SiglipEncoder) -> None:
    lower, upper = encoder.encode_text(["a small cat", "A SMALL Cat"])
    assert torch.equal(lower, upper)


def test_punctuation_matters_to_the_second_generation_only(
    encoder: SiglipEncoder, folder: Path
) -> None:
    is_first = "SiglipTokenizer" in (folder / "tokenizer_config.json").read_text("utf-8")
    plain, marked = encoder.encode_text(["a cat", " a  cat."])
    assert torch.equal(plain, marked) == is_first


def test_tokens_are_counted_without_padding_and_before_truncation(encoder: SiglipEncoder) -> None:
    assert encoder.count_tokens([""]) == [1]
    assert encoder.count_tokens(["cat"])[0] < encoder.count_tokens(["cat " * 63])[0]
    assert encoder.count_tokens(["cat " * 100])[0] > encoder.max_tokens


@pytest.mark.parametrize("spelled", ["</s>", "<eos>", "<pad>"])
def test_a_special_token_spelled_in_a_prompt_is_text(spelled: str, encoder: SiglipEncoder) -> None:
    assert encoder.count_tokens([f"a {spelled} cat"])[0] > encoder.count_tokens(["a cat"])[0]


@pytest.mark.parametrize(
    "size", [(450, 655), (640, 428), (224, 224), (37, 91), (1, 1), (2, 3), (3, 200), (60_000, 1)]
)
def test_pixels_are_those_of_the_processor(
    size: tuple[int, int], encoder: SiglipEncoder, folder: Path
) -> None:
    image = draw(*size)
    processor = SiglipImageProcessorPil.from_pretrained(folder)
    # Named, because transformers takes three columns for three colours.
    pixels = processor(image, input_data_format="channels_last", return_tensors="pt")
    expected = pixels["pixel_values"]
    assert torch.equal(encoder.prepare(image), expected[0])
    with torch.inference_mode():
        vector = SiglipModel.from_pretrained(folder).get_image_features(expected).pooler_output
    torch.testing.assert_close(encoder.encode_images([image]), vector, rtol=0, atol=1e-5)


def test_probabilities_are_those_of_the_model(
    encoder: SiglipEncoder, folder: Path, tmp_path: Path
) -> None:
    """From the bank through a file of vectors to the classes of an image."""
    bank = bank_of({"cat": ["A small cat."], "dog": ["the large dog"], "frog": ["Tree frog"]})
    images = [draw(30, 20, seed) for seed in range(3)]
    encode_bank(bank, encoder).save(tmp_path / "v")
    classifier = ZeroShotClassifier.load(tmp_path / "v", encoder)
    predictions = list(classifier.predict(images))
    model = SiglipModel.from_pretrained(folder)
    processor = SiglipImageProcessorPil.from_pretrained(folder)
    ids = torch.cat([tokenize_alone(folder, entry.texts[0]) for entry in bank.classes])
    with torch.inference_mode():
        logits = model(ids, **processor(images, return_tensors="pt")).logits_per_image
    for prediction, expected in zip(predictions, logits.sigmoid(), strict=True):
        found = {score.label: score.probability for score in prediction.top}
        assert [found[name] for name in ("cat", "dog", "frog")] == pytest.approx(
            expected.tolist(), abs=1e-5
        )
        assert prediction.label == ["cat", "dog", "frog"][int(expected.argmax())]


def test_vectors_keep_the_bias(encoder: SiglipEncoder, tmp_path: Path) -> None:
    vectors = encode_bank(BANK, encoder)
    assert vectors.provenance.logit_bias == encoder.logit_bias
    assert vectors.provenance.truncated == (("dog", "dog " * 100),)
    vectors.save(tmp_path / "v")
    loaded = ClassVectors.load(tmp_path / "v")
    assert loaded.provenance == vectors.provenance
    assert torch.equal(loaded.matrix, vectors.matrix)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_is_close_and_the_same_encoder(
    precision: str, encoder: SiglipEncoder, folder: Path
) -> None:
    half = load(folder, precision)
    images = [draw(30, 20, seed) for seed in range(3)]
    for found, expected in (
        (half.encode_text(TEXTS), encoder.encode_text(TEXTS)),
        (half.encode_images(images), encoder.encode_images(images)),
    ):
        assert found.dtype == torch.float32
        assert torch.cosine_similarity(found, expected).min() > 0.99
    assert half.precision == precision
    assert half.fingerprint == encoder.fingerprint
    assert (half.logit_scale, half.logit_bias) == (encoder.logit_scale, encoder.logit_bias)


def change_bias(folder: Path) -> None:
    model = SiglipModel.from_pretrained(folder)
    model.logit_bias.data += 1e-3
    model.save_pretrained(folder)


def change_preprocessing(folder: Path) -> None:
    edit_json(folder / "preprocessor_config.json", image_mean=[0.4, 0.5, 0.5])


def change_tokenizer(folder: Path) -> None:
    edit_json(folder / "tokenizer.json", normalizer={"type": "NFC"})


def change_padding(folder: Path) -> None:
    edit_json(folder / "tokenizer_config.json", pad_token="<unk>")


@pytest.mark.parametrize(
    "change", [change_bias, change_preprocessing, change_tokenizer, change_padding]
)
def test_fingerprint_tells_encoders_apart(
    change: Callable[[Path], None], copy: Path, encoder: SiglipEncoder
) -> None:
    assert load(copy).fingerprint == encoder.fingerprint
    change(copy)
    assert load(copy).fingerprint != encoder.fingerprint
