"""Adapters of peft (LoRA and its like): what differs from a model, merged into it when it is read.

An adapter's folder holds few weights and the name of the model that they change, its base. That
name is looked for in the folder and beside it first, and else as any encoder's: a directory, the
hub's cache, the hub. Tokenizer and image preprocessing are the base's.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import warnings
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any

from safetensors.torch import load_file

from cupl.encoders.hub import (
    ModelFiles,
    adapter_weights,
    find_model,
    first_line,
)
from cupl.encoders.model_files import is_adapter, weight_files
from cupl.encoders.torchvision_import import mend_torchvision
from cupl.errors import CuplError, InputError, MissingPackageError, ServerError
from cupl.io.json import read_json

_KINDS = ("IA3", "LOHA", "LOKR", "LORA", "OFT")
"""Those that are a change of weights and nothing else."""
_TASKS = (None, "FEATURE_EXTRACTION")
_LISTS = ("target_modules", "exclude_modules", "layers_pattern", "modules_to_save")
_MAPPINGS = ("rank_pattern", "alpha_pattern")
_NOT_MERGED = (
    "alora_invocation_tokens",
    "arrow_config",
    "kasa_config",
    "layer_replication",
    "megatron_config",
    "monteclora_config",
    "target_parameters",
    "use_bdlora",
    "use_qalora",
    "velora_config",
)
"""Settings of LoRA that do not leave a model of the same form, or ask for further libraries."""
_STARTS_OF_BASE = ("olora", "pissa")
"""Ways to begin a LoRA that change its base in the same way each time it is loaded."""
_STARTS = (True, False, None, "eva", "gaussian", "orthogonal", *_STARTS_OF_BASE)
_IN_NO_VECTOR = ("base_model_name_or_path", "inference_mode", "peft_version", "revision")
_MAX_RANK = 4096
_LONGEST_NAME = 1000
_MAX_PATTERN, _MAX_REPEATS = 500, 4
_REPEATED_GROUP = re.compile(r"\)\s*[*+{]")


def with_base(files: ModelFiles) -> ModelFiles:
    """The files of the model that an adapter changes, which know the adapter.

    The weights of the adapter are on disk afterwards, those of the model need not be.

    Args:
        files: of the adapter.

    Raises:
        InputError: the adapter cannot be merged, or does not say into what.
        ServerError: the one or the other is not on disk, and cannot or may not be downloaded.
        MissingPackageError: peft is not installed.

    """
    settings = _settings(files)
    _peft()
    if weight_files(files.folder):
        raise InputError(
            f"{files.name} holds a whole model and an adapter: to say which is meant, put "
            "adapter_config.json and adapter_model.safetensors into a folder of their own"
        )
    base, revision = settings.get("base_model_name_or_path"), settings.get("revision")
    if not isinstance(base, str) or not base.strip():
        raise InputError(
            f"the adapter {files.name} does not say for which model it is: set "
            "base_model_name_or_path in its adapter_config.json to that model's name or folder"
        )
    found = _base(files, base, revision if isinstance(revision, str) else None)
    if is_adapter(found.folder):
        raise InputError(
            f"the adapter {files.name} is for {base!r:.100}, which is an adapter itself: merge "
            "that one with peft (merge_and_unload, then save_pretrained) and name its folder there"
        )
    adapter_weights(files)
    return found._replace(adapter=files)


def _base(files: ModelFiles, name: str, revision: str | None) -> ModelFiles:
    """The model that an adapter changes: in or beside its folder, or whatever has that name."""
    own = [str(place / name) for place in (files.folder, files.folder.parent)]
    place = next(filter(os.path.isdir, [*own, name]), None)
    try:
        if len(name) > _LONGEST_NAME:
            raise InputError(f"no model has a name of {len(name):,} letters")
        if place is not None:
            return find_model(place, download=files.download)
        return find_model(name, revision, download=files.download)
    except CuplError as error:
        kind = ServerError if isinstance(error, ServerError) else InputError
        raise kind(
            f"the adapter {files.name} is for the model {name!r:.100}, which is not found: "
            f"{error}; base_model_name_or_path in its adapter_config.json says where it is",
            arguments=error.arguments,
        ) from error


def digest_of_adapter(files: ModelFiles) -> str:
    """sha256 over an adapter's weights and what of its settings decides vectors.

    Not over the merged weights: their last bit depends on the processor that adds them.
    """
    settings = {key: value for key, value in _settings(files).items() if key not in _IN_NO_VECTOR}
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    with adapter_weights(files).open("rb") as file:
        digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def merge(model: Any, files: ModelFiles) -> Any:
    """A model of transformers with an adapter merged into it, as peft merges it.

    Args:
        model: in float32; it is changed.
        files: of the adapter.

    Raises:
        InputError: the adapter does not belong to the model, or is damaged.

    """
    peft, settings = _peft(), _settings(files)
    own = set(model.state_dict())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            config = peft.PeftConfig.from_peft_type(**settings)
            wrapped = peft.get_peft_model(model, config)
            weights = load_file(adapter_weights(files))
            result = peft.set_peft_model_state_dict(wrapped, weights)
            missing = [key for key in result.missing_keys if _plain(key) not in own]
            if missing or result.unexpected_keys:
                raise InputError(_another_models(files.name, missing, result.unexpected_keys))
            return wrapped.merge_and_unload(safe_merge=True).eval()
    except InputError:
        raise
    except Exception as error:  # of whichever library, of files that anyone may have written
        raise InputError(
            f"the adapter {files.name} cannot be merged into {type(model).__name__}, the model "
            f"that it names: {first_line(error)}"
        ) from error


def _settings(files: ModelFiles) -> dict[str, Any]:
    """What ``adapter_config.json`` says, as far as it may say it."""
    try:
        settings = read_json(files.folder / "adapter_config.json")
        kind, task = settings.get("peft_type"), settings.get("task_type")
    except (OSError, ValueError, AttributeError) as error:
        raise InputError(f"the adapter_config.json of {files.name} is unusable") from error
    merged = f"those of {', '.join(_KINDS[:-1])} and {_KINDS[-1]} are merged into their model"
    if kind not in _KINDS:
        raise InputError(f"{files.name} is an adapter of type {kind!r:.40}: {merged}")
    if task not in _TASKS:
        raise InputError(
            f"{files.name} is an adapter for the task {task!r:.40}, which has no vectors of texts "
            "and images: train it without a task_type"
        )
    unfit = next((key for key in _NOT_MERGED if settings.get(key)), None)
    if unfit is not None:
        raise InputError(
            f"{files.name} is an adapter with {unfit}, which cannot be merged into its model"
        )
    _check_kinds(files.name, settings)
    start = settings.get("init_lora_weights")
    if start not in _STARTS:
        raise InputError(
            f"{files.name} is an adapter that began as {start!r:.40}, which changed its model, "
            "too: save it with path_initial_model_for_weight_conversion of peft"
        )
    if start not in _STARTS_OF_BASE and start is not None:
        settings["init_lora_weights"] = True  # all of it is replaced
    ranks = [settings.get("r"), *(settings.get("rank_pattern") or {}).values()]
    if any(rank is not None and rank not in range(_MAX_RANK + 1) for rank in ranks):
        raise InputError(f"{files.name} is an adapter whose rank is not from 0 to {_MAX_RANK}")
    for pattern in _patterns(settings):
        _check_pattern(files.name, pattern)
    return {**settings, "task_type": None}


def _check_kinds(name: str, settings: Mapping[str, Any]) -> None:
    """Accept settings that are lists or mappings where these are read."""
    for keys, kinds, what in (
        (_LISTS, (str, list), "a name or a list of them"),
        (_MAPPINGS, (dict,), "a mapping"),
    ):
        for key in keys:
            if settings.get(key) is not None and not isinstance(settings[key], kinds):
                raise InputError(f"{name} is an adapter whose {key} is not {what}")


def _patterns(settings: Mapping[str, Any]) -> Iterator[str]:
    """All that peft takes for regular expressions."""
    for key in _LISTS:
        value = settings.get(key)
        yield from [value] if isinstance(value, str) else map(str, value or ())
    for key in _MAPPINGS:
        yield from map(str, settings.get(key) or ())


def _check_pattern(name: str, pattern: str) -> None:
    """Refuse an expression that could be tried for hours on the name of a layer."""
    repeats = sum(map(pattern.count, "*+{"))
    if (
        len(pattern) > _MAX_PATTERN
        or repeats > _MAX_REPEATS
        or _REPEATED_GROUP.search(pattern) is not None
    ):
        raise InputError(
            f"the adapter {name} picks layers with the expression {pattern!r:.60}, which is too "
            "complex: list the layers in target_modules of its adapter_config.json"
        )


def _plain(key: str) -> str:
    """Name of a weight as it is called without adapters."""
    key = key.removeprefix("base_model.model.").replace(".default.", ".")
    return key.replace(".base_layer.", ".").replace(".original_module.", ".")


def _another_models(name: str, missing: list[str], unexpected: list[str]) -> str:
    where, keys = ("not in that model", unexpected) if unexpected else ("missing", missing)
    return (
        f"the adapter {name} does not fit the model that it names: {len(keys)} of its weights are "
        f"{where}, such as {_plain(keys[0]):.100}"
    )


def _peft() -> ModuleType:
    mend_torchvision()  # before transformers is imported, which peft does
    try:
        import peft
    except Exception as error:  # also where it does not fit the transformers that is installed
        missing = isinstance(error, ModuleNotFoundError) and error.name == "peft"
        why = "is not installed" if missing else f"cannot be imported ({first_line(error)})"
        raise MissingPackageError(
            f"adapters are merged with peft, which {why}: pip install -U 'cupl[peft]'"
        ) from error
    module: ModuleType = peft
    return module
