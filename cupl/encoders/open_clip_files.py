"""Where the parts of a model of open_clip lie: its configuration, its tokenizer and its weights.

All may come from anyone. A configuration can name models and tokenizers of the hub; they are
fetched where that is allowed, and as files only: code is never run, whatever it asks for.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from cupl.encoders.foreign import check_sizes
from cupl.encoders.hub import CONFIG_FILES, fetch, own_folder
from cupl.encoders.model_files import OPEN_CLIP_CONFIG
from cupl.encoders.names import OPEN_CLIP_PREFIX as PREFIX
from cupl.encoders.open_clip_config import check_config, check_text_tower
from cupl.encoders.open_clip_names import (
    WEIGHT_ENDINGS,
    import_open_clip,
    parse_open_clip_name,
)
from cupl.errors import InputError, MissingFileError
from cupl.io.file_kinds import is_pointer, kind_of_file
from cupl.io.json import read_json

_WEIGHTS = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin",
    "open_clip_pytorch_model.pth",
)
"""In the order in which they are preferred."""
_TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "vocab.txt",
    "*.model",
)
_HUB = "hf-hub:"


class OpenClipFiles(NamedTuple):
    """A model of open_clip on this machine."""

    name: str
    """Name that it can be loaded by from any folder."""
    revision: str | None
    """Commit of the hub; ``None`` for files of one's own."""
    config: dict[str, Any]
    """``model_cfg``; a text tower of transformers is named by the folder of its configuration."""
    preprocess: dict[str, Any]
    """``preprocess_cfg``."""
    tokenizer: Path | None
    """Folder of a tokenizer of transformers; ``None`` for CLIP's, which comes with open_clip."""
    weights: Path


def find_open_clip(
    name: str, revision: str | None = None, *, download: bool = True
) -> OpenClipFiles:
    """Find a model, and fetch of it what is not on this machine.

    Args:
        name: ``open_clip:ARCHITECTURE/TAG``, ``open_clip:ARCHITECTURE/PATH/FILE``, a directory
            with ``open_clip_config.json``, or a hub name of a repository with it; the last two may
            follow ``open_clip:`` and ``open_clip:hf-hub:``.
        revision: commit, branch or tag on the hub; its main branch by default.
        download: ask the hub for what is not on this machine.

    Raises:
        MissingFileError: a path is named and there is nothing.
        InputError: there is no such model, or it cannot be one.
        ServerError: the hub cannot be reached or refuses; or it may not be asked.
        MissingPackageError: open_clip is not installed.

    """
    open_clip = import_open_clip()
    rest = name.removeprefix(PREFIX)
    is_folder = os.path.isdir(rest)  # noqa: PTH112
    if is_folder or rest.startswith(_HUB) or not name.startswith(PREFIX):
        return _configured(name, rest.removeprefix(_HUB), revision, download)
    architecture, file = parse_open_clip_name(rest)
    config = open_clip.get_model_config(architecture)
    if isinstance(file, str):
        name = f"{PREFIX}{architecture}/{file}"
        published = open_clip.get_pretrained_cfg(architecture, file)
        return _published(name, config, published, revision, download)
    if revision is not None:
        raise InputError(
            f"{file} is a file and has no revisions: leave it out", arguments={"revision": False}
        )
    name = f"{PREFIX}{architecture}/{file.resolve()}"
    check_config(name, config)
    tokenizer = _named_parts(name, config, download)
    return OpenClipFiles(name, None, config, {}, tokenizer, _whole(file))


def _published(
    name: str, config: dict[str, Any], published: dict[str, Any], revision: str | None,
    download: bool,
) -> OpenClipFiles:  # fmt: skip
    """The weights of a tag, which lie on the hub, with the architecture's configuration."""
    repository, _, file = published.get("hf_hub", "").rpartition("/")
    if not repository:
        raise InputError(f"the weights of {name} are not on the model hub")
    # As they were trained; open_clip itself only warns where the architecture says otherwise.
    config["quick_gelu"] = bool(published.get("quick_gelu", False))
    check_config(name, config)
    tokenizer = _named_parts(name, config, download)
    names = (str(Path(file).with_suffix(".safetensors")), file) if file else _WEIGHTS
    weights = _fetched_weights(name, repository, names, revision, download)
    commit = weights.parent.name
    return OpenClipFiles(name, commit, config, dict(published), tokenizer, weights)


def _configured(name: str, source: str, revision: str | None, download: bool) -> OpenClipFiles:
    """A directory or a repository of the hub that holds its own configuration."""
    own = own_folder(source, revision)
    if own is None:
        folder = fetch(
            source, CONFIG_FILES, lambda found: (found / OPEN_CLIP_CONFIG).is_file(), revision,
            download=download, encoder=name,
        )  # fmt: skip
    else:
        folder = own
        # In full: class vectors carry the name, and are used from other folders.
        name = (PREFIX if name.startswith(PREFIX) else "") + str(own.resolve())
    config, preprocess = _read_config(name, folder)
    if own is not None:
        tokenizer = _named_parts(name, config, download, own)
        return OpenClipFiles(name, None, config, preprocess, tokenizer, _own_weights(own))
    tokenizer = _named_parts(name, config, download)
    weights = _fetched_weights(name, source, _WEIGHTS, folder.name, download)
    return OpenClipFiles(name, folder.name, config, preprocess, tokenizer, weights)


def _read_config(name: str, folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    check_sizes(folder)
    try:
        whole = read_json(folder / OPEN_CLIP_CONFIG)
    except MissingFileError as error:
        raise InputError(f"{name} holds no model of open_clip: no {OPEN_CLIP_CONFIG}") from error
    config = whole.get("model_cfg") if isinstance(whole, dict) else None
    preprocess = (whole.get("preprocess_cfg") or {}) if isinstance(whole, dict) else None
    if not isinstance(config, dict) or not isinstance(preprocess, dict):
        raise InputError(f"{name} holds no model: its {OPEN_CLIP_CONFIG} has no model_cfg")
    check_config(name, config)
    return config, preprocess


def _named_parts(
    name: str, config: dict[str, Any], download: bool, own: Path | None = None
) -> Path | None:
    """The folder of the tokenizer; that of a text tower's configuration is put into ``config``.

    Args:
        name: of the encoder.
        config: ``model_cfg``.
        download: whether the hub may be asked.
        own: a directory of the model, whose tokenizer is then the one in it.

    """
    text = config["text_cfg"]
    if tower := text.get("hf_model_name"):
        folder = _repository(name, tower, ("config.json",), download, "config.json")
        check_text_tower(name, folder)
        text["hf_model_name"] = str(folder)
    tokenizer = text.get("hf_tokenizer_name")
    if not tokenizer:
        return None
    if own is None:
        return _repository(name, tokenizer, _TOKENIZER_FILES, download, *_TOKENIZER_FILES)
    if not any(True for pattern in _TOKENIZER_FILES for _ in own.glob(pattern)):
        raise InputError(
            f"{own} holds no tokenizer, and its model needs that of {tokenizer!r:.100}: put the "
            "files of that into the folder (tokenizer.json, tokenizer_config.json)"
        )
    return own


def _repository(
    name: str, source: Any, patterns: Sequence[str], download: bool, *any_of: str
) -> Path:
    """A folder of files that a configuration names by a directory or a repository of the hub."""
    if not isinstance(source, str):
        raise InputError(f"the configuration of {name} names {source!r:.60} as a model of the hub")

    def complete(folder: Path) -> bool:
        return any(True for pattern in any_of for _ in folder.glob(pattern))

    folder = own_folder(source) or fetch(
        source, patterns, complete, download=download, encoder=name
    )
    if not complete(folder):
        raise InputError(f"{source}, which {name} needs, has no {patterns[0]}")
    return folder


def _fetched_weights(
    name: str, repository: str, names: Sequence[str], revision: str | None, download: bool
) -> Path:
    """The weights in a repository: safetensors, or only where it has none, a pickle."""

    def found(folder: Path) -> list[Path]:
        return [folder / one for one in names if (folder / one).is_file()]

    safe = [one for one in names if one.endswith(".safetensors")]
    for wanted in (safe, [one for one in names if one not in safe]):
        folder = fetch(
            # The hub's client warns where nothing matches; one of the first two is always there.
            repository, ("README.md", OPEN_CLIP_CONFIG, *wanted), lambda there: bool(found(there)),
            revision, download=download, encoder=name,
        )  # fmt: skip
        if files := found(folder):
            return files[0]
    raise InputError(f"{repository} has no weights of open_clip: neither {' nor '.join(names)}")


def _own_weights(folder: Path) -> Path:
    files = [folder / one for one in _WEIGHTS if (folder / one).is_file()]
    if not files:
        files = [path for path in sorted(folder.iterdir()) if path.suffix in WEIGHT_ENDINGS]
        if len(files) > 1:
            names = ", ".join(path.name for path in files[:3])
            raise InputError(
                f"{folder} holds {len(files)} files of weights ({names}): call the one that is "
                f"meant {_WEIGHTS[0]}, or {_WEIGHTS[2]} if it is none of safetensors"
            )
    if not files:
        raise InputError(f"{folder} has no weights: neither {_WEIGHTS[0]} nor {_WEIGHTS[2]}")
    return _whole(files[0])


def _whole(file: Path) -> Path:
    if is_pointer(file):
        raise InputError(f"{file} is {kind_of_file(file)}")
    if file.suffix not in WEIGHT_ENDINGS:
        raise InputError(
            f"{file} holds no weights by its name: {', '.join(WEIGHT_ENDINGS)} are read"
        )
    return file
