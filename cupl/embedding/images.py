"""Images from anywhere to upright RGB, and folders to lists of image files.

Files are not trusted: only regular files of bounded size are read, only raster formats that
Pillow decodes by itself are tried, the pixel count is checked in the header before anything is
decoded, and whatever goes wrong is an :class:`ImageError` with one short sentence.
"""

import contextlib
import io
import os
import re
import stat
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, UnidentifiedImageError

from cupl.errors import InputError

ImageSource = str | os.PathLike[str] | bytes | npt.NDArray[Any] | Image.Image

_MARGIN = 3
"""How many times as large as needed a JPEG that is decoded at less than its size has to stay."""
MAX_FILE_BYTES = 512 * 1024 * 1024

# Left out on purpose: EPS, which runs Ghostscript; ICO, which decodes before its size can be
# checked; TGA, which has no signature, so that any bytes could pass for one.
FORMAT_ENDINGS = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
    "PNG": (".png", ".apng"),
    "WEBP": (".webp",),
    "GIF": (".gif",),
    "BMP": (".bmp",),
    "TIFF": (".tif", ".tiff"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm", ".pfm"),
    "JPEG2000": (".jp2", ".j2k", ".jpx", ".jpf", ".j2c", ".jpc"),
    "AVIF": (".avif", ".avifs"),
}
IMAGE_ENDINGS = tuple(ending for endings in FORMAT_ENDINGS.values() for ending in endings)

_TRANSPOSITIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# The value that is white, by numpy's type code.
_WHITE = {"b1": 1, "u1": 255, "u2": 65535, "f2": 1, "f4": 1, "f8": 1}
_ROUNDING = 1e-3  # resizing a float image leaves 0..1 by a little


class ImageError(InputError):
    """An image that cannot be read; the message is the reason, without the image's name."""


def open_image(
    source: ImageSource, max_pixels: int = 100_000_000, side: int | None = None
) -> Image.Image:
    """Decode an image to upright RGB.

    The first frame of an animation is taken, the EXIF orientation is applied, transparency is
    laid over white, and 16-bit and floating-point values are scaled to 8 bits. Colour profiles
    are ignored. Safe to call from many threads.

    Args:
        source: A path, the bytes of an image file, a Pillow image, or an array ``[height, width]``
            or ``[height, width, 1, 3 or 4]`` of uint8, uint16, bool, or floats in 0..1.
        max_pixels: Larger images are refused before they are decoded. Pillow refuses more than
            twice its own ``Image.MAX_IMAGE_PIXELS`` whatever is said here.
        side: what the image will be reduced to, in pixels. A JPEG at least six times as large is
            then decoded at a half, a quarter or an eighth of its size, and still three times as
            large as it has to be. What is reduced from that differs by less than one level of 256
            in the mean (tests/embedding/test_images.py holds it to that).

    Returns:
        A decoded image in mode ``RGB`` that shares no memory with ``source`` and carries none of
        its metadata.

    Raises:
        ImageError: the source is missing, not a regular file, not an image, damaged, too large,
            or an array of another shape, type or range.

    """
    try:
        with _pillow_warnings_ignored():
            image = _undecoded(source)
            width, height = image.size
            if width * height > max_pixels:
                raise ImageError(
                    f"the image is {width} x {height} pixels; {max_pixels:,} in all are allowed"
                )
            if not width * height:
                raise ImageError("the image has no pixels")
            if side is not None:
                image.draft(None, (_MARGIN * side, _MARGIN * side))  # of a JPEG; else nothing
            image.load()
            rgb = _to_rgb(_upright(image))
    except ImageError:
        raise
    except MemoryError as error:
        raise ImageError("there is not enough memory for the image") from error
    except UnidentifiedImageError as error:
        known = ", ".join(FORMAT_ENDINGS)
        raise ImageError(f"not an image in a format that can be read ({known})") from error
    except Image.DecompressionBombError as error:
        raise ImageError("the image has more pixels than Pillow agrees to decode") from error
    except Exception as error:  # decoders raise nearly every builtin error on damaged data
        raise ImageError("the image is damaged or cut off") from error
    # An orientation that stayed behind would turn the image again if it came back as a source.
    rgb.info.clear()
    return rgb


_warning_filters_lock = threading.Lock()


@contextlib.contextmanager
def _pillow_warnings_ignored() -> Iterator[None]:
    """Keep Pillow's remarks on odd files from the user.

    ``warnings.catch_warnings`` restores the filters it found, which undoes the work of other
    threads; this adds one filter and takes one such filter away.
    """
    ours = ("ignore", None, Warning, re.compile(r"PIL\."), 0)
    with _warning_filters_lock:
        warnings.filters = [ours, *warnings.filters]
    try:
        yield
    finally:
        with _warning_filters_lock:
            remaining = list(warnings.filters)
            with contextlib.suppress(ValueError):  # someone else has reset the filters
                remaining.remove(ours)
            warnings.filters = remaining


def _undecoded(source: ImageSource) -> Image.Image:
    if isinstance(source, Image.Image):
        return source
    if isinstance(source, np.ndarray):
        return _array_image(source)
    if isinstance(source, str | os.PathLike):
        source = _file_bytes(source)
    if not isinstance(source, bytes):
        raise ImageError(
            f"an image is a path, bytes, an array or a Pillow image, not {type(source).__name__}"
        )
    if not source:
        raise ImageError("the file is empty")
    return Image.open(io.BytesIO(source), formats=tuple(FORMAT_ENDINGS))


def _file_bytes(path: str | os.PathLike[str]) -> bytes:
    try:
        status = Path(path).stat()
        if stat.S_ISDIR(status.st_mode):
            raise ImageError("this is a folder, not an image file")
        if not stat.S_ISREG(status.st_mode):
            raise ImageError("this is not a regular file")
        if status.st_size > MAX_FILE_BYTES:
            raise ImageError(f"the file is larger than {MAX_FILE_BYTES // 1024**2} MiB")
        with open(path, "rb", opener=_open_without_blocking) as file:
            return file.read(status.st_size)
    except FileNotFoundError as error:
        raise ImageError("there is no such file") from error
    except OSError as error:
        raise ImageError(f"the file cannot be read: {error.strerror or error}") from error


def _open_without_blocking(path: str, flags: int) -> int:
    # A pipe that took the file's place since the check would otherwise wait for a writer.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _array_image(array: npt.NDArray[Any]) -> Image.Image:
    described = f"an array of shape {array.shape} and type {array.dtype}"
    channels = array.shape[2] if array.ndim == 3 else 1
    white = _WHITE.get(array.dtype.str[1:])
    if array.ndim not in (2, 3) or channels not in (1, 3, 4) or not array.size or not white:
        raise ImageError(
            f"{described} is not an image: needed is [height, width] or "
            "[height, width, 1, 3 or 4] of uint8, uint16, bool, or floats in 0..1"
        )
    if array.dtype.kind == "f":
        low, high = array.min(), array.max()
        if not (low >= -_ROUNDING and high <= 1 + _ROUNDING):
            raise ImageError(f"{described} holds {low:g} to {high:g}; floats must be in 0..1")
    if array.ndim == 3 and channels == 1:
        array = array[:, :, 0]
    return Image.fromarray(array if white == 255 else _scaled(array, 0, white))


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
    twelve_bits = tags.get(ExifTags.Base.BitsPerSample) == (12,)
    black, white = (0, 4095) if twelve_bits else _black_and_white(image.mode, values)
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
    taken (0..1 or 0..255 for floats, 0..65535 for integers), otherwise the image's own range.
    """
    if mode.startswith("I;16"):
        return 0, 65535
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    for white in (1, 255) if mode == "F" else (65535,):
        if low >= 0 and high <= white:
            return 0, white
    return low, high
