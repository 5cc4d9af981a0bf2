"""TIFF in the layouts that Pillow opens and yet reads wrong: read right, or refused."""

from __future__ import annotations

import contextlib
import io
import re

from PIL import ExifTags, ImageFile, TiffImagePlugin

from cupl.embedding.image_errors import DAMAGED, ImageError

_PLANES_APART = 2
_SIGNED = 2
_YCBCR = 6
_BIG = 43
_PLANAR_MODES = {"RGB", "RGBA", "CMYK"}


def load_tiff(image: TiffImagePlugin.TiffImageFile) -> None:
    """Decode it, by libtiff where Pillow's own reader mixes it up.

    Raises:
        ImageError: neither reads it right.

    """
    _settle(image)
    image.load()


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
    if apart and len(bits) > 1 and (decoder == "raw" or photometric != _YCBCR):
        rawmode = image.mode + (";16N" if bits[0] == 16 else "")
    elif decoder == "libtiff":  # its values are in the machine's order, whatever the file's is
        rawmode = re.sub(r"(?<=;16|;32)B(?=[SF])", "N", str(rawmode))
    else:
        return
    width, height = tags[ExifTags.Base.ImageWidth], tags[ExifTags.Base.ImageLength]
    whole = (0, 0, width, height)
    image.tile = [ImageFile._Tile("libtiff", whole, 0, (rawmode, False, tags.offset))]
    image.use_load_libtiff = True


def tiff_refusal(data: bytes) -> str:
    """Why a TIFF that Pillow does not open is refused."""
    tags = TiffImagePlugin.ImageFileDirectory_v2(
        data[: 16 if 43 in data[2:4] else 8]
    )  # BigTIFF: 43
    with contextlib.suppress(Exception):  # of a damaged file
        file = io.BytesIO(data)
        file.seek(tags.next)
        tags.load(file)
    return refusal(tags) if ExifTags.Base.ImageWidth in tags else DAMAGED


def refusal(tags: TiffImagePlugin.ImageFileDirectory_v2) -> str:
    """Name the layout of a TIFF that cannot be read."""
    bits = tags.get(ExifTags.Base.BitsPerSample, (1,))
    samples = tags.get(ExifTags.Base.SamplesPerPixel, len(bits))
    kinds = {2: "signed ", 3: "floating-point ", 5: "complex ", 6: "complex "}
    kind = kinds.get(tags.get(ExifTags.Base.SampleFormat, (1,))[0], "")
    apart = tags.get(ExifTags.Base.PlanarConfiguration) == _PLANES_APART and samples != 1
    return (
        f"a TIFF of {samples} {kind}sample{'s' * (samples != 1)} of {bits[0]} bits a pixel"
        f"{', in planes apart' * apart}, photometric interpretation "
        f"{tags.get(ExifTags.Base.PhotometricInterpretation, 'unknown')}, cannot be read: "
        "convert it to RGB of 8 bits"
    )
