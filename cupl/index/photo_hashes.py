"""Perceptual hashes: 64 bits of a photo that stay when it is made smaller or compressed again."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

from cupl.embedding.image_errors import ImageError
from cupl.embedding.images import open_image
from cupl.errors import MissingPackageError

BITS = 64
_SIDE = 64
"""Pixels of the shorter side that the hash is made of, at least; it looks at 32."""
_THREADS = 4
_ONES = np.array([number.bit_count() for number in range(256)], np.uint8)


def hash_function() -> Callable[[str], int | str]:
    """What makes the hash (pHash of imagehash) of a photo, upright RGB, or says why there is none.

    Raises:
        MissingPackageError: imagehash is not installed.

    """
    try:
        import imagehash
    except ImportError as error:
        raise MissingPackageError(
            "photos are compared with imagehash, which is not installed: pip install 'cupl[index]'"
        ) from error

    def made(path: str) -> int | str:
        try:
            image = open_image(path, side=_SIDE)
        except ImageError as error:
            return str(error)
        return int(str(imagehash.phash(image)), 16)

    return made


class PhotoHashes:
    """The hashes of photos, each made when it is first asked for.

    Attributes:
        errors: why there is none of some photos, by their numbers.

    """

    def __init__(self, paths: Sequence[str]) -> None:
        self._paths, self._make = paths, hash_function()
        self._hashes = np.zeros(len(paths), np.uint64)
        self._known = np.zeros(len(paths), bool)
        self.errors: dict[int, str] = {}

    def distances(
        self, first: npt.NDArray[np.integer[Any]], second: npt.NDArray[np.integer[Any]]
    ) -> npt.NDArray[np.integer[Any]]:
        """In how many bits the hashes of pairs differ, 65 where one cannot be read."""
        self._add(np.unique(np.concatenate([first, second])))
        different = np.bitwise_xor(self._hashes[first], self._hashes[second])
        bits: npt.NDArray[np.integer[Any]] = _ONES[different.view(np.uint8).reshape(-1, 8)].sum(
            axis=1, dtype=np.int64
        )
        if self.errors:
            unread = np.array([*self.errors])
            bits[np.isin(first, unread) | np.isin(second, unread)] = BITS + 1
        return bits

    def _add(self, numbers: npt.NDArray[np.integer[Any]]) -> None:
        new = numbers[~self._known[numbers]].tolist()
        with ThreadPoolExecutor(min(_THREADS, os.cpu_count() or 1)) as pool:
            for number, made in zip(
                new, pool.map(self._make, [self._paths[one] for one in new]), strict=True
            ):
                self._known[number] = True
                if isinstance(made, str):
                    self.errors[number] = made
                else:
                    self._hashes[number] = made
