"""Images from anywhere to upright RGB.

It takes two steps: :func:`~cupl.embedding.image_ownership.take_image` takes from the caller's
object what is needed of it, :func:`decode_image` makes pixels of that. So an object is touched
once, in the thread that gives it, and what becomes of it afterwards changes nothing.

Files are not trusted: only regular files of bounded size are read, only raster formats that
Pillow decodes by itself are tried, the pixel count is checked in the header before anything is
decoded, and whatever goes wrong is an :class:`ImageError` with one short sentence.
"""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from cupl.embedding.image_errors import ImageError, one_sentence
from cupl.embedding.image_kinds import FORMAT_ENDINGS
from cupl.embedding.image_ownership import (
    MAX_PIXELS,
    OwnImage,
    check_bytes,
    check_size,
    take_image,
)
from cupl.embedding.image_pixels import Pixels, array_image, upright_rgb
from cupl.embedding.image_sources import ImageSource, url_scheme

_MARGIN = 3
"""How many times as large as needed a JPEG that is decoded at less than its size has to stay."""


def open_image(
    source: ImageSource, max_pixels: int = MAX_PIXELS, side: int | None = None
) -> Image.Image:
    """Decode an image to upright RGB.

    The first frame of an animation is taken, of a Pillow image the frame it stands at. The EXIF
    orientation is applied, transparency is laid over white, and 16-bit and floating-point values
    are scaled to 8 bits. Colour profiles are ignored. Safe to call from many threads, for one
    source too, which is left as it is: a lazily opened Pillow image is not decoded, and a file
    object stays at its position. One that cannot be rewound is read from there to its end.

    Args:
        source: see :data:`~cupl.embedding.image_sources.ImageSource`.
        max_pixels: larger images are refused before they are decoded. Pillow refuses more than
            twice its own ``Image.MAX_IMAGE_PIXELS`` whatever is said here.
        side: what the image will be reduced to, in pixels. A JPEG at least six times as large is
            then decoded at a half, a quarter or an eighth of its size, and still three times as
            large as it has to be. What is reduced from that differs by less than one level of 256
            in the mean (tests/embedding/test_images.py holds it to that).

    Returns:
        A decoded image in mode ``RGB`` that shares no memory with ``source`` and carries none of
        its metadata.

    Raises:
        ImageError: the source is missing, a URL, not a regular file, not an image, damaged, closed,
            too large, or an array of another shape, type or range.

    """
    return decode_image(take_image(source, max_pixels), max_pixels, side)


def decode_image(
    own: OwnImage, max_pixels: int = MAX_PIXELS, side: int | None = None
) -> Image.Image:
    """Decode what :func:`take_image` took, once; see :func:`open_image`."""
    with one_sentence("the image is damaged or cut off"):
        image = _undecoded(own)
        check_size(image, max_pixels)
        if side is not None:
            image.draft(None, (_MARGIN * side, _MARGIN * side))  # of a JPEG; else nothing
        image.load()
        return upright_rgb(image)


def _undecoded(own: OwnImage) -> Image.Image:
    if isinstance(own, Image.Image):
        return own
    if isinstance(own, Pixels):
        return array_image(own)
    data = _file_bytes(own) if isinstance(own, str) else own
    if not data:
        raise ImageError("the file is empty")
    try:
        return Image.open(io.BytesIO(data), formats=tuple(FORMAT_ENDINGS))
    except UnidentifiedImageError as error:
        known = ", ".join(FORMAT_ENDINGS)
        raise ImageError(f"not an image in a format that can be read ({known})") from error


def _file_bytes(path: str) -> bytes:
    if scheme := url_scheme(path):
        way = "give its path" if scheme == "file" else "download it first"
        raise ImageError(f"this is a URL ({scheme}), not a file: {way}")
    try:
        status = Path(path).stat()
        if stat.S_ISDIR(status.st_mode):
            raise ImageError("this is a folder, not an image file")
        if not stat.S_ISREG(status.st_mode):
            raise ImageError("this is not a regular file")
        check_bytes(status.st_size)
        with open(path, "rb", opener=open_without_blocking) as file:
            return file.read(status.st_size)
    except FileNotFoundError as error:
        raise ImageError("there is no such file") from error
    except OSError as error:
        raise ImageError(f"the file cannot be read: {error.strerror or error}") from error


def open_without_blocking(path: str, flags: int) -> int:
    # A pipe that took the file's place since the check would otherwise wait for a writer.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
