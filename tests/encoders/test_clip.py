"""CLIP models with random weights, written to disk and loaded as a user's would be."""

import json
import shutil
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from transformers import (
    CLIPImageProcessorPil,
    CLIPModel,
    CLIPTokenizer,
)

from cupl.encoders.clip import _NODES, _ROWS_ON_CPU, ClipEncoder
from cupl.encoders.loading import load_encoder
from cupl.encoders.prefix_tree import plant
from tests.encoders.files import edit_json
from tests.models import END, WORDS, draw, save_clip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="module")
def encoder(folder: Path) -> ClipEncoder:
    loaded = load_encoder(str(folder), device="cpu")
    assert isinstance(loaded, ClipEncoder)
    return loaded


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "copy"))


def encode_alone(folder: Path, text: str) -> torch.Tensor:
    """One text as CLIP was published: padded with zeros to 77, read at its end-of-text token."""
    model = CLIPModel.from_pretrained(folder)
    tokens = CLIPTokenizer.from_pretrained(folder)(text, truncation=True, max_length=77)
    ids = tokens["input_ids"]
    padded = torch.tensor([ids + [0] * (77 - len(ids))])
    with torch.inference_mode():
        states = model.text_model(input_ids=padded).last_hidden_state  # [1, 77, width]
        vector: torch.Tensor = model.text_projection(states[0, len(ids) - 1])
    return vector


def test_what_an_encoder_says_of_itself(encoder: ClipEncoder, folder: Path) -> None:
    assert encoder.id == str(folder)
    assert encoder.revision is None
    assert encoder.dim == 16
    assert encoder.max_tokens == 77
    assert encoder.logit_scale == pytest.approx(np.exp(2.6592), rel=1e-6)


@pytest.mark.parametrize("legacy_end", [False, True])
@pytest.mark.parametrize("safetensors", [False, True])
def test_texts_equal_texts_encoded_alone(
    legacy_end: bool, safetensors: bool, tmp_path: Path
) -> None:
    whole = save_clip(tmp_path, legacy_end=legacy_end)
    used = save_clip(tmp_path / "used", legacy_end=legacy_end, safetensors=safetensors)
    texts = ["", "cat", "a photo of a cat", "the small tree frog has a large photo", "dog " * 200]
    vectors = load_encoder(str(used), "cpu").encode_text(texts)
    expected = torch.stack([encode_alone(whole, text) for text in texts])
    torch.testing.assert_close(vectors, expected, rtol=0, atol=1e-5)
    assert torch.pdist(expected).min() > 0.01


def test_texts_that_share_their_beginnings_equal_texts_encoded_alone(
    encoder: ClipEncoder, folder: Path
) -> None:
    """More than one tree, more than one batch, and texts that are the beginning of others."""
    words = ["a", "photo of a", "small", "the"]
    texts = [" ".join(way) for size in range(5) for way in product(words, repeat=size)]
    texts += [f"{text} cat" * 4 for text in texts]
    vectors = encoder.encode_text(texts)
    for row in range(0, len(texts), 31):
        expected = encode_alone(folder, texts[row])
        torch.testing.assert_close(vectors[row], expected, rtol=0, atol=1e-5)
    tokens = encoder._tokenizer(texts)["input_ids"]
    assert len(list(plant(tokens, _NODES))) > 2 * _ROWS_ON_CPU


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_comes_close_and_is_the_same_encoder(
    precision: str, encoder: ClipEncoder, folder: Path
) -> None:
    half = load_encoder(str(folder), "cpu", precision, 2)
    assert half.precision == precision
    assert half.fingerprint == encoder.fingerprint
    images = [draw(30, 20, seed) for seed in range(5)]
    for ours, full in (
        (
            half.encode_text(["a cat", "a small frog"]),
            encoder.encode_text(["a cat", "a small frog"]),
        ),
        (half.encode_images(images), encoder.encode_images(images)),
    ):
        assert ours.dtype == torch.float32
        assert not torch.equal(ours, full)
        assert torch.cosine_similarity(ours, full).min() > 0.999


def test_images_go_through_the_model_in_batches(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder: Any = load_encoder(str(folder), "cpu", batch_size=2)
    original, sizes = encoder._encode_pixels, []

    def count(batch: torch.Tensor) -> Any:
        sizes.append(len(batch))
        return original(batch)

    monkeypatch.setattr(encoder, "_encode_pixels", count)
    prepared = torch.stack([encoder.prepare(draw(30, 20, seed)) for seed in range(5)])
    assert encoder.encode_prepared(prepared).shape == (5, encoder.dim)
    assert sizes == [2, 2, 1]


@settings(max_examples=15, deadline=None)
@given(texts=st.lists(st.lists(st.sampled_from(WORDS), max_size=5).map(" ".join), max_size=8))
def test_neighbours_order_and_repeats_do_not_matter(encoder: ClipEncoder, texts: list[str]) -> None:
    vectors = encoder.encode_text(texts + texts[::-1])
    assert vectors.shape == (2 * len(texts), encoder.dim)
    assert torch.equal(vectors[: len(texts)], vectors[len(texts) :].flip(0))
    for text, vector in zip(texts, vectors, strict=False):
        torch.testing.assert_close(encoder.encode_text([text])[0], vector, rtol=0, atol=1e-5)


def test_tokens_are_counted_before_truncation(encoder: ClipEncoder) -> None:
    assert encoder.count_tokens(["", "cat", "a cat", "cat " * 75, "cat " * 76]) == [2, 3, 4, 77, 78]


def test_an_end_token_spelled_in_a_prompt_does_not_end_it(encoder: ClipEncoder) -> None:
    assert encoder.count_tokens([f"a {END} photo"])[0] > 5
    cut, whole = encoder.encode_text([f"a {END}", f"a {END} photo of a cat"])
    assert not torch.allclose(cut, whole, atol=1e-3)


def reference_pixels(image: Image.Image) -> np.ndarray[Any, np.dtype[np.float32]]:
    """OpenAI's preprocessing: shorter side to 224 bicubic, centre crop, scale, normalise."""
    width, height = image.size
    short = min(width, height)
    size = (int(224 * width / short), int(224 * height / short))
    resized = image.resize(size, Image.Resampling.BICUBIC)
    left, top = (size[0] - 224) // 2, (size[1] - 224) // 2
    cropped = resized.crop((left, top, left + 224, top + 224))
    mean = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)
    std = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)
    scaled = np.asarray(cropped, np.float32) / np.float32(255)
    return ((scaled - mean) / std).transpose(2, 0, 1)


@pytest.mark.parametrize("size", [(450, 655), (640, 428), (224, 224), (37, 91), (1, 1), (3, 200)])
def test_images_equal_images_preprocessed_by_hand(
    size: tuple[int, int], encoder: ClipEncoder, folder: Path
) -> None:
    image = draw(*size)
    pixels = torch.from_numpy(reference_pixels(image))[None]
    model = CLIPModel.from_pretrained(folder)
    with torch.inference_mode():
        expected = model.get_image_features(pixel_values=pixels).pooler_output
    torch.testing.assert_close(encoder.encode_images([image]), expected, rtol=0, atol=1e-5)


def test_preprocessed_pixels_equal_the_reference(encoder: ClipEncoder) -> None:
    image = draw(450, 655)
    pixels = encoder._processor(images=[image], return_tensors="np")["pixel_values"][0]
    np.testing.assert_allclose(pixels, reference_pixels(image), rtol=0, atol=1e-6)


def test_preprocessing_is_pillows_whatever_is_installed(
    copy: Path, encoder: ClipEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if torchvision were there, and its class for CLIP made pixels of its own."""
    edit_json(copy / "preprocessor_config.json", image_processor_type="CLIPImageProcessorFast")
    auto = transformers.models.auto.image_processing_auto
    find = auto.get_image_processor_class_from_name

    class Torchvision(CLIPImageProcessorPil):
        def __init__(self, **settings: Any) -> None:
            super().__init__(**settings | {"resample": Image.Resampling.NEAREST})

    monkeypatch.setattr(auto, "is_torchvision_available", lambda: True)
    monkeypatch.setattr(
        auto,
        "get_image_processor_class_from_name",
        lambda name: Torchvision if name == "CLIPImageProcessor" else find(name),
    )
    other = load_encoder(str(copy), "cpu")
    image = draw(300, 200)
    assert torch.equal(other.encode_images([image]), encoder.encode_images([image]))


def test_images_keep_their_order_over_batches(encoder: ClipEncoder) -> None:
    images = [draw(30, 20, seed) for seed in range(35)]
    vectors = encoder.encode_images(images)
    assert vectors.shape == (35, encoder.dim)
    assert vectors.dtype == torch.float32
    torch.testing.assert_close(vectors[34:], encoder.encode_images(images[34:]), rtol=0, atol=1e-5)
    assert torch.pdist(vectors).min() > 1e-4


def test_nothing_in_nothing_out(encoder: ClipEncoder) -> None:
    assert encoder.encode_images([]).shape == (0, encoder.dim)
    assert encoder.encode_text([]).shape == (0, encoder.dim)


@pytest.mark.parametrize("turned", [False, True])
def test_an_extreme_strip_is_read_at_its_middle(turned: bool, encoder: ClipEncoder) -> None:
    strip = Image.new("RGB", (60_000, 1), "red")
    strip.paste((0, 0, 255), (29_990, 0, 30_010, 1))
    blue = Image.new("RGB", (10, 10), "blue")
    if turned:
        strip = strip.transpose(Image.Transpose.ROTATE_90)
    torch.testing.assert_close(
        encoder.encode_images([strip]), encoder.encode_images([blue]), rtol=0, atol=1e-5
    )


def test_fingerprint_stays_with_the_same_encoder(folder: Path, tmp_path: Path) -> None:
    first = load_encoder(str(folder), "cpu")
    pickled = load_encoder(str(save_clip(tmp_path / "other", safetensors=False)), "cpu")
    pickled.encode_text(["a photo of a cat"])
    assert len(first.fingerprint) == 64
    assert load_encoder(str(folder), "cpu").fingerprint == first.fingerprint
    assert pickled.fingerprint == first.fingerprint


def change_weights(folder: Path) -> None:
    model = CLIPModel.from_pretrained(folder)
    model.text_projection.weight.data[0, 0] += 1e-3
    model.save_pretrained(folder)


def change_activation(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text("utf-8"))
    config["text_config"]["hidden_act"] = "gelu"
    edit_json(folder / "config.json", **config)


def change_preprocessing(folder: Path) -> None:
    edit_json(folder / "preprocessor_config.json", image_mean=[0.5, 0.5, 0.5])


def change_tokenizer(folder: Path) -> None:
    file = folder / "tokenizer.json"
    tokenizer = json.loads(file.read_text("utf-8"))
    vocabulary = tokenizer["model"]["vocab"]
    vocabulary["cat</w>"], vocabulary["dog</w>"] = vocabulary["dog</w>"], vocabulary["cat</w>"]
    file.write_text(json.dumps(tokenizer), "utf-8")


@pytest.mark.parametrize(
    "change", [change_weights, change_activation, change_preprocessing, change_tokenizer]
)
def test_fingerprint_tells_encoders_apart(
    change: Callable[[Path], None], copy: Path, encoder: ClipEncoder
) -> None:
    change(copy)
    assert load_encoder(str(copy), "cpu").fingerprint != encoder.fingerprint


def test_files_as_the_default_model_has_them(tmp_path: Path) -> None:
    """Written by libraries of 2021: pickle, sizes as numbers, end-of-text id 2, surplus keys."""
    folder = save_clip(tmp_path, legacy_end=True, safetensors=False)
    expected = load_encoder(str(folder), "cpu").encode_text(["a photo of a cat"])
    weights = torch.load(folder / "pytorch_model.bin", weights_only=True)
    weights["text_model.embeddings.position_ids"] = torch.arange(77)[None]
    weights["vision_model.embeddings.position_ids"] = torch.arange(17)[None]
    torch.save(weights, folder / "pytorch_model.bin")
    config = json.loads((folder / "config.json").read_text("utf-8"))
    edit_json(
        folder / "config.json",
        text_config_dict=None,
        vision_config_dict=None,
        architectures=["CLIPModel"],
        torch_dtype="float32",
        transformers_version=None,
        text_config=config["text_config"] | {"model_type": "clip_text_model", "top_k": 50},
    )
    preprocessing = {
        "crop_size": 224,
        "do_center_crop": True,
        "do_normalize": True,
        "do_resize": True,
        "feature_extractor_type": "CLIPFeatureExtractor",
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711],
        "resample": 3,
        "size": 224,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(preprocessing), "utf-8")
    model = json.loads((folder / "tokenizer.json").read_text("utf-8"))["model"]
    (folder / "vocab.json").write_text(json.dumps(model["vocab"]), "utf-8")
    merges = [" ".join(pair) for pair in model["merges"]]
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n", "utf-8")
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").unlink()
    encoder = load_encoder(str(folder), "cpu")
    assert torch.equal(encoder.encode_text(["a photo of a cat"]), expected)
    pixels = reference_pixels(draw(50, 80))
    assert isinstance(encoder, ClipEncoder)
    ours = encoder._processor(images=[draw(50, 80)], return_tensors="np")["pixel_values"][0]
    np.testing.assert_allclose(ours, pixels, rtol=0, atol=1e-6)
