"""Finding the files of a transformers model: a local directory, the hub's cache, the hub.

The cache is asked first, so a model that is there loads with no network at all and stays at the
commit it was fetched at, as does a branch or tag of it; ``hf cache rm`` makes room for a newer one.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, TypeGuard

from huggingface_hub import constants, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from cupl.encoders.foreign import check_name, check_pointers, other_weights, why_no_model
from cupl.encoders.model_files import (
    ADAPTER_CONFIG,
    ADAPTER_WEIGHTS,
    IMAGE_CONFIGS,
    OPEN_CLIP_CONFIG,
    PICKLE_FILES,
    SAFETENSORS_FILES,
    TOKENIZERS,
    has_weights,
    is_adapter,
    is_open_clip,
    missing_config,
)
from cupl.errors import InputError, MissingFileError, ServerError
from cupl.io.file_kinds import kind_of_file
from cupl.io.json import read_json
from cupl.io.paths import cache_dir
from cupl.io.reasons import broken_link

CONFIG_FILES = (
    "config.json",
    ADAPTER_CONFIG,
    *IMAGE_CONFIGS,
    *TOKENIZERS,
    "merges.txt",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    OPEN_CLIP_CONFIG,
)
_REVISION = re.compile(r"(?!.*\.\.)(?!\.)[\w.+-]{1,100}(/[\w.+-]{1,100}){0,9}", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}")


class ModelFiles(NamedTuple):
    """Where a model's files are."""

    name: str
    folder: Path
    revision: str | None
    """Commit of the hub; ``None`` for a directory of one's own."""
    download: bool = True
    """Whether the hub may be asked for what is missing."""
    adapter: ModelFiles | None = None
    """What changes the model and gives it its name; see :mod:`cupl.encoders.adapters`."""


def find_model(name: str, revision: str | None = None, *, download: bool = True) -> ModelFiles:
    """Find a model's configuration; the weights wait for :func:`fetch_weights`.

    Args:
        name: a local directory or a model hub name.
        revision: commit, branch or tag on the hub; its main branch by default.
        download: ask the hub for what is not on this machine.

    Raises:
        MissingFileError: ``name`` is written as a path and there is nothing.
        InputError: ``name`` is a folder without a model, a file, or cannot be a hub name; or the
            revision cannot be one, or is that of a folder.
        ServerError: the hub cannot be reached, does not know the model or keeps it closed; or it
            may not be asked.

    """
    path = own_folder(name, revision)
    if path is not None:
        if not (is_open_clip(path) or is_adapter(path) or (path / "config.json").is_file()):
            why = why_no_model(path) or "there is no config.json in it"
            raise InputError(f"{path} holds no model: {why}")
        # In full: class vectors carry the name, and are used from other folders.
        return ModelFiles(str(path.resolve()), path, None, download)
    check_name(name)
    folder = fetch(name, CONFIG_FILES, _is_configured, revision, download=download)
    return ModelFiles(name, folder, folder.name, download)


def own_folder(name: str, revision: str | None = None) -> Path | None:
    """The directory of that name; None where it can only be a name of the hub.

    Raises:
        MissingFileError, InputError: as :func:`find_model`.

    """
    path = Path(name)
    # os.path, because Path.is_dir and Path.exists raise for names that cannot be looked up.
    if os.path.isdir(path):  # noqa: PTH112
        check_pointers(path)
        if revision is not None:
            raise InputError(
                f"{path} is a folder and has no revisions: leave it out",
                arguments={"revision": False},
            )
        return path
    if os.path.exists(path):  # noqa: PTH110
        kind = kind_of_file(path)
        what = f"{name} is {kind};" if kind else f"{name} is a file;"
        raise InputError(f"{what} name the directory of the model")
    link = broken_link(path)
    if link or name.startswith((".", "~")) or path.is_absolute():
        raise MissingFileError(f"{name}: {link or 'no such directory'}")
    return None


def fetch(
    name: str,
    patterns: Sequence[str],
    complete: Callable[[Path], bool],
    revision: str | None = None,
    *,
    download: bool = True,
    encoder: str | None = None,
) -> Path:
    """Files of a model of the hub, from its cache where they are complete there.

    Args:
        name: of the model.
        patterns: names of the files.
        complete: whether what a folder holds of them is enough.
        revision: as for :func:`find_model`.
        download: as for :func:`find_model`.
        encoder: the name that an encoder which needs them has, if it is another.

    Returns:
        The folder of the commit, which may lack some of them.

    Raises:
        InputError, ServerError: as :func:`find_model`.

    """
    if revision is not None and not _REVISION.fullmatch(revision):
        raise InputError(f"{revision!r:.80} is no revision: a commit, branch or tag is needed")
    try:
        folder = _snapshot(name, patterns, revision, local_files_only=True)
    except LocalEntryNotFoundError:
        folder = None
    if folder is None or not complete(folder):
        if not download:
            raise _not_here(name, revision, encoder)
        folder = _download(name, patterns, revision)
    return folder


def adapter_weights(files: ModelFiles) -> Path:
    """The weights of an adapter, fetched where they are not on disk.

    Raises:
        InputError: there are none as safetensors.
        ServerError: as for :func:`find_model`.

    """
    path = files.folder / ADAPTER_WEIGHTS
    if not path.is_file() and files.revision is not None:
        if not files.download:
            raise _not_here(files.name)
        _download(files.name, (ADAPTER_CONFIG, ADAPTER_WEIGHTS), files.revision)
    if path.is_file():
        return path
    pickle = (files.folder / "adapter_model.bin").is_file()
    way_out = "; load it with peft and save it again (save_pretrained)" if pickle else ""
    raise InputError(f"the adapter {files.name} has no {ADAPTER_WEIGHTS}{way_out}")


def is_commit(revision: str | None) -> TypeGuard[str]:
    """Whether it names a commit of the hub in full, which no branch or tag does."""
    return revision is not None and _COMMIT.fullmatch(revision) is not None


def _is_configured(folder: Path) -> bool:
    return is_open_clip(folder) or is_adapter(folder) or missing_config(folder) is None


def fetch_weights(files: ModelFiles) -> bool:
    """Make sure the weights are on disk; safetensors are preferred to a pickle.

    Returns:
        Whether they are safetensors.

    Raises:
        InputError: the model has neither.
        ServerError: as for :func:`find_model`.

    """
    for download in ((), SAFETENSORS_FILES, PICKLE_FILES):
        if download:
            # The hub's client warns where nothing matches; the configuration always does.
            fetch_more(files, ("config.json", *download))
        for weights in (SAFETENSORS_FILES, PICKLE_FILES):
            if has_weights(files.folder, weights[0], weights[1]):
                return weights is SAFETENSORS_FILES
    raise InputError(f"{files.name} has no weights: {_why_no_weights(files)}")


def fetch_more(files: ModelFiles, patterns: Sequence[str]) -> None:
    """Fetch more of a model from the hub, at the commit that was found; nothing of a folder's.

    Raises:
        ServerError: as for :func:`find_model`.

    """
    if files.revision is None:
        return
    if not files.download:
        raise _not_here(files.name)
    _download(files.name, patterns, files.revision)


def first_line(error: BaseException) -> str:
    """The beginning of a message of another library, fit to be printed."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return "".join(filter(str.isprintable, lines[0]))[:200]


def _why_no_weights(files: ModelFiles) -> str:
    folder = files.folder
    if _stopped_download(files):
        online = ", HF_HUB_OFFLINE unset" if constants.HF_HUB_OFFLINE else ""
        again = f"use it again where the hub can be reached{online}"
        again = again if files.revision else "download it again"
        return f"its download was stopped before the end; {again}"
    for index in (SAFETENSORS_FILES[1], PICKLE_FILES[1]):
        if (folder / index).is_file():
            shards = set(read_json(folder / index)["weight_map"].values())
            gone = sorted(shard for shard in shards if not (folder / shard).is_file())
            missing = f"{len(gone)} of {len(shards)} files that are missing: {gone[0]!r:.80}"
            return f"{index} names {missing}"
    neither = f"neither {SAFETENSORS_FILES[0]} nor {PICKLE_FILES[0]}"
    why = why_no_model(folder) or other_weights(folder)
    return f"{neither}; {why}" if why else neither


def _stopped_download(files: ModelFiles) -> bool:
    """Whether the hub's client has left parts of files, as it does until it is run again."""
    if files.revision is not None:
        return any((files.folder.parent.parent / "blobs").glob("*.incomplete"))
    return any((files.folder / ".cache/huggingface/download").glob("*.incomplete"))


def _not_here(name: str, revision: str | None = None, encoder: str | None = None) -> ServerError:
    return ServerError(
        f"{_named(name, revision)} is not on this machine and may not be downloaded: to allow "
        f"that, name {'it' if encoder is None else encoder} as the encoder",
        arguments={"encoder": encoder or name},
    )


def _named(name: str, revision: str | None) -> str:
    return name if revision is None else f"{name}, revision {revision!r},"


def _download(name: str, patterns: Sequence[str], revision: str | None = None) -> Path:
    try:
        return _snapshot(name, patterns, revision)
    except GatedRepoError as error:
        raise ServerError(
            f"{name} is gated: accept its terms on the model hub and log in with `hf auth login`"
        ) from error
    except RepositoryNotFoundError as error:
        raise ServerError(
            f"the model hub has no model {name}, or it is private: check the name, or log in with "
            "`hf auth login`"
        ) from error
    except RevisionNotFoundError as error:
        raise ServerError(
            f"the model hub has no revision {revision!r} of {name}: a commit, branch or tag is "
            "needed"
        ) from error
    except InputError:
        raise
    except Exception as error:  # the hub's client, HTTP and the disk each bring their own errors
        reason = first_line(error.__cause__ or error)
        raise ServerError(
            f"{_named(name, revision)} is not on this machine and could not be downloaded "
            f"({reason}); give a local directory, or the encoder 'mini', which needs no download"
        ) from error


def _snapshot(
    name: str, patterns: Sequence[str], revision: str | None = None, local_files_only: bool = False
) -> Path:
    try:
        folder = snapshot_download(
            name,
            revision=revision,
            allow_patterns=list(patterns),
            local_files_only=local_files_only,
            cache_dir=_hub_cache(),
        )
    except HFValidationError as error:
        raise InputError(
            f"{name!r} is neither a directory nor a model hub name such as "
            "openai/clip-vit-base-patch32"
        ) from error
    return Path(folder)


def _hub_cache() -> Path | None:
    """None for where the hub's own client keeps models: ours, if that needs a home and has none."""
    try:
        Path(constants.HF_HUB_CACHE).expanduser()
    except RuntimeError:
        return cache_dir() / "hub"
    return None
