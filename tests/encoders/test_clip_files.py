"""Loading CLIP models whose files are whole, unusual, damaged or hostile."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    CLIPModel,
    CLIPTextConfig,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
)
from transformers.utils import logging

from cupl.encoders.loading import load_encoder
from cupl.errors import InputError
from tests.encoders.files import edit_json
from tests.models import save_clip, save_tokenizer


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "copy"))


def test_loading_is_quiet_and_leaves_the_settings(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    load_encoder(str(folder), "cpu").encode_text(["dog " * 200])
    assert capfd.readouterr() == ("", "")
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == (level, bars)


def test_a_text_tower_alone_is_no_encoder(tmp_path: Path) -> None:
    size = save_tokenizer(tmp_path)
    config = CLIPTextConfig(hidden_size=32, intermediate_size=64, vocab_size=size)
    CLIPTextModelWithProjection(config).save_pretrained(tmp_path)
    with pytest.raises(InputError, match="is a model of type 'clip_text_model'"):
        load_encoder(str(tmp_path), "cpu")


@pytest.mark.parametrize("kind", ["bert", "blip", "clip_vision_model", "siglip_text_model"])
def test_another_kind_of_model_is_named(kind: str, copy: Path) -> None:
    edit_json(copy / "config.json", model_type=kind)
    with pytest.raises(InputError, match=f"is a model of type '{kind}'"):
        load_encoder(str(copy), "cpu")


def test_a_model_without_projections_is_refused(copy: Path) -> None:
    model = CLIPModel.from_pretrained(copy)
    state = {key: value for key, value in model.state_dict().items() if "projection" not in key}
    model.save_pretrained(copy, state_dict=state)
    with pytest.raises(InputError, match="2 of its weights are missing, such as text_projection"):
        load_encoder(str(copy), "cpu")


def test_sizes_that_contradict_the_weights_are_refused(copy: Path) -> None:
    edit_json(copy / "config.json", projection_dim=8)
    with pytest.raises(InputError, match="cannot be loaded as a CLIP model"):
        load_encoder(str(copy), "cpu")


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("config.json", "there is no config.json"),
        ("preprocessor_config.json", "there is no preprocessor_config.json"),
        ("tokenizer.json", "there is no tokenizer.json"),
        ("model.safetensors", "has no weights: neither model.safetensors nor pytorch_model.bin"),
    ],
)
def test_a_missing_file_is_named(file: str, said: str, copy: Path) -> None:
    (copy / file).unlink()
    with pytest.raises(InputError, match=said) as caught:
        load_encoder(str(copy), "cpu")
    assert "\n" not in str(caught.value)


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
    with pytest.raises(InputError, match="cannot be loaded as a CLIP model"):
        load_encoder(str(copy), "cpu")


def test_a_pickle_that_runs_code_is_refused(copy: Path, tmp_path: Path) -> None:
    class Attack:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "owned",))

    (copy / "model.safetensors").unlink()
    torch.save({"weight": Attack()}, copy / "pytorch_model.bin")
    with pytest.raises(InputError, match="hold more than tensors and could run code"):
        load_encoder(str(copy), "cpu")
    assert not (tmp_path / "owned").exists()


def test_code_that_comes_with_a_model_is_not_run(copy: Path, tmp_path: Path) -> None:
    attack = f"import pathlib\npathlib.Path({str(tmp_path / 'owned')!r}).touch()\n"
    (copy / "attack.py").write_text(attack, "utf-8")
    edit_json(copy / "tokenizer_config.json", auto_map={"AutoTokenizer": ["attack.T", "attack.T"]})
    edit_json(copy / "config.json", auto_map={"AutoModel": "attack.M", "AutoConfig": "attack.C"})
    load_encoder(str(copy), "cpu")
    assert not (tmp_path / "owned").exists()


def test_a_tokenizer_that_ends_elsewhere_is_refused(copy: Path) -> None:
    config = json.loads((copy / "config.json").read_text("utf-8"))
    config["text_config"]["eos_token_id"] = 7
    edit_json(copy / "config.json", **config)
    with pytest.raises(InputError, match="do not end with the end-of-text token 7"):
        load_encoder(str(copy), "cpu")


def test_a_tokenizer_of_another_size_is_refused(copy: Path) -> None:
    tokenizer = CLIPTokenizer.from_pretrained(copy)
    tokenizer.add_tokens(["<new>"])
    tokenizer.save_pretrained(copy)
    with pytest.raises(InputError, match="is beyond the"):
        load_encoder(str(copy), "cpu")


def test_preprocessing_of_another_size_is_refused(copy: Path) -> None:
    edit_json(copy / "preprocessor_config.json", crop_size={"height": 336, "width": 336})
    with pytest.raises(InputError, match="makes 336 x 336 pixels, but its model reads 224 x 224"):
        load_encoder(str(copy), "cpu")


@pytest.mark.parametrize("changes", [
    {"image_mean": [0.5, 0.5]}, {"image_std": [0.5] * 4}, {"image_std": [0, 1, 1]},
    {"image_mean": "no"}, {"image_std": [float("nan")] * 3}, {"rescale_factor": "x"},
    {"resample": 77}, {"size": {"shortest_edge": 10**9}}, {"size": {"shortest_edge": -5}},
    {"size": {"height": 3}}, {"crop_size": {"height": 224}}, {"crop_size": 10**9},
    {"do_center_crop": False}, {"size": {"shortest_edge": "224"}},
])  # fmt: skip
def test_image_preprocessing_that_cannot_be_used(copy: Path, changes: dict[str, Any]) -> None:
    """Noticed as the model is loaded, not at its first image."""
    edit_json(copy / "preprocessor_config.json", **changes)
    with pytest.raises(InputError) as caught:
        load_encoder(str(copy), "cpu")
    assert str(copy) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("number", [0, -1, 10**9, 10**30])
@pytest.mark.parametrize("key", ["num_hidden_layers", "num_attention_heads"])
@pytest.mark.parametrize("tower", ["text_config", "vision_config"])
def test_layers_and_heads_that_no_model_has(copy: Path, tower: str, key: str, number: int) -> None:
    """Refused before layers are made, which would take for ever, or fail in a product."""
    config = json.loads((copy / "config.json").read_text("utf-8"))
    config[tower][key] = number
    (copy / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match=f"config.json: {key} is .*, which no model has"):
        load_encoder(str(copy), "cpu")


def test_a_pipe_in_place_of_a_configuration(copy: Path) -> None:
    (copy / "config.json").unlink()
    os.mkfifo(copy / "config.json")
    with pytest.raises(InputError):
        load_encoder(str(copy), "cpu")


def test_a_length_of_texts_that_is_no_number(copy: Path) -> None:
    edit_json(copy / "tokenizer_config.json", model_max_length="77")
    with pytest.raises(InputError, match="cannot be"):
        load_encoder(str(copy), "cpu")
