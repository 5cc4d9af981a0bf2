"""Every family of transformers, written to disk and loaded as a user's would be.

What is expected is what the family's own processor and model of transformers give.
"""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from transformers import (
    AlignModel,
    AlignProcessor,
    AltCLIPModel,
    AltCLIPProcessor,
    AutoTokenizer,
    ChineseCLIPImageProcessorPil,
    ChineseCLIPModel,
    ChineseCLIPProcessor,
    CLIPImageProcessorPil,
    CLIPProcessor,
    CLIPSegProcessor,
    EfficientNetImageProcessorPil,
    MetaClip2Model,
    Siglip2ImageProcessorPil,
    Siglip2Model,
    Siglip2Processor,
    ViTImageProcessorPil,
)
from transformers.models.siglip2 import Siglip2Tokenizer

from cupl.embedding.bank_encoding import encode_bank
from cupl.encoders.loading import load_encoder
from cupl.encoders.transformers_dual import DualEncoder
from cupl.errors import InputError
from tests.encoders.families import SAVE, SIZES, SPELLED, TEXTS, OwnClipSeg, images
from tests.encoders.files import edit_json
from tests.models import bank_of, draw

PADDED: Any = {"padding": "max_length", "truncation": True}
OWN: dict[str, tuple[Any, Any, Any, Any, dict[str, Any]]] = {
    "align": (AlignModel, AlignProcessor, EfficientNetImageProcessorPil, AutoTokenizer, PADDED),
    "altclip": (
        AltCLIPModel,
        AltCLIPProcessor,
        CLIPImageProcessorPil,
        AutoTokenizer,
        {"padding": True, "truncation": True, "max_length": 77},
    ),
    "chinese_clip": (
        ChineseCLIPModel,
        ChineseCLIPProcessor,
        ChineseCLIPImageProcessorPil,
        AutoTokenizer,
        {**PADDED, "max_length": 52},
    ),
    "clipseg": (
        OwnClipSeg,
        CLIPSegProcessor,
        ViTImageProcessorPil,
        AutoTokenizer,
        {**PADDED, "max_length": 77},
    ),
    "metaclip_2": (
        MetaClip2Model,
        CLIPProcessor,
        CLIPImageProcessorPil,
        AutoTokenizer,
        {**PADDED, "max_length": 77},
    ),
    "siglip2": (Siglip2Model, Siglip2Processor, Siglip2ImageProcessorPil, Siglip2Tokenizer, {}),
}
"""Model, processor, its two halves, and how its texts are padded where it does not say itself."""
LONGEST = {
    "align": 64,
    "altclip": 77,
    "chinese_clip": 52,
    "clipseg": 77,
    "metaclip_2": 77,
    "siglip2": 64,
}


class Own:
    """A family as transformers itself runs it."""

    def __init__(self, kind: str, folder: Path) -> None:
        model, processor, image_processor, tokenizer, self.text = OWN[kind]
        self.model = model.from_pretrained(folder)
        self.processor = processor(
            image_processor.from_pretrained(folder),
            # A special token that a prompt spells out is text.
            tokenizer.from_pretrained(folder, split_special_tokens=True),
        )

    def pixels(self, image: Image.Image) -> Any:
        return self.processor(images=image, return_tensors="pt")

    def images(self, images: list[Image.Image]) -> torch.Tensor:
        with torch.inference_mode():
            found = [
                self.model.get_image_features(**self.pixels(image)).pooler_output
                for image in images
            ]
        return torch.cat(found)

    def tokens(self, texts: list[str]) -> Any:
        made = self.processor(text=texts, return_tensors="pt", **self.text)
        made.pop("token_type_ids", None)
        return made

    def texts(self, texts: list[str]) -> torch.Tensor:
        with torch.inference_mode():
            found = [self.model.get_text_features(**self.tokens([t])).pooler_output for t in texts]
        return torch.cat(found)


@pytest.fixture(scope="module", params=sorted(SAVE))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def folder(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = SAVE[kind](tmp_path_factory.mktemp(kind))
    return folder


@pytest.fixture(scope="module")
def encoder(folder: Path) -> DualEncoder:
    return load(folder)


@pytest.fixture(scope="module")
def own(kind: str, folder: Path) -> Own:
    return Own(kind, folder)


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "copy"))


def load(folder: Path, precision: str = "auto") -> DualEncoder:
    loaded = load_encoder(str(folder), "cpu", precision)
    assert isinstance(loaded, DualEncoder)
    return loaded


def test_texts_are_those_of_the_family(kind: str, encoder: DualEncoder, own: Own) -> None:
    # The special tokens of XLM-R are pieces, too, and transformers finds them in every text.
    texts = TEXTS if kind in ("altclip", "metaclip_2") else TEXTS + SPELLED
    expected = own.texts(texts)
    torch.testing.assert_close(encoder.encode_text(texts), expected, rtol=0, atol=1e-5)
    different = torch.nn.functional.normalize(expected[2:9])
    assert torch.pdist(different).min() > 1e-3


@pytest.mark.parametrize("spelled", SPELLED)
def test_a_special_token_spelled_in_a_prompt_is_text(spelled: str, encoder: DualEncoder) -> None:
    with_it, without = encoder._tokenizer(  # as cupl.encoders.batching.tokenize does
        [f"a {spelled} cat", "a cat"], split_special_tokens=True
    )["input_ids"]
    special = set(encoder._tokenizer.all_special_ids) - {encoder._tokenizer.unk_token_id}
    assert [i for i in with_it if i in special] == [i for i in without if i in special]
    assert encoder.count_tokens([f"a {spelled} cat"])[0] > encoder.count_tokens(["a cat"])[0]


def test_images_are_those_of_the_family(encoder: DualEncoder, own: Own) -> None:
    expected = own.images(images())
    torch.testing.assert_close(encoder.encode_images(images()), expected, rtol=0, atol=1e-5)
    assert torch.pdist(torch.nn.functional.normalize(expected)).min() > 1e-3


@pytest.mark.parametrize("size", SIZES)
def test_pixels_are_those_of_the_processor(
    size: tuple[int, int], kind: str, encoder: DualEncoder, own: Own
) -> None:
    image = draw(*size)
    expected = own.pixels(image)
    found = encoder.prepare(image)
    if kind != "siglip2":
        assert torch.equal(found, expected["pixel_values"][0])
        return
    assert torch.equal(found[:, :-2], expected["pixel_values"][0])
    assert torch.equal(found[:, -1] > 0, expected["pixel_attention_mask"][0] > 0)
    assert torch.equal(found[0, -2:], expected["spatial_shapes"][0].float())


def test_cosines_are_scaled_as_in_the_model(encoder: DualEncoder, own: Own) -> None:
    texts, pictures = ["a cat", "a large dog"], images()[:1]
    with torch.inference_mode():
        logits = own.model(**own.tokens(texts), **own.pixels(pictures[0])).logits_per_image
    cosines = torch.cosine_similarity(
        encoder.encode_images(pictures)[:, None], encoder.encode_text(texts), dim=-1
    )
    found = encoder.logit_scale * cosines + (encoder.logit_bias or 0)
    torch.testing.assert_close(found, logits, rtol=1e-4, atol=1e-4)


def test_long_texts_are_cut_where_training_cut_them(
    kind: str, encoder: DualEncoder, own: Own
) -> None:
    long = "dog " * 200
    assert encoder.max_tokens == LONGEST[kind]
    assert encoder.count_tokens([long])[0] > encoder.max_tokens
    mask = own.tokens([long]).get("attention_mask")
    assert mask is None or int(mask.sum()) == encoder.max_tokens
    vectors = encode_bank(bank_of({"dog": [long], "cat": ["a cat"]}), encoder)
    assert vectors.provenance.truncated == (("dog", long),)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_is_close_and_the_same_encoder(
    precision: str, encoder: DualEncoder, folder: Path
) -> None:
    half = load(folder, precision)
    for found, expected in (
        (half.encode_text(TEXTS), encoder.encode_text(TEXTS)),
        (half.encode_images(images()), encoder.encode_images(images())),
    ):
        assert found.dtype == torch.float32
        assert torch.cosine_similarity(found, expected).min() > 0.99
    assert half.fingerprint == encoder.fingerprint


def test_weights_in_half_precision_and_in_shards(
    kind: str, encoder: DualEncoder, copy: Path
) -> None:
    model = OWN[kind][0].from_pretrained(copy)
    (copy / "model.safetensors").unlink()
    model.half().save_pretrained(copy, max_shard_size="20KB")
    assert len(list(copy.glob("model-*-of-*.safetensors"))) > 1
    rounded = load(copy)
    assert rounded.precision == "float32"
    assert rounded.fingerprint != encoder.fingerprint
    expected = Own(kind, copy)
    expected.model.float()
    torch.testing.assert_close(rounded.encode_text(TEXTS), expected.texts(TEXTS), rtol=0, atol=1e-5)


def test_a_tokenizer_of_another_model_is_refused(copy: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(copy)
    tokenizer.add_tokens(["<new>"])
    tokenizer.save_pretrained(copy)
    with pytest.raises(InputError, match="tokenizer .* does not fit .* is beyond the"):
        load(copy)


@pytest.mark.parametrize("file", ["config.json", "preprocessor_config.json"])
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe"])
def test_a_damaged_file_is_one_line(file: str, content: bytes, copy: Path) -> None:
    (copy / file).write_bytes(content)
    with pytest.raises(InputError) as caught:
        load(copy)
    assert str(copy) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_one_that_lacks_weights_is_refused(kind: str, copy: Path) -> None:
    model = OWN[kind][0].from_pretrained(copy)
    del model.text_model
    model.save_pretrained(copy)
    with pytest.raises(InputError, match=r"\d+ of its weights are missing, such as text_model"):
        load(copy)


def test_loading_is_quiet(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    load(folder).encode_text(["dog " * 200])
    assert capfd.readouterr() == ("", "")


def test_settings_that_change_vectors_change_the_fingerprint(
    kind: str, encoder: DualEncoder, copy: Path
) -> None:
    assert load(copy).fingerprint == encoder.fingerprint
    change: dict[str, Any] = {"image_mean": [0.4, 0.5, 0.5]}
    if kind == "align":
        change = {"rescale_offset": False}
    if kind == "siglip2":
        change = {"max_num_patches": 128}
    edit_json(copy / "preprocessor_config.json", **change)
    assert load(copy).fingerprint != encoder.fingerprint
