"""Pixels of any kind to upright RGB of 8 bits, in memory alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
_STRIP = 2**20
"""How many pixels are worked on at once, where that takes several times the memory they do."""
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
    return Image.fromarray(array if white == 255 else scaled(array, 0, white))


def upright_rgb(image: Image.Image, *, ours: bool = False) -> Image.Image:
    """A decoded image in mode ``RGB``, turned by its EXIF orientation, laid over white.

    It has none of its metadata: an orientation that stayed behind would turn it again if it came
    back as a source.

    Args:
        image: stays as it is, and shares no memory with the result.
        ours: nobody else has it, so that its pixels need not be copied.

    """
    upright = _upright(image)
    ours = ours or upright is not image
    rgb = _moved(upright) if ours and upright.mode == "RGB" else _to_rgb(upright)
    rgb.info.clear()
    return rgb


def _moved(image: Image.Image) -> Image.Image:
    """Its pixels themselves, without what its file says."""
    if image.has_transparency_data:
        return _to_rgb(image)
    moved = Image.new("RGB", (0, 0))
    moved.im, moved._size = image.im, image.size
    return moved


def scaled(values: npt.NDArray[Any], black: float, white: float) -> npt.NDArray[np.uint8]:
    """Map ``black``..``white`` linearly to 0..255; what lies outside is clipped, NaN is 0."""
    levels = 1 << 8 * values.dtype.itemsize
    if values.dtype.kind == "u" and levels <= 2**16 and values.size > levels:
        table = scaled(np.arange(levels), black, white)
        return np.asarray(table[values])
    grey = np.empty(values.shape, np.uint8)
    rows = max(1, _STRIP * len(values) // max(1, values.size))
    for top in range(0, len(values), rows):  # floats take eight times as much as what is returned
        floats = np.nan_to_num(np.interp(values[top : top + rows], (black, white), (0, 255)))
        grey[top : top + rows] = np.rint(floats, out=floats)
    return grey


def _upright(image: Image.Image) -> Image.Image:
    # Not ImageOps.exif_transpose: it also rewrites the EXIF block, and fails where that is broken.
    try:
        method = _TRANSPOSITIONS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # a broken EXIF block is no reason to lose a good picture
        return image
    return image if method is None else image.transpose(method)


def _to_rgb(image: Image.Image) -> Image.Image:
    deep = image.mode == "F" or image.mode.startswith("I")
    if not deep and not image.has_transparency_data:
        return image.convert("RGB")
    scale = _grey_scale(image) if deep else None
    canvas = Image.new("RGB", image.size, "white")
    for top, strip in _strips(image):
        if scale:
            canvas.paste(Image.fromarray(scale(np.asarray(strip))), (0, top))
        else:
            rgba = strip.convert("RGBA")
            canvas.paste(rgba, (0, top), rgba)
    return canvas


def _strips(image: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """Some rows at a time, with the place of the first, so that copies of them are small."""
    rows = max(1, _STRIP // image.width)
    if rows >= image.height:
        yield 0, image
        return
    for top in range(0, image.height, rows):
        yield top, image.crop((0, top, image.width, min(top + rows, image.height)))


def _grey_scale(image: Image.Image) -> Callable[[npt.NDArray[Any]], npt.NDArray[np.uint8]]:
    """How values of a grey image of more than 8 bits, which Pillow would saturate, are scaled."""
    tags = getattr(image, "tag_v2", {})  # where it was read from TIFF
    bits, sample_format = (tags.get(tag, (0,)) for tag in _STORED_AS)
    unsigned = image.mode == "I" and bits == (32,) and sample_format in {(0,), (1,)}
    inverted = tags.get(ExifTags.Base.PhotometricInterpretation) == 0  # Pillow leaves 0 as white
    transparent = image.info.get("transparency")
    if image.mode.startswith("I;16"):
        black, white = 0.0, 4095.0 if bits == (12,) else 65535.0
    elif image.mode == "F":
        black, white = _black_and_white(image, np.float32, (1, 255))
    elif bits == (16,):
        black, white = _black_and_white(image, np.int32, (32767,))
    else:
        black, white = _black_and_white(image, np.uint32 if unsigned else np.int32, (65535,))

    def scale(values: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
        grey = scaled(values.view(np.uint32) if unsigned else values, black, white)
        if inverted:
            grey = 255 - grey
        if isinstance(transparent, int):
            grey[values == transparent] = 255
        return grey

    return scale


def _black_and_white(
    image: Image.Image, dtype: type[Any], whites: tuple[int, ...]
) -> tuple[float, float]:
    """The values that are black and white.

    Files do not say which range 32-bit values use. The smallest usual one that holds them all is
    taken (``whites``, or all that integers can be where more than half of that is used), otherwise
    the image's own range.
    """
    low, high = np.inf, -np.inf
    for _, strip in _strips(image):
        values = np.asarray(strip).view(dtype)
        finite = values[np.isfinite(values)]
        if finite.size:
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
    for white in whites:
        if low >= 0 and high <= white:
            return 0, white
    if dtype is not np.float32 and low >= 0 and high > (most := np.iinfo(dtype).max) / 2:
        return 0, most
    return low, high
