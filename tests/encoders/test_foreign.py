from collections.abc import Mapping
from pathlib import Path

import pytest

from cupl.encoders.hub import fetch_weights, find_model
from cupl.errors import InputError

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 5\n"


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (
            {"open_clip_pytorch_model.bin": ""},
            "open_clip:ARCHITECTURE/.*_model.bin",
        ),
        ({"model_index.json": "{}"}, "diffusers.*no image tower"),
        ({"modules.json": "[]", "0_CLIPModel/config.json": "{}"}, "name .*0_CLIPModel, the CLIP"),
        ({"tf_model.h5": ""}, "TensorFlow"),
        ({"model-q4.gguf": ""}, "GGUF"),
        ({"onnx/model.onnx": ""}, "ONNX"),
    ],
)
def test_a_folder_of_something_else(files: Mapping[str, str], said: str, tmp_path: Path) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=said):
        find_model(str(tmp_path))


@pytest.mark.parametrize(
    "name", ["config.json", "tokenizer.json", "merges.txt", "model.safetensors", "x.bin"]
)
def test_a_pointer_of_git_lfs(name: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / name).write_text(POINTER)
    with pytest.raises(InputError, match=f"{name} is a git-lfs pointer.*git lfs pull"):
        find_model(str(tmp_path))


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("flax_model.msgpack", "", "Flax"),
        ("model.pt", "", "torch.save"),
        ("model.safetensors.incomplete", "", "cut off"),
        (
            "model.safetensors.index.json",
            '{"weight_map": {"a": "model-1-of-2.safetensors"}}',
            "1 of 1 files that are missing: 'model-1-of-2",
        ),
    ],
)
def test_weights_that_are_not_there(name: str, data: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / name).write_text(data)
    with pytest.raises(InputError, match=said):
        fetch_weights(find_model(str(tmp_path)))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("ViT-B/32", "openai/clip-vit-base-patch32"),
        ("ViT-B-16::openai", "openai/clip-vit-base-patch16"),
        ("ViT-L/14@336px", "openai/clip-vit-large-patch14-336"),
        ("ViT-B-32::laion2b_s34b_b79k", "write open_clip:ViT-B-32/laion2b_s34b_b79k .*pip install"),
        ("ViT-B/32:laion2b_s34b_b79k", "write open_clip:ViT-B-32/laion2b_s34b_b79k "),
        ("coca_ViT-L-14/laion2b_s13b_b90k", "write open_clip:coca_ViT-L-14/laion2b_s13b_b90k "),
        ("RN50", "write open_clip:RN50/openai "),
        ("ViT-H-14", "write open_clip:ViT-H-14/TAG, with the tag"),
        ("MobileCLIP2-S0", "write open_clip:MobileCLIP2-S0/TAG"),
        ("open-clip:ViT-B-32/openai", "is written 'open_clip:ViT-B-32/openai'"),
        ("hf-hub:laion/CLIP-ViT-B-32-laion2B-s34B-b79K", "leave 'hf-hub:' out"),
    ],
)
def test_names_of_other_libraries(name: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        find_model(name)
    assert set(caught.value.arguments) == {"encoder"}


def test_a_file_in_place_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "clip.zip").write_bytes(b"PK\x03\x04")
    with pytest.raises(InputError, match=r"zip archive.*name the directory"):
        find_model(str(tmp_path / "clip.zip"))
