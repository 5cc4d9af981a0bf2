"""HEIC and raw files of cameras, through the packages of the extra ``formats``."""

from __future__ import annotations

import io

from PIL import Image

from cupl.embedding.image_errors import ImageError
from cupl.embedding.image_kinds import HEIF
from cupl.embedding.image_memory import DECODING
from cupl.embedding.image_ownership import check_size
from cupl.embedding.image_pixels import Pixels, array_image

_RAW_PIXEL = 8
"""Bytes that it takes to develop one."""


def open_extra(data: bytes, kind: str, max_pixels: int) -> Image.Image:
    """Open an image of one of :data:`~cupl.embedding.image_kinds.EXTRA_PACKAGES`, upright.

    Its own class is called, no opener is registered with Pillow: that would change by what other
    formats are read, and so their pixels.

    Raises:
        ImageError: the package is missing.

    """
    try:
        return _open_heif(data) if kind == HEIF else _develop(data, max_pixels)
    except ImportError as error:
        name = "a HEIC image" if kind == HEIF else "a raw file of a camera"
        raise ImageError(f'this is {name}: pip install "cupl[formats]" to read it') from error


def _open_heif(data: bytes) -> Image.Image:
    from pillow_heif.as_plugin import HeifImageFile

    image: Image.Image = HeifImageFile(io.BytesIO(data))  # type: ignore[no-untyped-call]
    return image  # not decoded before it is loaded


def _develop(data: bytes, max_pixels: int) -> Image.Image:
    import rawpy

    try:
        with rawpy.imread(io.BytesIO(data)) as raw:
            check_size((raw.sizes.width, raw.sizes.height), max_pixels)
            with DECODING.reserved(_RAW_PIXEL * raw.sizes.width * raw.sizes.height):
                # Half the size is a pixel for each group of the filter: more than an encoder sees.
                colours = raw.postprocess(use_camera_wb=True, half_size=True, output_bps=8)
    except rawpy.LibRawError as error:
        raise ImageError(
            "the raw file is damaged, cut off, or of a kind that rawpy does not read"
        ) from error
    return array_image(Pixels(colours, "a raw file"))
