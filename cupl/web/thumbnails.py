"""Photos as a page shows them: made anew as JPEGs, which browsers show and which hold no facts."""

from __future__ import annotations

import hashlib
import io
import os
from typing import TYPE_CHECKING

from cupl.embedding.images import open_image
from cupl.embedding.vector_cache import VectorCache
from cupl.io.paths import cache_dir
from cupl.web.open_photo import OpenPhoto

if TYPE_CHECKING:
    from cupl.embedding.image_sources import ImageSource

THUMB, WHOLE = 256, 1600
"""Pixels of the longer side of a thumbnail, and of a photo that is looked at."""
MOST_BYTES = 512 << 20
"""Of the thumbnails that are kept on disk."""
_QUALITY = 80


class Thumbnails:
    """Small photos, kept on disk by path, size and time."""

    def __init__(self) -> None:
        self._kept = VectorCache(cache_dir() / "thumbnails", "thumbnails", MOST_BYTES)

    def of(self, photo: OpenPhoto) -> bytes:
        """The JPEG.

        Raises:
            ImageError: the file cannot be read.

        """
        key = _key(photo)
        if key is not None:
            for _, data in self._kept.fetch([key]):
                return data
        data = jpeg_of(photo.source, THUMB)
        if key is not None:
            self._kept.keep([(key, data)])
        return data

    def close(self) -> None:
        """Let go of the files."""
        self._kept.close()


def jpeg_of(source: ImageSource, side: int) -> bytes:
    """An image as a JPEG of at most so many pixels a side.

    Raises:
        ImageError: it cannot be read.

    """
    image = open_image(source, side=side)
    image.thumbnail((side, side))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=_QUALITY)
    return buffer.getvalue()


def _key(photo: OpenPhoto) -> str | None:
    version = photo.version
    if version is None:
        return None
    said = b"%s %d %d" % (os.fsencode(os.path.realpath(photo.path)), *version)
    return hashlib.sha256(said).hexdigest()
