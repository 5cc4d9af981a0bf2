"""Finding the files of models that are parts of an encoder."""

from __future__ import annotations

from collections.abc import Sequence

from cupl.encoders.hub import ModelFiles, fetch, own_folder


def find_part(
    name: str,
    patterns: Sequence[str],
    marker: str,
    revision: str | None = None,
    *,
    download: bool = True,
) -> ModelFiles:
    """Find a model that is no encoder by itself; its weights are not fetched yet.

    Args:
        name: a local directory or a model hub name.
        patterns: names of the files that are needed beside the weights.
        marker: the one of them that each such model has; it may be missing in what is found.
        revision: as for :func:`~cupl.encoders.hub.find_model`.
        download: as for :func:`~cupl.encoders.hub.find_model`.

    Raises:
        MissingFileError, InputError, ServerError: as for :func:`~cupl.encoders.hub.find_model`.

    """
    path = own_folder(name, revision)
    if path is not None:
        return ModelFiles(str(path.resolve()), path, None)
    there = fetch(
        name, patterns, lambda folder: (folder / marker).is_file(), revision, download=download
    )
    return ModelFiles(name, there, there.name, download)
