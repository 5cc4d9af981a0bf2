"""Finding the files of a sentence-transformers model, and what of them may be loaded.

Such a model is a chain of modules, which its ``modules.json`` names by their Python classes. Only
classes of the library itself are taken, of the kinds that turn texts into vectors.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path, PurePosixPath
from typing import Any

from cupl.encoders.foreign import check_sizes
from cupl.encoders.hub import ModelFiles, fetch_more
from cupl.encoders.model_parts import find_part
from cupl.errors import InputError
from cupl.io.json import read_json

_MODULES = "modules.json"
_KINDS = {
    "Transformer": True,
    "Pooling": False,
    "Dense": True,
    "Normalize": False,
    "Dropout": False,
    "LayerNorm": True,
    "WeightedLayerPooling": True,
}
"""The kinds of modules that are read, and whether they have weights."""
_CLASS = re.compile(r"sentence_transformers(\.\w{1,60}){1,5}", re.ASCII)
_ACTIVATION = re.compile(r"torch\.nn\.modules\.(activation|linear)\.\w{1,40}", re.ASCII)
_MOST = 20
_PATTERNS = ("*.json", "*.txt", "*.model")
_WEIGHTS = (
    ("model.safetensors", "model.safetensors.index.json", "model-*-of-*.safetensors"),
    ("pytorch_model.bin", "pytorch_model.bin.index.json", "pytorch_model-*-of-*.bin"),
)
_NO_DIFFERENCE = {"transformers_version", "_name_or_path", "dtype", "torch_dtype", "__version__",
                  "architectures", "pytorch_version"}  # fmt: skip
"""Settings that decide no vector."""


def find_sentences(name: str, revision: str | None, *, download: bool = True) -> ModelFiles:
    """Find a sentence-transformers model, and fetch its weights.

    Args:
        name: a local directory or a model hub name.
        revision: commit, branch or tag on the hub; its main branch by default.
        download: ask the hub for what is not on this machine.

    Raises:
        CuplError: as :func:`~cupl.encoders.hub.find_model`; or it has modules of kinds that are
            not read.

    """
    files = find_part(name, _PATTERNS, _MODULES, revision, download=download)
    if not (files.folder / _MODULES).is_file():
        raise InputError(
            f"{name} is no model of sentence-transformers, as a text encoder has to be: there is "
            f"no {_MODULES} in it"
        )
    folders = [files.folder / path for kind, path in _modules(files) if _KINDS[kind]]
    for fetched in (None, *_WEIGHTS):
        if fetched is not None:
            fetch_more(files, (_MODULES, *(f"*{pattern}" for pattern in fetched)))
        if all(map(_weights_in, folders)):
            return files
    without = next(folder for folder in folders if not _weights_in(folder))
    raise InputError(f"{files.name} has no weights: there is no {_WEIGHTS[0][0]} in {without}")


def sentence_weights(folder: Path) -> list[Path]:
    """The files that hold a model's weights."""
    names = [name for kind in _WEIGHTS for name in kind if not name.endswith(".json")]
    return [path for name in names for path in [*folder.glob(name), *folder.glob(f"*/{name}")]]


def digest_of_settings(folder: Path) -> str:
    """sha256 over the files of a model that decide its vectors beside the weights."""
    digest = hashlib.sha256()
    for path in sorted([*folder.glob("*.json"), *folder.glob("*/config.json")]):
        if "special_tokens_map" in path.name or path.name.endswith(".index.json"):
            continue
        settings = read_json(path)
        if isinstance(settings, dict):
            settings = {k: v for k, v in settings.items() if k not in _NO_DIFFERENCE}
        name = path.relative_to(folder).as_posix()
        digest.update(json.dumps([name, settings], sort_keys=True).encode())
    for path in sorted([*folder.glob("vocab.txt"), *folder.glob("*.model")]):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _weights_in(folder: Path) -> bool:
    return any((folder / name).is_file() for whole, index, _ in _WEIGHTS for name in (whole, index))


def _modules(files: ModelFiles) -> list[tuple[str, str]]:
    """Kind and folder of each module.

    Raises:
        InputError: the file is damaged, or names what is not read.

    """
    try:
        entries = read_json(files.folder / _MODULES)
        modules = [(str(entry["type"]), str(entry["path"])) for entry in entries[:_MOST]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{files.name}: its {_MODULES} is unusable") from error
    for kind, path in modules:
        _check_module(files, kind, path)
    if len(entries) > _MOST or not modules or not modules[0][0].endswith(".Transformer"):
        raise InputError(
            f"{files.name} does not begin with a transformer, so its texts are not read"
        )
    return [(kind.rpartition(".")[2], path) for kind, path in modules]


def _check_module(files: ModelFiles, kind: str, path: str) -> None:
    name = kind.rpartition(".")[2]
    if not _CLASS.fullmatch(kind) or name not in _KINDS:
        raise InputError(
            f"{files.name} has a module of the class {kind!r:.100}: only those of "
            f"sentence-transformers are loaded, and of these {', '.join(_KINDS)}"
        )
    parts = PurePosixPath(path)
    if parts.is_absolute() or ".." in parts.parts or "\\" in path or ":" in path:
        raise InputError(
            f"{files.name}: its {_MODULES} names a folder outside of it, {path!r:.100}"
        )
    check_sizes(files.folder / path)
    config: Any = {}
    if name == "Dense":
        try:
            config = read_json(files.folder / path / "config.json")
            activation = config.get("activation_function", "torch.nn.modules.activation.Tanh")
        except (OSError, ValueError, AttributeError) as error:
            raise InputError(f"{files.name}: the config.json in {path} is unusable") from error
        if not isinstance(activation, str) or not _ACTIVATION.fullmatch(activation):
            raise InputError(
                f"{files.name} has the activation {activation!r:.100}: only those of PyTorch are "
                "loaded"
            )
