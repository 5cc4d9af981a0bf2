"""What is particular to MetaCLIP 2 and CLIPSeg."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer, ViTImageProcessorPil

from cupl.encoders.loading import load_encoder
from cupl.errors import InputError
from tests.encoders.families import OwnClipSeg, images, save_clipseg, save_metaclip2
from tests.encoders.files import edit_json
from tests.models import draw


@pytest.fixture(scope="module")
def clipseg(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_clipseg(tmp_path_factory.mktemp("clipseg"))


@pytest.fixture(scope="module")
def metaclip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_metaclip2(tmp_path_factory.mktemp("metaclip"))


@pytest.fixture
def copy(clipseg: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(clipseg, tmp_path / "copy"))


def test_the_files_of_clipseg_hold_a_decoder_that_is_not_read(clipseg: Path) -> None:
    named = json.loads((clipseg / "config.json").read_text("utf-8"))["architectures"]
    assert named == ["CLIPSegForImageSegmentation"]
    names = load_encoder(str(clipseg), "cpu")._model.state_dict()  # type: ignore[attr-defined]
    assert not [name for name in names if "decoder" in name]


def test_the_old_form_of_clipsegs_preprocessing(clipseg: Path, copy: Path) -> None:
    """As it was published: the size is one number, and the processor has its former name."""
    old = {
        "do_normalize": True,
        "do_resize": True,
        "feature_extractor_type": "ViTFeatureExtractor",
        "image_mean": [0.485, 0.456, 0.406],
        "image_std": [0.229, 0.224, 0.225],
        "resample": 2,
        "size": 352,
    }
    (copy / "preprocessor_config.json").write_text(json.dumps(old), "utf-8")
    encoder = load_encoder(str(copy), "cpu")
    assert encoder.image_side == 352
    processor, model = (
        ViTImageProcessorPil.from_pretrained(copy),
        OwnClipSeg.from_pretrained(copy),
    )
    for image in images():
        pixels = processor(image, return_tensors="pt")["pixel_values"]
        assert torch.equal(encoder.prepare(image), pixels[0])
        with torch.inference_mode():
            expected = model.get_image_features(pixels).pooler_output
        torch.testing.assert_close(encoder.encode_images([image]), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("side", [16, 20_000])
def test_a_side_that_clipseg_cannot_read_is_refused(side: int, copy: Path) -> None:
    edit_json(copy / "preprocessor_config.json", size={"height": side, "width": side})
    with pytest.raises(InputError, match=f"makes images of {side} pixels a side"):
        load_encoder(str(copy), "cpu")


def test_clipseg_reads_no_rectangles(copy: Path) -> None:
    edit_json(copy / "preprocessor_config.json", size={"height": 352, "width": 224})
    with pytest.raises(InputError, match="makes 352 x 224 pixels, but its model reads 352 x 352"):
        load_encoder(str(copy), "cpu")


def test_the_end_of_metaclips_texts_is_no_old_error(metaclip: Path, tmp_path: Path) -> None:
    """For CLIP an end of 2 means the highest id; here that is the mask, and 2 is the end."""
    tokenizer = AutoTokenizer.from_pretrained(metaclip)
    assert tokenizer("a")["input_ids"][-1] == 2 != max(tokenizer.get_vocab().values())
    copy = Path(shutil.copytree(metaclip, tmp_path / "copy"))
    config = json.loads((copy / "config.json").read_text("utf-8"))
    edit_json(copy / "config.json", text_config=config["text_config"] | {"eos_token_id": 5})
    with pytest.raises(InputError, match="do not end with the end-of-text token 5"):
        load_encoder(str(copy), "cpu")


def test_metaclips_images_are_squashed(metaclip: Path) -> None:
    encoder = load_encoder(str(metaclip), "cpu")
    wide = draw(448, 224)
    squashed = wide.resize((224, 224), 3)
    assert torch.equal(encoder.prepare(wide), encoder.prepare(squashed))
