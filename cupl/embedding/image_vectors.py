"""Opening image vectors: what ``cupl embed`` wrote, or files of other programs."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from cupl.embedding.foreign_vectors import (
    Maker,
    is_vector_file,
    open_vector_files,
    said_maker,
)
from cupl.embedding.image_files import ImageSearch
from cupl.embedding.image_shards import images_file, read_shard, shard_numbers
from cupl.embedding.stored_vectors import Embeddings
from cupl.errors import InputError
from cupl.io.file_kinds import EMBEDDINGS, kind_of_file, wrong_kind
from cupl.io.reasons import missing
from cupl.io.terminal import printable
from cupl.io.words import number_of


def is_stored(source: str | os.PathLike[str]) -> bool:
    """Whether it is a directory that ``cupl embed`` has written into."""
    kinds: tuple[Literal["images", "vectors"], ...] = ("images", "vectors")
    return os.path.isdir(source) and any(  # noqa: PTH112 (Path's raises for over-long names)
        shard_numbers(Path(source), kind) for kind in kinds
    )


def stored_images(
    sources: Sequence[str | os.PathLike[str]], encoder: Maker | None = None
) -> Embeddings | None:
    """Image vectors, where these are named; None where images are.

    Args:
        sources: a folder that ``cupl embed`` wrote, or files of vectors that were made elsewhere.
        encoder: of the latter, as for :func:`load_embeddings`.

    Raises:
        InputError: it is named with something else, or as for :func:`load_embeddings`.

    """
    files = [source for source in sources if is_vector_file(source)]
    if files and len(files) == len(sources):
        return open_vector_files(files, said_maker(files[0], encoder))
    stored = [*files, *(source for source in sources if is_stored(source))]
    if not stored:
        return None
    if len(sources) > 1:
        raise InputError(
            f"{os.fspath(stored[0])} holds image vectors: name it alone, without images"
        )
    return load_embeddings(stored[0])


def load_embeddings(source: str | os.PathLike[str], encoder: Maker | None = None) -> Embeddings:
    """Open image vectors, of which no more than a shard will be in memory.

    Of a run of ``cupl embed`` that is not done, those shards are opened that are. A warning says
    how many photos lie there too, of which there are no vectors.

    Args:
        source: a folder that ``cupl embed`` wrote, or a file of vectors that were made elsewhere:
            ``.npy``, ``.npz``, ``.parquet`` or ``.safetensors``. Its rows are named by the paths or
            ids in it, else by their number; a row that is zero, not finite or missing is an
            image that cannot be read.
        encoder: of such a file, which says nothing of it: the one that made it, its name, or class
            vectors that the same encoder made. Nobody can check that; only another width is
            found.

    Raises:
        MissingFileError: there is no such file or directory.
        InputError: it holds no image vectors, or several that may be meant, or of another width; a
            shard between others is missing, or the first is damaged or not written by cupl;
            or no encoder is named for a file, or one for a folder.

    """
    if is_vector_file(source) and os.path.lexists(source):
        return open_vector_files([source], said_maker(source, encoder))
    if encoder is not None and os.path.isdir(source):  # noqa: PTH112
        raise InputError(
            f"{os.fspath(source)} says itself which encoder made it: leave the encoder out",
            arguments={"encoder": False},
        )
    return _open_folder(Path(source))


def _open_folder(directory: Path) -> Embeddings:
    if not os.path.exists(directory):  # noqa: PTH110 (Path's raises for over-long names)
        raise missing(directory, f"{directory}: no such directory")
    if not os.path.isdir(directory):  # noqa: PTH112
        raise wrong_kind(directory, kind_of_file(directory) or "a file", EMBEDDINGS)
    numbers = shard_numbers(directory, "images")
    if not numbers and shard_numbers(directory, "vectors"):
        raise InputError(
            f"{images_file(directory, 0)} is missing beside its vectors: it was taken away, or "
            "cupl embed was stopped before its first shard was done; resume that run to make it"
        )
    if not numbers:
        raise InputError(f"{directory} holds no image vectors: cupl embed makes them")
    if numbers[-1] != len(numbers) - 1:
        gap = next(i for i, number in enumerate(numbers) if i != number)
        raise InputError(f"{images_file(directory, gap)} is missing; a run that resumes makes it")
    metadata, _ = read_shard(directory, 0)
    with contextlib.suppress(OSError):  # what cannot be listed can still be read
        if beside := len(ImageSearch().listing(directory)[1]):
            warnings.warn(
                f"left out: {number_of(beside, 'photo')} beside the vectors in "
                f"{printable(str(directory))}; cupl embed makes vectors of photos",
                stacklevel=2,
            )
    return Embeddings(directory, metadata.provenance, len(numbers))
