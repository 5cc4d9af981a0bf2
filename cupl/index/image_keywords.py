"""Keywords in the file of a photo: XMP ``dc:subject`` and IPTC ``Keywords``, and nothing else.

Programs read one or the other, so that both are kept. Of each cupl writes down in XMP what it added
to it: what a person had there already is no part of that, and stays.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

from PIL import ExifTags, Image

from cupl.embedding.image_errors import DAMAGED, ImageError, one_sentence
from cupl.embedding.image_kinds import HEAD_BYTES, kind_of
from cupl.embedding.images import ReadImage, decoded_image, image_header
from cupl.errors import InputError
from cupl.index.exiv2 import NAMESPACE, opened
from cupl.index.xmp_packets import (
    EMPTY_PACKET,
    Keywords,
    Packet,
    read_packet,
    with_keywords,
    without_ours,
)
from cupl.io.terminal import printable

WRITTEN_KINDS = ("JPEG", "TIFF", "PNG", "WEBP")
"""Of image files, that keywords are written into.

Raw files of cameras are left alone. Of JPEG 2000 exiv2 drops which channel is transparent.
"""
_KEYWORDS, _CHARSET = "Iptc.Application2.Keywords", "Iptc.Envelope.CharacterSet"
_CAPTION = "Iptc.Application2.Caption"
_UTF_8 = "\x1b%G"
_LONGEST = 64
"""Bytes of an IPTC keyword."""
_MOST_FRAMES = 1000
_XMP_TAG, _IPTC_TAG, _PHOTOSHOP_TAG, _SUB_IMAGES = 700, 33723, 34377, 330
_MOVED_TAGS = {_XMP_TAG, _IPTC_TAG, _PHOTOSHOP_TAG, 273, 324, 513, 34665, 34853, 40965}
"""Tags of TIFF that are ours, or places in the file."""
# exiv2 writes EXIF blocks anew, of which the tags are compared; one in JPEG is among the segments.
_OWN_INFO = {"exif", "photoshop", "xmp", "XML:com.adobe.xmp", "Raw profile type iptc", "mp"}
_OWN_INFO |= {"mpoffset"}
_OWN_SEGMENTS = (b"http://ns.adobe.com/xap/1.0/\0", b"Photoshop 3.0\0")
_IPTC_BLOCKS = (0x0404, 0x0425)
"""Of Photoshop: IPTC and its digest."""
_PIXELS_FOLLOW = 0xDA


def keywords_in(photo: bytes) -> Keywords:
    """The keywords in a photo's file; of a kind that cannot hold any, none.

    Raises:
        InputError: the file is damaged.
        MissingPackageError: pyexiv2 is not installed.

    """
    if not _can_be_written(photo):
        return Keywords()
    packet, iptc = _read(photo)
    told = [*packet.keywords.all, *_texts(iptc)]
    ours = {*packet.keywords.ours, *packet.in_iptc}
    every = tuple(dict.fromkeys(told))
    return Keywords(every, tuple(word for word in every if word in ours))


def is_described(photo: bytes) -> bool:
    """Whether a person's description is in a photo's file, as XMP or IPTC.

    What EXIF calls a description is mostly the camera's name.

    Raises:
        InputError: the file is damaged.

    """
    if not _can_be_written(photo):
        return False
    packet, iptc = _read(photo)
    return packet.has_theirs or any(one.strip() for one in _values(iptc.get(_CAPTION, "")))


def add_keywords(photo: bytes, words: Sequence[str]) -> bytes:
    """The file with keywords added that it has not; the same bytes where it has all of them.

    Raises:
        InputError: the kind of file cannot hold keywords, or it is damaged.

    """
    if not _can_be_written(photo):
        kind = kind_of(photo[:HEAD_BYTES]) or "a file of this kind"
        raise InputError(f"keywords are not written into {kind}: write XMP sidecars in their place")
    packet, iptc = _read(photo)
    short = [word for word in words if len(word.encode()) <= _LONGEST]
    missing = [word for word in dict.fromkeys(short) if word not in _texts(iptc)]
    if not _holds_iptc(photo) or not _is_unicode(iptc):
        missing = []
    new = with_keywords(packet, words, missing)
    if new is packet:
        return photo
    return _written(photo, new, [*_texts(iptc), *missing] if missing else None)


def take_keywords(photo: bytes) -> bytes:
    """The file without the keywords that cupl added; the same bytes where there is none.

    Raises:
        InputError: the file is damaged.
        MissingPackageError: pyexiv2 is not installed.

    """
    if not _can_be_written(photo) or not _may_hold_ours(photo):
        return photo
    packet, iptc = _read(photo)
    new = without_ours(packet)
    if new is packet:
        return photo
    left = [word for word in _texts(iptc) if word not in packet.in_iptc]
    return _written(photo, new, left if packet.in_iptc else None)


def check_unharmed(before: bytes, after: bytes) -> None:
    """Accept a file that differs in its keywords alone.

    Both are decoded: the pixels of all frames must be the same, as must be all that Pillow and
    exiv2 read of EXIF, IPTC, XMP, colour profile and comments.

    Raises:
        InputError: something else differs.

    """
    old, new = _told(before), _told(after)
    for what, told in old.items():
        if new[what] != told:
            raise InputError(
                f"{what} would not be as before, so that it was left: XMP sidecars do no harm"
            )


def check_kept(photo: bytes, kept: bytes, name: str) -> None:
    """Accept what is kept as the original of a photo if it has the same pixels.

    Raises:
        InputError: it is of another photo.

    """
    try:
        same = photo == kept or list(_frames(photo)) == list(_frames(kept))
    except InputError:  # it is no photo
        same = False
    if not same:
        raise InputError(
            f"{printable(name)} is of another photo, so that this one's original could not be kept "
            "there: rename that file, or write XMP sidecars"
        )


def _can_be_written(photo: bytes) -> bool:
    return kind_of(photo[:HEAD_BYTES]) in WRITTEN_KINDS


def _may_hold_ours(photo: bytes) -> bool:
    """Whether it names our XMP, which only PNG can hold compressed.

    So that a photo that exiv2 cannot read, and nothing was written into, is none to complain of.
    """
    return NAMESPACE.encode() in photo or kind_of(photo[:HEAD_BYTES]) == "PNG"


def _holds_iptc(photo: bytes) -> bool:
    return kind_of(photo[:HEAD_BYTES]) != "WEBP"


def _read(photo: bytes) -> tuple[Packet, dict[str, Any]]:
    """Its XMP and IPTC; texts of IPTC byte for byte, as Latin-1."""
    with opened(photo) as image:
        text, iptc = image.read_raw_xmp(), image.read_iptc("latin-1")
    return read_packet(text), iptc


def _texts(iptc: dict[str, Any]) -> list[str]:
    found = iptc.get(_KEYWORDS, ())
    return [one.encode("latin-1").decode("utf-8", "replace") for one in _values(found)]


def _values(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _is_unicode(iptc: dict[str, Any]) -> bool:
    """Whether texts in UTF-8 can stand beside those that are there."""
    if _CHARSET in iptc:
        return bool(iptc[_CHARSET] == _UTF_8)
    return all(one.isascii() for value in iptc.values() for one in _values(value))


def _written(photo: bytes, packet: Packet, words: list[str] | None) -> bytes:
    """The file with that XMP and, unless they are None, those keywords in IPTC."""
    with opened(photo) as image:
        image.modify_raw_xmp(packet.text or EMPTY_PACKET)
        if not packet.text:
            image.clear_xmp()  # which alone WebP does not do
        if words is not None:
            image.modify_iptc({_KEYWORDS: words or None, _CHARSET: _UTF_8})
            if not image.read_iptc("latin-1").keys() - {_CHARSET}:
                image.clear_iptc()
        return bytes(image.get_bytes())


def _told(photo: bytes) -> dict[str, Any]:
    packet, iptc = _read(photo)
    with one_sentence(DAMAGED):
        header = image_header(ReadImage(photo, False))
        frames, info = list(_frames(photo)), _info(header)
    return {
        "its pixels": frames,
        "what follows its header": kind_of(photo[:HEAD_BYTES]) == "JPEG" and _scan(photo),
        "its EXIF data or colour profile": info,
        "its other IPTC texts": {k: v for k, v in iptc.items() if k not in (_KEYWORDS, _CHARSET)},
        "its other XMP properties": packet.rest,
    }


def _frames(photo: bytes) -> Iterator[tuple[Any, ...]]:
    """Size and pixels of each; the first as it is classified."""
    read = ReadImage(photo, False)
    with decoded_image(read) as image:
        yield image.size, hashlib.sha256(image.tobytes()).digest()
    header: Any = image_header(read)
    number = getattr(header, "n_frames", 1)
    if number > _MOST_FRAMES:
        raise ImageError(f"it holds {number:,} images, too many to look at each")
    for frame in range(1, number):
        header.seek(frame)
        yield header.mode, header.size, hashlib.sha256(header.tobytes()).digest(), _info(header)


def _info(image: Image.Image) -> dict[Any, Any]:
    """What Pillow reads beside pixels and what is ours."""
    exif = Image.Image.getexif(image)
    if _SUB_IMAGES in exif:
        raise ImageError("it holds images within images, of which exiv2 may drop some")
    parts = exif, exif.get_ifd(ExifTags.IFD.Exif), exif.get_ifd(ExifTags.IFD.GPSInfo)
    blocks = image.info.get("photoshop", {})
    told: dict[Any, Any] = {k: repr(v) for k, v in image.info.items() if k not in _OWN_INFO}
    told["tags"] = [{k: repr(v) for k, v in one.items() if k not in _MOVED_TAGS} for one in parts]
    told["photoshop"] = {k: repr(v) for k, v in dict(blocks).items() if k not in _IPTC_BLOCKS}
    if segments := getattr(image, "applist", ()):  # of JPEG, the comment among them, again
        told.pop("comment", None)
    told["segments"] = [
        (name, data.rstrip(b"\0") if name == "COM" else data)  # exiv2 ends a comment by a zero
        for name, data in segments
        if not data.startswith(_OWN_SEGMENTS)
    ]
    return told


def _scan(jpeg: bytes) -> bytes:
    """From the first pixels of a JPEG on, with all that somebody has hung behind its end."""
    at = 2
    while at + 4 <= len(jpeg) and jpeg[at] == 0xFF and jpeg[at + 1] != _PIXELS_FOLLOW:
        at += 1 if jpeg[at + 1] == 0xFF else 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
    return jpeg[at:]
