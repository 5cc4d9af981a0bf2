"""Models in a form that is not read here: what they are, and the way out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from cupl.encoders.names import OPEN_CLIP_PREFIX
from cupl.errors import InputError
from cupl.io.file_kinds import is_pointer, kind_of_file
from cupl.io.json import read_json

_OPENAI = {
    "B32": "openai/clip-vit-base-patch32",
    "B16": "openai/clip-vit-base-patch16",
    "L14": "openai/clip-vit-large-patch14",
    "L14336": "openai/clip-vit-large-patch14-336",
}
_OPEN_CLIP_NAME = re.compile(
    r"((?:ViT|RN\d|EVA|convnext|coca|MobileCLIP|PE-Core|xlm-roberta|roberta-ViT|nllb-clip)"
    r"[\w@.-]*(?:/\d\d\w*(?:@\w+)?)?)(?:(?:::?|/)([\w.-]+))?",
    re.I,
)
_INSTALL = "(pip install 'cupl[open-clip]')"
_MAX_CONFIG = 8 * 2**20
_MOST_LAYERS = 1000
_COUNTS = ("num_hidden_layers", "num_attention_heads")
_WEIGHTS = {
    "*.gguf": "GGUF weights (llama.cpp)",
    "*.onnx": "ONNX weights",
    "onnx/*.onnx": "ONNX weights",
    "tf_model*.h5": "TensorFlow weights",
    "flax_model*.msgpack": "Flax weights",
    "*.ckpt": "a checkpoint of a training program (.ckpt)",
    "*.pt": "a file of torch.save (.pt)",
    "*.pth": "a file of torch.save (.pth)",
    "*.pkl": "a pickle",
    "*.incomplete": "a download that was cut off",
    "*.zip": "a zip archive: unpack it",
}


def check_name(name: str) -> None:
    """Refuse what is a model's name elsewhere and none of the hub.

    Raises:
        InputError: names what would be right, where that is known.

    """
    for prefix in ("hf-hub:", "local-dir:", "hf_hub:"):
        if name.startswith(prefix):
            raise InputError(
                f"{name!r:.100} is written as for open_clip: leave {prefix!r} out",
                arguments={"encoder": name.removeprefix(prefix)},
            )
    for prefix in ("open-clip:", "openclip:", "open_clip/"):
        if name.startswith(prefix):
            right = OPEN_CLIP_PREFIX + name.removeprefix(prefix)
            raise InputError(
                f"{name!r:.100}: a model of open_clip is written {right!r:.100}",
                arguments={"encoder": right},
            )
    if found := _OPEN_CLIP_NAME.fullmatch(name):
        raise _name_of_open_clip(name, *found.groups())


def _name_of_open_clip(name: str, model: str, tag: str | None) -> InputError:
    short = re.sub(r"[^BL\d]", "", model.removeprefix("ViT").removesuffix("px"))
    encoder = _OPENAI.get(short) if tag in (None, "openai") else None
    what = f"{name!r:.100} is a name of open_clip or of OpenAI's clip package"
    if encoder is not None:
        return InputError(
            f"{what}; OpenAI's of that size is {encoder}", arguments={"encoder": encoder}
        )
    if tag is None and model.startswith("RN"):
        tag = "openai"
    encoder = f"{OPEN_CLIP_PREFIX}{model.replace('/', '-')}/{tag or 'TAG'}"
    which = "" if tag else ", with the tag of its weights"
    return InputError(
        f"{what}: write {encoder}{which} {_INSTALL}", arguments={"encoder": encoder if tag else ...}
    )


def why_no_model(folder: Path) -> str | None:
    """What a folder without ``config.json`` is, and the way out; None where nothing is known."""
    if file := next(iter(sorted(folder.glob("open_clip_*"))), None):
        return (
            f"it holds weights of open_clip without open_clip_config.json: name them with their "
            f"architecture, {OPEN_CLIP_PREFIX}ARCHITECTURE/{file} {_INSTALL}"
        )
    if (folder / "model_index.json").is_file():
        return (
            "it holds a pipeline of diffusers, which has a text tower and no image tower: name the "
            "CLIP model that it was made of"
        )
    if (folder / "modules.json").is_file():
        inner = folder / "0_CLIPModel"
        if (inner / "config.json").is_file():
            return f"it holds a model of sentence-transformers: name {inner}, the CLIP in it"
        return (
            "it holds a model of sentence-transformers, whose texts have no space in common with "
            f"images: join it to images by bridge:google/vit-base-patch16-224+{folder}, or, if it "
            f"was trained to fit an image encoder, to that by pair:IMAGE_ENCODER+{folder}"
        )
    found = other_weights(folder)
    return None if found is None else f"there is {found} in it, without config.json"


def why_no_family(config: Mapping[str, object]) -> str:
    """Why a model of transformers whose type is not among ours is no encoder.

    Args:
        config: what its ``config.json`` says.

    """
    kind = str(config.get("model_type"))
    if kind.startswith("blip"):
        return (
            "it looks at an image and a text together and has no vectors of each that could be "
            "compared with many others; take a CLIP or SigLIP model"
        )
    if re.search(r"_(text|vision)_model", kind):
        return "it is one of two towers: name the model that it was taken from, which has both"
    if "auto_map" in config:
        return (
            "it brings its own Python code, which is never run; take a model that transformers "
            "itself knows"
        )
    return (
        "an encoder needs a whole model with a text and an image tower in one space, of a type "
        "that is read here: ALIGN, AltCLIP, Chinese-CLIP, CLIP, CLIPSeg, MetaCLIP 2, SigLIP or "
        "SigLIP 2"
    )


def other_weights(folder: Path) -> str | None:
    """Weights in a form that is not read, by the name of a file; None where there are none."""
    for pattern, kind in _WEIGHTS.items():
        if file := next(iter(sorted(folder.glob(pattern))), None):
            return f"{file.name!r:.80}, {kind},"
    return None


def check_pointers(folder: Path) -> None:
    """Refuse a model of which git brought only the pointers.

    Raises:
        InputError: names the first file.

    """
    for pattern in ("*.json", "*.txt", "*.safetensors", "*.bin"):
        for file in sorted(folder.glob(pattern)):
            if is_pointer(file):
                raise InputError(f"{file} is {kind_of_file(file)}")


def check_sizes(folder: Path) -> None:
    """Refuse a configuration that is larger than any, before it is made into objects.

    Raises:
        InputError: names the file.

    """
    for file in sorted(folder.glob("*config.json")):
        if not file.is_file():
            raise InputError(f"{file} is no file that can be read")
        if file.stat().st_size > _MAX_CONFIG:
            raise InputError(f"{file} is larger than {_MAX_CONFIG // 2**20} MB: no configuration")
    config = folder / "config.json"
    if config.is_file():
        try:
            read = read_json(config)
        except InputError:
            return  # which its reader says better
        for key, number in _counts(read):
            if not 1 <= number <= _MOST_LAYERS:
                raise InputError(f"{config}: {key} is {number!s:.20}, which no model has")


def _counts(config: object) -> Iterator[tuple[str, int]]:
    """Numbers of layers and of heads, however deep they stand."""
    if not isinstance(config, dict):
        return
    for key, value in config.items():
        if key in _COUNTS and isinstance(value, int):
            yield key, value
        yield from _counts(value)
