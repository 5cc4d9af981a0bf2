"""All pairs of vectors with a high cosine, in memory that does not grow with their number."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from cupl.progress import Progress, ignore

_ROWS, _COLUMNS = 1024, 4096
"""Vectors that are compared at once: 16 MB of cosines."""

NearPairs = tuple[npt.NDArray[np.integer[Any]], npt.NDArray[np.integer[Any]]]


def near_pairs(
    matrix: npt.NDArray[np.floating[Any]], min_cosine: float, progress: Progress = ignore
) -> Iterator[NearPairs]:
    """The pairs, some at a time, the lower number first.

    Args:
        matrix: ``[n, dim]`` at length 1, float16 or float32.
        min_cosine: of a pair, at least.
        progress: told how many vectors are compared with all, and of how many.

    """
    number = len(matrix)
    for start in range(0, number, _ROWS):
        rows = matrix[start : start + _ROWS].astype(np.float32)
        for begin in range(start, number, _COLUMNS):
            cosines = rows @ matrix[begin : begin + _COLUMNS].astype(np.float32).T
            first, second = np.nonzero(cosines >= min_cosine)
            first, second = first + start, second + begin
            later = first < second
            if later.any():
                yield first[later], second[later]
        progress(min(start + _ROWS, number), number)
