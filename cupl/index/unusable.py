"""Vectors that damage has made useless: they should be of length one, and are not."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cupl.index.rows import vector_matrix
from cupl.io.words import number_of

_OFF = 0.05
"""How much the square of a length differs from 1 at most; 16 bits a number leave far less."""


def are_usable(table: Any) -> npt.NDArray[np.bool_]:
    """Which rows of a table have a vector that can be compared: bool ``[rows]``.

    Not those with a number that is none, zero vectors, and others that were not written so.
    """
    matrix = vector_matrix(table)
    with np.errstate(all="ignore"):
        usable: npt.NDArray[np.bool_] = np.abs(np.einsum("ij,ij->i", matrix, matrix) - 1) < _OFF
    return usable


def usable_rows(table: Any) -> Any:
    """The rows of a table with a vector that can be compared."""
    usable = are_usable(table)
    return table if usable.all() else table.filter(pa.array(usable))


def warn_unusable(number: int) -> None:
    """Say how many photos were left out, if any."""
    if number:
        warnings.warn(
            f"{number_of(number, 'photo')} left out, as the vectors in the index are damaged: "
            "cupl index update encodes the photos anew",
            stacklevel=3,
        )
