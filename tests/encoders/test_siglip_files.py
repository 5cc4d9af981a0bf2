"""Loading SigLIP models whose files are whole, unusual, damaged or hostile."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from transformers import (
    BlipConfig,
    PreTrainedTokenizerFast,
    SiglipTextConfig,
    SiglipTextModel,
    SiglipVisionConfig,
    SiglipVisionModel,
    ViTConfig,
)

from cupl.encoders.loading import load_encoder
from cupl.errors import InputError
from tests.encoders.files import edit_json
from tests.models import save_siglip


@pytest.fixture(scope="module", params=[1, 2])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_siglip(tmp_path_factory.mktemp("siglip"), generation=request.param)


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "copy"))


def test_loading_is_quiet(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    load_encoder(str(folder), "cpu").encode_text(["dog " * 200])
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (SiglipTextConfig(), "'siglip_text_model'; it is one of two towers"),
        (SiglipVisionConfig(), "'siglip_vision_model'; it is one of two towers"),
        (BlipConfig(), "'blip'; it looks at an image and a text together"),
        (ViTConfig(), "'vit'; an encoder needs a whole model .* AltCLIP, .* SigLIP 2"),
    ],
)
def test_another_kind_of_model_is_named(config: Any, said: str, copy: Path) -> None:
    config.save_pretrained(copy)
    with pytest.raises(InputError, match=f"is a model of type {said}"):
        load_encoder(str(copy), "cpu")


@pytest.mark.parametrize("kind", [None, ["clip"], {}, "../clip"])
def test_a_type_that_is_none_is_refused(kind: object, copy: Path) -> None:
    edit_json(copy / "config.json", model_type=kind)
    with pytest.raises(InputError, match="is a model of type"):
        load_encoder(str(copy), "cpu")


def test_code_that_comes_with_a_model_is_not_run(copy: Path) -> None:
    edit_json(copy / "config.json", model_type="jina_clip", auto_map={"AutoModel": "own.Model"})
    with pytest.raises(InputError, match="brings its own Python code, which is never run"):
        load_encoder(str(copy), "cpu")


def test_a_fixed_size_under_the_type_of_any_shape_is_refused(copy: Path) -> None:
    edit_json(copy / "config.json", model_type="siglip2")
    with pytest.raises(InputError, match=r"as a SigLIP 2 \(NaFlex\) model: its weights have other"):
        load_encoder(str(copy), "cpu")


@pytest.mark.parametrize("tower", ["text", "vision"])
def test_one_tower_that_says_it_is_the_whole_is_refused(tower: str, copy: Path) -> None:
    config = json.loads((copy / "config.json").read_text("utf-8"))
    model: Any
    if tower == "text":
        model = SiglipTextModel(SiglipTextConfig(**config["text_config"]))
    else:
        model = SiglipVisionModel(SiglipVisionConfig(**config["vision_config"]))
    model.save_pretrained(copy)
    (copy / "config.json").write_text(json.dumps(config), "utf-8")
    with pytest.raises(InputError, match="of its weights are missing, such as logit_bias"):
        load_encoder(str(copy), "cpu")


@pytest.mark.parametrize(
    "sizes", [{"text": {"projection_size": 8}}, {"vision": {"vision_use_head": False}}]
)
def test_towers_without_a_common_space_are_refused(sizes: Any, tmp_path: Path) -> None:
    save_siglip(tmp_path, **sizes)
    with pytest.raises(InputError, match="no whole SigLIP model: its towers have no common space"):
        load_encoder(str(tmp_path), "cpu")


def test_a_tokenizer_of_another_size_is_refused(copy: Path) -> None:
    tokenizer = PreTrainedTokenizerFast.from_pretrained(copy)
    tokenizer.add_tokens(["<new>"])
    tokenizer.save_pretrained(copy)
    with pytest.raises(InputError, match="tokenizer .* does not fit .* is beyond the"):
        load_encoder(str(copy), "cpu")


def test_a_tokenizer_without_padding_is_refused(copy: Path) -> None:
    edit_json(copy / "tokenizer_config.json", pad_token=None)
    with pytest.raises(InputError, match="it has no token to pad with"):
        load_encoder(str(copy), "cpu")


def test_a_tokenizer_that_ends_no_text_is_refused(copy: Path) -> None:
    edit_json(copy / "tokenizer.json", post_processor=None)
    edit_json(copy / "tokenizer_config.json", add_eos_token=False)
    with pytest.raises(InputError, match="texts must have an end token"):
        load_encoder(str(copy), "cpu")


def test_preprocessing_that_leaves_images_as_they_are_is_refused(copy: Path) -> None:
    edit_json(copy / "preprocessor_config.json", do_resize=False)
    with pytest.raises(InputError, match="does not bring images to the 224 x 224 pixels"):
        load_encoder(str(copy), "cpu")


def test_preprocessing_of_another_size_is_refused(copy: Path) -> None:
    edit_json(copy / "preprocessor_config.json", size={"height": 384, "width": 384})
    with pytest.raises(InputError, match="makes 384 x 384 pixels, but its model reads 224 x 224"):
        load_encoder(str(copy), "cpu")


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("preprocessor_config.json", "there is no preprocessor_config.json"),
        ("tokenizer.json", "there is no tokenizer.json"),
        ("model.safetensors", "has no weights"),
    ],
)
def test_a_missing_file_is_named(file: str, said: str, copy: Path) -> None:
    (copy / file).unlink()
    with pytest.raises(InputError, match=said):
        load_encoder(str(copy), "cpu")


@pytest.mark.parametrize("file", ["config.json", "preprocessor_config.json", "tokenizer.json"])
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe"])
def test_a_damaged_file_is_one_line(file: str, content: bytes, copy: Path) -> None:
    (copy / file).write_bytes(content)
    with pytest.raises(InputError) as caught:
        load_encoder(str(copy), "cpu")
    assert str(copy) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_cut_off_weights_are_one_line(copy: Path) -> None:
    file = copy / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(InputError, match="cannot be loaded as a SigLIP model"):
        load_encoder(str(copy), "cpu")
