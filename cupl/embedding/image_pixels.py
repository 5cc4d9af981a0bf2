"""Pixels of any kind to upright RGB of 8 bits, in memory alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image

from cupl.embedding.image_errors import ImageError

_TRANSPOSITIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
WHITE = {"b1": 1, "u1": 255, "u2": 65535, "f2": 1, "f4": 1, "f8": 1}
"""The value that is white, by numpy's type code."""
_STORED_AS = (ExifTags.Base.BitsPerSample, ExifTags.Base.SampleFormat)
_ROUNDING = 1e-3  # resizing a float image leaves 0..1 by a little


@dataclass(frozen=True, eq=False)
class Pixels:
    """An array that is an image.

    Attributes:
        values: ``[height, width]`` or ``[height, width, 1, 3 or 4]``, of a type in ``WHITE``.
        given: what it was when it was given, for an error.

    """

    values: npt.NDArray[Any]
    given: str


def array_image(pixels: Pixels) -> Image.Image:
    """An array as a Pillow image.

    Raises:
        ImageError: its floats are not in 0..1.

    """
    array = pixels.values
    if array.dtype.kind == "f":
        low, high = array.min(), array.max()
        if not (low >= -_ROUNDING and high <= 1 + _ROUNDING):
            raise ImageError(f"{pixels.given} holds {low:g} to {high:g}; floats must be in 0..1")
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    white = WHITE[array.dtype.str[1:]]
    return Image.fromarray(array if white == 255 else _scaled(array, 0, white))


def upright_rgb(image: Image.Image) -> Image.Image:
    """A decoded image in mode ``RGB``, turned by its EXIF orientation, laid over white.

    It shares no memory with ``image``, which stays as it is, and has none of its metadata: an
    orientation that stayed behind would turn it again if it came back as a source.
    """
    rgb = _to_rgb(_upright(image))
    rgb.info.clear()
    return rgb


def _scaled(values: npt.NDArray[Any], black: float, white: float) -> npt.NDArray[np.uint8]:
    """Map ``black``..``white`` linearly to 0..255; what lies outside is clipped, NaN is 0."""
    scaled = np.nan_to_num(np.interp(values, (black, white), (0, 255)))
    return np.asarray(np.rint(scaled), dtype=np.uint8)


def _upright(image: Image.Image) -> Image.Image:
    # Not ImageOps.exif_transpose: it also rewrites the EXIF block, and fails where that is broken.
    try:
        method = _TRANSPOSITIONS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # a broken EXIF block is no reason to lose a good picture
        return image
    return image if method is None else image.transpose(method)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "F" or image.mode.startswith("I"):
        return Image.fromarray(_grey(image)).convert("RGB")
    if not image.has_transparency_data:
        return image.convert("RGB")
    rgba = image.convert("RGBA")
    canvas = Image.new("RGB", image.size, "white")
    canvas.paste(rgba, mask=rgba)
    return canvas


def _grey(image: Image.Image) -> npt.NDArray[np.uint8]:
    """Scale a grey image of more than 8 bits, which Pillow would saturate."""
    values = np.asarray(image)
    tags = getattr(image, "tag_v2", {})  # where it was read from TIFF
    bits, sample_format = (tags.get(tag, (0,)) for tag in _STORED_AS)
    if image.mode == "I" and bits == (32,) and sample_format in {(0,), (1,)}:
        values = values.view(np.uint32)  # Pillow's are signed
    if bits == (12,):
        black, white = 0.0, 4095.0
    elif bits == (16,) and sample_format == (2,) and values.min() >= 0:
        black, white = 0.0, 32767.0
    else:
        black, white = _black_and_white(image.mode, values)
    grey = _scaled(values, black, white)
    if tags.get(ExifTags.Base.PhotometricInterpretation) == 0:  # 0 is white; Pillow leaves it so
        grey = 255 - grey
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        grey[values == transparent] = 255
    return grey


def _black_and_white(mode: str, values: npt.NDArray[Any]) -> tuple[float, float]:
    """The values that are black and white.

    Files do not say which range 32-bit values use. The smallest usual one that holds them all is
    taken (0..1 or 0..255 for floats, 0..65535 for integers, or all that the type holds where more
    than half of that is used), otherwise the image's own range.
    """
    if mode.startswith("I;16"):
        return 0, 65535
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    for white in (1, 255) if mode == "F" else (65535, np.iinfo(values.dtype).max):
        if low >= 0 and high <= white and (white <= 65535 or high > white / 2):
            return 0, white
    return low, high
