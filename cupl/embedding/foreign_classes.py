"""Class embeddings that were made elsewhere, as class vectors."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cupl.bank.labels import ClassLabel
from cupl.embedding.array_files import ROWS, Blocks, StoredArray, is_array_file, open_arrays
from cupl.embedding.array_roles import class_names_in, vectors_in
from cupl.embedding.class_vectors import ClassVectors
from cupl.embedding.foreign_vectors import is_vector_file
from cupl.encoders.protocol import Encoder
from cupl.errors import InputError
from cupl.io.file_kinds import kind_of_file
from cupl.io.terminal import printable

USUAL_SCALE = 100.0
"""What CLIP models end at; it decides probabilities and no label."""
_MOST_NUMBERS = 2**28


def is_class_file(path: str | os.PathLike[str]) -> bool:
    """Whether a file holds class embeddings of another program, and not class vectors of cupl."""
    if not is_vector_file(path) or not os.path.isfile(path):  # noqa: PTH113
        return False
    # What is known to be something else is refused as class vectors are, by what it is.
    return is_array_file(path) or kind_of_file(path) is None


def load_class_file(
    path: str | os.PathLike[str],
    names: Sequence[ClassLabel] | None = None,
    encoder: Encoder | None = None,
    logit_scale: float | None = None,
) -> ClassVectors:
    """Class vectors of a file of class embeddings: a vector a class, of any length.

    Args:
        path: ``.npy``, ``.npz``, ``.parquet`` or ``.safetensors``.
        names: the classes, one a row; by default those that the file names.
        encoder: that is said to have made them. It is taken for theirs, with its scale.
        logit_scale: factor on the cosine before the softmax, in place of the encoder's; without
            both 100.

    Raises:
        MissingFileError: there is no such file.
        InputError: it holds no class embeddings, or several that may be meant; there are no names,
            or not one for each; another width than the encoder's.

    """
    path = Path(path)
    shown, arrays = printable(str(path)), open_arrays(path)
    vectors = vectors_in(path, arrays, "classes")
    _check_size(shown, vectors, encoder)
    if names is None:
        names = _names_in(path, arrays, vectors)
    if len(names) != len(vectors):
        raise InputError(
            f"{shown} holds {len(vectors):,} class vectors, and {len(names):,} classes are named"
        )
    usual = USUAL_SCALE if encoder is None else encoder.logit_scale
    matrix = np.concatenate([np.asarray(block) for block in _blocks_of(path, vectors)])
    return ClassVectors.from_arrays(
        names,
        matrix,
        logit_scale=usual if logit_scale is None else logit_scale,
        logit_bias=None if encoder is None else encoder.logit_bias,
        encoder="unknown" if encoder is None else encoder.id,
        revision=None if encoder is None else encoder.revision,
        fingerprint=None if encoder is None else encoder.fingerprint,
    )


def _check_size(shown: str, vectors: StoredArray, encoder: Encoder | None) -> None:
    rows, width = vectors.shape
    if (rows or 0) * (width or 0) > _MOST_NUMBERS:
        raise InputError(f"{shown}: {vectors} is too large for vectors of classes")
    if encoder is not None and width != encoder.dim:
        raise InputError(
            f"the vectors in {shown} are {width:,} wide, but {encoder.id} makes {encoder.dim:,}: "
            "name the encoder that made them",
            arguments={"encoder": ...},
        )


def _names_in(
    path: Path, arrays: Mapping[str, StoredArray], vectors: StoredArray
) -> list[ClassLabel]:
    stored = class_names_in(path, arrays, vectors)
    if stored is None:
        raise InputError(
            f"{printable(str(path))} does not name its {len(vectors):,} classes: name them, one a "
            "row",
            arguments={"classes": ...},
        )
    return [ClassLabel(str(one)) for block in _blocks_of(path, stored) for one in block]


def _blocks_of(path: Path, array: StoredArray) -> Iterator[Any]:
    blocks = Blocks(path, array)
    return (blocks[number] for number in range(-(-len(array) // ROWS)))
