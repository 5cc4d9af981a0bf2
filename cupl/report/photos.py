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


_SIZES = ((320, 75), (240, 70), (176, 65), (144, 55), (112, 45), (80, 35), (48, 20))
"""Pixels of the longer side and qualities of WebP, the best first."""


def small_thumbnail(path: str, most: int) -> Markup:
    """The image as a WebP of at most so many bytes, or the smallest that there is.

    Raises:
        ImageError: it cannot be read, or not any more.

    """
    # A photo takes some 0.13 bytes a pixel: larger sizes would be tried in vain.
    sizes = [one for one in _SIZES if one[0] ** 2 * 0.75 * 0.13 <= most] or [_SIZES[-1]]
    image = open_image(path, side=sizes[0][0])
    for side, quality in sizes:
        image.thumbnail((side, side))
        buffer = io.BytesIO()
        image.save(buffer, "WEBP", quality=quality, method=2)
        if buffer.tell() <= most:
            break
    return data_uri("image/webp", buffer.getvalue())


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
