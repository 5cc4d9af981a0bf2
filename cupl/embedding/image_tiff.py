"""TIFF in the layouts that Pillow opens and yet reads wrong: read right, or refused."""

from __future__ import annotations

import contextlib
import ctypes
import io
import re
from functools import cache

from PIL import ExifTags, ImageFile, ImagePalette, TiffImagePlugin, _imaging

from cupl.embedding.image_errors import DAMAGED, ImageError

_PLANES_APART = 2
_SIGNED = 2
_YCBCR = 6
_BIG = 43
_PLANAR_MODES = {"RGB", "RGBA", "CMYK"}
_COMPRESSIONS = {
    34712: "JPEG 2000", 34887: "LERC", 34892: "lossy JPEG of DNG", 34926: "Zstandard",
    34927: "WebP", 34933: "PNG", 34934: "JPEG XR", 50001: "WebP", 50002: "JPEG XL",
    52546: "JPEG XL",
}  # fmt: skip
_READ_COMPRESSIONS = {*range(9), 32771, 32773, 32809, 32946, 34676, 34677, 34925, 50000}


def load_tiff(image: TiffImagePlugin.TiffImageFile) -> None:
    """Decode it, by libtiff where Pillow's own reader mixes it up.

    Raises:
        ImageError: neither reads it right.

    """
    _settle(image)
    _silence_libtiff()
    tags = image.tag_v2
    if image.mode in {"P", "PA"} and max(colours := tags[ExifTags.Base.ColorMap]) < 256:
        image.palette = ImagePalette.raw("RGB;L", bytes(colours))  # 8 bits where 16 are the rule
    try:
        image.load()
    except OSError as error:
        if tags.get(ExifTags.Base.Compression) in _READ_COMPRESSIONS:
            raise
        raise ImageError(refusal(tags)) from error


def _settle(image: TiffImagePlugin.TiffImageFile) -> None:
    if not image.tile:
        return
    tags = image.tag_v2
    decoder, _, _, args = image.tile[0]
    rawmode = args[0] if isinstance(args, tuple) else args
    apart = tags.get(ExifTags.Base.PlanarConfiguration) == _PLANES_APART
    bits = tags.get(ExifTags.Base.BitsPerSample, (1,))
    if apart and len(bits) > 1 and image.mode not in _PLANAR_MODES:
        raise ImageError(refusal(tags))
    if max(tags.get(ExifTags.Base.SampleFormat, (1,))) == _SIGNED and bits[0] == 8:
        raise ImageError(refusal(tags))
    photometric = tags.get(ExifTags.Base.PhotometricInterpretation)
    if decoder == "raw" and photometric == _YCBCR and image.mode == "YCbCr":
        image._mode, rawmode = "RGB", "RGBX"  # its colours may be of fewer pixels
    elif apart and len(bits) > 1 and photometric != _YCBCR:
        rawmode = image.mode + (";16N" if bits[0] == 16 else "")
    elif decoder == "libtiff":  # its values are in the machine's order, whatever the file's is
        rawmode = re.sub(r"(?<=;16|;32)B(?=[SF])", "N", str(rawmode))
    else:
        return
    width, height = tags[ExifTags.Base.ImageWidth], tags[ExifTags.Base.ImageLength]
    whole = (0, 0, width, height)
    image.tile = [ImageFile._Tile("libtiff", whole, 0, (rawmode, False, tags.offset))]
    image.use_load_libtiff = True


@cache
def _silence_libtiff() -> None:
    """Keep libtiff from writing its errors to the terminal: they are raised as well."""
    with contextlib.suppress(OSError, AttributeError):  # it is no library of its own everywhere
        ctypes.CDLL(str(_imaging.__file__)).TIFFSetErrorHandler(None)


def tiff_refusal(data: bytes) -> str:
    """Why a TIFF that Pillow does not open is refused."""
    if data[:4] == b"MM\0+":
        return "a BigTIFF in big-endian order cannot be read: convert it to RGB of 8 bits"
    tags = TiffImagePlugin.ImageFileDirectory_v2(data[: 16 if data[2] == _BIG else 8])
    with contextlib.suppress(Exception):  # of a damaged file
        file = io.BytesIO(data)
        file.seek(tags.next)
        tags.load(file)
    return refusal(tags) if ExifTags.Base.PhotometricInterpretation in tags else DAMAGED


def refusal(tags: TiffImagePlugin.ImageFileDirectory_v2) -> str:
    """Name the compression or the layout of a TIFF that cannot be read."""
    compression = tags.get(ExifTags.Base.Compression, 1)
    photometric = tags.get(ExifTags.Base.PhotometricInterpretation, 0)
    bits = tags.get(ExifTags.Base.BitsPerSample, (1,))
    samples = tags.get(ExifTags.Base.SamplesPerPixel, len(bits))
    if not all(isinstance(value, int) for value in (compression, photometric, samples, *bits)):
        return DAMAGED  # such as a text, which is no part of a message
    if compression not in _READ_COMPRESSIONS:
        name = _COMPRESSIONS.get(compression, f"number {compression}")
        return f"a TIFF compressed by {name} cannot be read: convert it to RGB of 8 bits"
    kinds = {2: "signed ", 3: "floating-point ", 5: "complex ", 6: "complex "}
    kind = kinds.get(tags.get(ExifTags.Base.SampleFormat, (1,))[0], "")
    apart = tags.get(ExifTags.Base.PlanarConfiguration) == _PLANES_APART and samples != 1
    return (
        f"a TIFF of {samples} {kind}sample{'s' * (samples != 1)} "
        f"of {bits[0]} bit{'s' * (bits[0] != 1)} a pixel"
        f"{', in planes apart' * apart}, photometric interpretation {photometric}, cannot be read: "
        "convert it to RGB of 8 bits"
    )
