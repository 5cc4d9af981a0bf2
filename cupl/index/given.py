"""What is handed to an index from Python, checked before any work."""

from __future__ import annotations

import operator
import os
from collections.abc import Iterable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from cupl.embedding.image_files import is_pattern
from cupl.embedding.image_kinds import IMAGE_ENDINGS
from cupl.embedding.image_sources import described, is_tensor, url_scheme
from cupl.embedding.image_vectors import stored_images
from cupl.embedding.remote_stores import is_stored_remotely
from cupl.embedding.stored_vectors import Embeddings
from cupl.embedding.tar_files import numbered_names
from cupl.errors import InputError, MissingFileError
from cupl.index.examples import Vector, unit_vector
from cupl.io.arguments import check_whole, several

PhotosOrVectors: TypeAlias = str | os.PathLike[str] | Embeddings


def photos_or_vectors(
    images: Iterable[PhotosOrVectors] | PhotosOrVectors,
) -> tuple[list[str | os.PathLike[str]], Embeddings | None]:
    """Names of photos, or the vectors that ``cupl embed`` wrote, where these are given.

    Raises:
        MissingFileError: a folder that is named is not there, or no photo is.
        InputError: nothing is named, or something that is no file.

    """
    given = several(images, Embeddings)
    vectors = [one for one in given if isinstance(one, Embeddings)]
    names = [one for one in given if not isinstance(one, Embeddings)]
    if vectors and len(given) > 1:
        raise InputError("image vectors are added alone, without photos or other vectors")
    if not vectors:
        _check_named(names)
    stored = vectors[0] if vectors else stored_images(names)
    if stored is not None and not stored.has_files:
        raise InputError(
            f"an index knows photos by their files, and {stored.directory} does not name them: "
            "add a column of paths to it"
        )
    return names, stored


def _check_named(names: list[Any]) -> None:
    if not names:
        raise InputError("there is no photo to add: name files, folders or patterns")
    for one in names:
        if not isinstance(one, str | os.PathLike):
            raise InputError(
                "an index knows photos by their files: add files, folders or patterns, not "
                f"{described(one)}"
            )
    texts = list(map(os.fspath, names))
    gone = [one for one in texts if not _may_be_there(one)]
    files = [one for one in gone if url_scheme(one) or one.lower().endswith(_ENDINGS)]
    if gone and (len(gone) == len(names) or len(files) < len(gone)):
        first = next((one for one in gone if one not in files), gone[0])
        if scheme := url_scheme(first):
            raise InputError(f"an index knows photos by their files, and this is a URL ({scheme})")
        raise MissingFileError(f"there is no file or folder {first}")


def _may_be_there(name: str) -> bool:
    return (
        os.path.lexists(name) or is_pattern(name) or is_stored_remotely(name)
        or numbered_names(name) != [name]
    )  # fmt: skip


_ENDINGS = tuple(IMAGE_ENDINGS)


def check_workers(workers: int | None) -> None:
    """Accept a number of threads, or None.

    Raises:
        InputError: it is none.

    """
    check_whole(workers=workers)
    if workers is not None and operator.index(workers) < 1:
        raise InputError(f"workers is {workers}: one thread or more reads the photos")


def given_vector(vector: npt.ArrayLike) -> Vector:
    """What is searched for as ``[dim]`` at length 1, from an array or tensor of real numbers.

    Raises:
        InputError: it is none, or zero or not finite.

    """
    if is_tensor(vector):
        # NumPy has no bfloat16, nor what is on a GPU or followed by autograd.
        kept = vector.detach().cpu()
        vector = (kept.double() if kept.is_floating_point() else kept).numpy()
    try:
        values = np.asarray(vector)
    except (TypeError, ValueError):
        values = np.array(None)
    if values.dtype.kind not in "fiu":
        raise InputError(
            f"a vector to search for is an array of real numbers, not {described(vector)}"
        )
    return unit_vector(values)
