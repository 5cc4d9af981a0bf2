"""What a photo's file says of itself: size in pixels, date and place, without decoding it."""

from __future__ import annotations

import contextlib
import io
import math
import os
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from PIL import ExifTags, Image

from cupl.embedding.image_errors import DAMAGED, one_sentence
from cupl.embedding.image_kinds import HEAD_BYTES, RAW, kind_of
from cupl.embedding.image_ownership import take_image
from cupl.embedding.images import image_header, read_image
from cupl.errors import InputError

_TURNED = (5, 6, 7, 8)
"""EXIF orientations in which a photo lies on its side."""
_TURNED_RAW = (5, 6)
_DATE = re.compile(r"\s*([0-9]{4})[:-]([0-9]{2})[:-]([0-9]{2})[ T]([0-9]{2}):([0-9]{2}):([0-9]{2})")
_PNG_START = 8


@dataclass(frozen=True, slots=True)
class PhotoFacts:
    """What a photo's file says of itself; None of what it does not say.

    Attributes:
        width: in pixels, of the photo as it is seen: turned upright by its EXIF orientation.
        height: as ``width``.
        taken: when it was taken by the camera's clock, as ``2026-05-01 13:45:00``: EXIF
            DateTimeOriginal, else DateTimeDigitized, else DateTime.
        latitude: degrees, north positive, -90 to 90. Only together with ``longitude``.
        longitude: degrees, east positive, -180 to 180.

    """

    width: int | None = None
    height: int | None = None
    taken: str | None = None
    latitude: float | None = None
    longitude: float | None = None


def photo_facts(photo: bytes | str | os.PathLike[str]) -> PhotoFacts:
    """Read what a photo says of itself.

    Only its header is parsed. Whatever is wrong with the file, that fact is None: of a damaged
    photo all of them are. No error comes of a file, so that none keeps a photo out of a library.

    Args:
        photo: the bytes of the file, or its path.

    """
    facts = PhotoFacts()
    with contextlib.suppress(InputError), one_sentence(DAMAGED):
        read = read_image(take_image(photo))
        content = read.content if isinstance(read.content, bytes) else b""
        if kind_of(content[:HEAD_BYTES]) == RAW:
            size, exif = _raw_size(content), _exif_of(content)
        else:
            image = image_header(read)
            exif = _image_exif(image, content)
            # Pillow's sizes of TIFF are of the image turned upright already.
            size = image.size if image.format == "TIFF" else _upright_size(image.size, exif)
        facts = PhotoFacts(*size, _taken(exif), *_place(exif))
    return facts


def _exif_of(block: bytes) -> Image.Exif:
    exif = Image.Exif()
    with contextlib.suppress(Exception):  # its parser raises nearly anything
        exif.load(block)
    return exif


def _image_exif(image: Image.Image, content: bytes) -> Image.Exif:
    if image.format == "PNG" and "exif" not in image.info and (late := _late_exif(content)):
        return _exif_of(late)
    try:
        # Not PngImageFile.getexif, which decodes the image where no EXIF stands before the pixels.
        return Image.Image.getexif(image)
    except Exception:  # a broken block is no reason to lose the rest
        return Image.Exif()


def _late_exif(png: bytes) -> bytes | None:
    """The EXIF block of a PNG, wherever it stands."""
    at = _PNG_START
    while at + 8 <= len(png):
        length, kind = int.from_bytes(png[at : at + 4], "big"), png[at + 4 : at + 8]
        if kind == b"eXIf":
            return png[at + 8 : at + 8 + length]
        at += 12 + length
    return None


def _upright_size(size: tuple[int, int], exif: Image.Exif) -> tuple[int, int]:
    try:
        on_its_side = exif.get(ExifTags.Base.Orientation, 1) in _TURNED
    except Exception:  # values are decoded when they are looked at
        return size
    return size[::-1] if on_its_side else size


def _raw_size(content: bytes) -> tuple[int | None, int | None]:
    try:
        import rawpy

        with rawpy.imread(io.BytesIO(content)) as raw:
            sizes = raw.sizes
    except Exception:  # the package is missing, or does not know the camera
        return None, None
    width, height = int(sizes.width), int(sizes.height)
    return (height, width) if sizes.flip in _TURNED_RAW else (width, height)


def _taken(exif: Image.Exif) -> str | None:
    own = _directory(exif, ExifTags.IFD.Exif)
    for tags, tag in (
        (own, ExifTags.Base.DateTimeOriginal),
        (own, ExifTags.Base.DateTimeDigitized),
        (exif, ExifTags.Base.DateTime),
    ):
        with contextlib.suppress(Exception):  # of another type, or no date: 0000:00:00 is common
            found = _DATE.match(tags[tag])
            if found:
                return datetime(*(int(part) for part in found.groups())).isoformat(" ")  # type: ignore[arg-type]
    return None


def _place(exif: Image.Exif) -> tuple[float | None, float | None]:
    tags, gps = _directory(exif, ExifTags.IFD.GPSInfo), ExifTags.GPS
    latitude = _degrees(tags, gps.GPSLatitude, gps.GPSLatitudeRef, "NS", 90)
    longitude = _degrees(tags, gps.GPSLongitude, gps.GPSLongitudeRef, "EW", 180)
    if latitude is None or longitude is None:
        return None, None
    return latitude, longitude


def _degrees(tags: dict[int, Any], tag: int, ref: int, signs: str, most: int) -> float | None:
    """Degrees, minutes and seconds as one number; None of what is no place on the earth."""
    try:
        side = tags[ref].strip("\0 ").upper()
        parts = [float(part) for part in tags[tag]]
        degrees = math.fsum(part / 60**power for power, part in enumerate(parts))
    except Exception:  # missing, of another type, zero denominators
        return None
    known = side in tuple(signs) and 1 <= len(parts) <= 3 and all(part >= 0 for part in parts)
    small = all(part <= 60 for part in parts[1:])
    if not known or not small or not degrees <= most:
        return None
    return degrees if side == signs[0] else 0.0 - degrees


def _directory(exif: Image.Exif, which: ExifTags.IFD) -> dict[int, Any]:
    try:
        return exif.get_ifd(which)
    except Exception:
        return {}
