"""What is particular to SigLIP 2 models for images of any shape."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import Siglip2ImageProcessorPil

from cupl.encoders.loading import load_encoder
from cupl.encoders.protocol import Encoder
from cupl.errors import InputError
from tests.encoders.families import save_naflex
from tests.encoders.files import edit_json
from tests.models import draw


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_naflex(tmp_path_factory.mktemp("naflex"))


@pytest.fixture(scope="module")
def encoder(folder: Path) -> Encoder:
    return load_encoder(str(folder), "cpu")


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "copy"))


@settings(max_examples=25, deadline=None)
@given(width=st.integers(1, 700), height=st.integers(1, 700))
def test_images_of_any_shape_have_one_and_keep_theirs(
    encoder: Encoder, width: int, height: int
) -> None:
    prepared = encoder.prepare(draw(width, height))
    assert prepared.shape == (256, 3 * 16 * 16 + 2)
    rows, columns = (int(number) for number in prepared[0, -2:])
    assert rows * columns <= 256
    assert int((prepared[:, -1] > 0).sum()) == rows * columns
    assert not prepared[rows * columns :].any()


def test_shapes_beside_each_other_do_not_matter(encoder: Encoder) -> None:
    images = [draw(640, 100), draw(100, 640), draw(256, 256), draw(5, 5)]
    together = encoder.encode_images(images)
    alone = torch.cat([encoder.encode_images([image]) for image in images])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)


def test_a_strip_becomes_one_row(encoder: Encoder) -> None:
    assert encoder.prepare(draw(60_000, 1))[0, -2:].tolist() == [1, 256]


def test_capitals_do_not_matter_and_punctuation_does(encoder: Encoder) -> None:
    lower, upper, marked = encoder.encode_text(["a small cat", "A SMALL Cat", "a small cat."])
    assert torch.equal(lower, upper)
    assert not torch.equal(lower, marked)


def test_other_numbers_of_patches(copy: Path) -> None:
    """Their paper also evaluates 64 to 1,024 patches, on the same weights."""
    edit_json(copy / "preprocessor_config.json", max_num_patches=64)
    encoder, image = load_encoder(str(copy), "cpu"), draw(333, 120)
    expected = Siglip2ImageProcessorPil.from_pretrained(copy)(image, return_tensors="pt")
    assert encoder.image_side == 128
    assert torch.equal(encoder.prepare(image)[:, :-2], expected["pixel_values"][0])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"patch_size": 14}, "makes patches of 14 pixels, but its model reads 16"),
        ({"max_num_patches": 0}, "makes 0 patches"),
        ({"max_num_patches": 10**9}, "makes 1000000000 patches"),
        ({"max_num_patches": "many"}, "makes 'many' patches"),
        ({"do_resize": False}, "does not resize"),
        ({"image_std": [0.0, 0.0, 0.0]}, "no patches of finite numbers"),
        ({"image_mean": "grey"}, "cannot be used"),
    ],
)
def test_preprocessing_that_does_not_fit_is_refused(
    changes: dict[str, object], said: str, copy: Path
) -> None:
    edit_json(copy / "preprocessor_config.json", **changes)
    with pytest.raises(InputError, match=f"preprocessing of .* {said}"):
        load_encoder(str(copy), "cpu")


def test_towers_without_a_common_space_are_refused(copy: Path) -> None:
    config = json.loads((copy / "config.json").read_text("utf-8"))
    config["text_config"]["projection_size"] = 8
    (copy / "config.json").write_text(json.dumps(config), "utf-8")
    with pytest.raises(InputError, match=r"SigLIP 2 \(NaFlex\) model"):
        load_encoder(str(copy), "cpu")
