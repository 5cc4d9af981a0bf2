"""Image vectors that were computed before, so that a photo is not decoded and encoded twice.

They are kept by the content of the file, whatever it is called and wherever it lies, and by the
encoder's fingerprint and precision. What cannot be read is not kept: it is tried each time. The
last digits of a vector depend on what shared its batch when it was computed, so that they may
differ from those of a run without the cache, as they do between two batch sizes.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import PIL
import torch

from cupl.embedding.images import ReadImage
from cupl.embedding.normalize import has_direction
from cupl.embedding.text_cache import embedding_folder
from cupl.embedding.vector_cache import VectorCache
from cupl.encoders.fingerprint import image_fingerprint
from cupl.encoders.protocol import Encoder
from cupl.errors import InputError

SIZE_VARIABLE = "CUPL_IMAGE_CACHE_SIZE"
USUAL_SIZE = 2**30
"""Bytes of all encoders together: 350,000 vectors of 512 numbers."""
_READING = "1"
"""To be raised with every change of cupl's own that moves a pixel."""
_SIZE = re.compile(r"(\d{1,12})\s*(|k|m|g|t)i?b?", re.IGNORECASE)
_UNITS = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3, "t": 1000**4}
_AT_ONCE = 64
"""Vectors that are written together: what a kill can cost."""

ImageCache: TypeAlias = str | os.PathLike[str] | Literal[False] | None
"""Where image vectors are kept: a folder; None for the usual place (``embeddings/images`` in
:func:`~cupl.io.paths.cache_dir`), where ``$CUPL_IMAGE_CACHE_SIZE`` says how much; False for
nowhere."""


def beside_texts(place: str | os.PathLike[str] | Literal[False] | None) -> ImageCache:
    """Where image vectors are kept where those of texts are kept in ``place``."""
    return place if place is False or place is None else Path(place) / "images"


def image_cache_folder(place: str | os.PathLike[str] | None = None) -> Path:
    """The folder of a cache; None for the usual one."""
    return embedding_folder(None) / "images" if place is None else Path(place)


def most_bytes() -> int:
    """How large the cache may become: what ``$CUPL_IMAGE_CACHE_SIZE`` says, or 1 GiB.

    Raises:
        InputError: it is no size.

    """
    text = os.environ.get(SIZE_VARIABLE, "").strip()
    if not text:
        return USUAL_SIZE
    if text.lower() == "none":
        return 0
    if not (found := _SIZE.fullmatch(text)):
        raise InputError(
            f"{SIZE_VARIABLE} is {text!r:.100}, which is no size: write 500MB or 4GB, or 0 for no "
            "cache of image vectors"
        )
    return int(found[1]) * _UNITS[found[2].lower()]


class CachedVectors:
    """The cached vectors of one encoder, while images are encoded.

    Args:
        place: see :data:`ImageCache`.
        encoder: makes the vectors.
        lookup: whether what is there is used, not only added to.

    Raises:
        InputError: ``$CUPL_IMAGE_CACHE_SIZE`` is no size.

    """

    def __init__(self, place: ImageCache, encoder: Encoder, *, lookup: bool = True) -> None:
        most = 0 if place is False else most_bytes()
        folder = image_cache_folder(place) if place is not False and most else None
        self._cache = VectorCache(folder, "image vectors", most)
        self._made_by = (
            f"{_READING} {PIL.__version__} {image_fingerprint(encoder)} {encoder.precision}"
        )
        self._dim, self._lookup = encoder.dim, lookup
        self._new: list[tuple[str, bytes]] = []

    def close(self) -> None:
        """Write what is not written yet, and let go of the files."""
        self._flush()
        self._cache.close()

    def key(self, image: ReadImage, content: str | None) -> str | None:
        """What names the vector of an image; None for one that is no file, or without a cache.

        Args:
            image: the file.
            content: its digest.

        """
        if self._cache.folder is None or content is None:
            return None
        said = f"{self._made_by} {'tga' if image.is_tga else ''} {content}"
        return hashlib.sha256(said.encode()).hexdigest()

    def get(self, key: str | None) -> torch.Tensor | None:
        """The vector, float32 ``[dim]``, if there is one. Safe to call from many threads."""
        if key is None or not self._lookup:
            return None
        for _, data in self._cache.fetch([key]):
            if len(data) == 4 * self._dim:
                vector = torch.from_numpy(np.frombuffer(data, "<f4").astype(np.float32))
                return vector if bool(has_direction(vector[None])[0]) else None
        return None

    def keep(self, pairs: Sequence[tuple[str, torch.Tensor]]) -> None:
        """Keep vectors by their keys; they are written a number at a time, and at the end."""
        self._new += [(key, vector.numpy().astype("<f4").tobytes()) for key, vector in pairs]
        if len(self._new) >= _AT_ONCE:
            self._flush()

    def _flush(self) -> None:
        new, self._new = self._new, []
        self._cache.keep(new)
