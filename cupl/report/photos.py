"""Photos of a page, small and inside it."""

from __future__ import annotations

import base64
import io

from markupsafe import Markup

from cupl.embedding.images import open_image

SIDE = 320
"""Pixels of the longer side."""


def data_uri(kind: str, data: bytes) -> Markup:
    """What an ``img`` shows without a file beside the page."""
    return Markup(f"data:{kind};base64,{base64.b64encode(data).decode()}")  # noqa: S704


def thumbnail(path: str) -> Markup:
    """The image as a small JPEG.

    Raises:
        ImageError: it cannot be read, or not any more.

    """
    image = open_image(path, side=SIDE)
    image.thumbnail((SIDE, SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=82, optimize=True)
    return data_uri("image/jpeg", buffer.getvalue())
