"""What keeps a JPEG from being read, by the header of its frame."""

from __future__ import annotations

from cupl.embedding.image_errors import DAMAGED, ImageError

_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
_JPEG_LS = 0xF7
_DATA_FOLLOWS = 0xDA
_EXIF = 0xE1
_MOST_EXIF = 64
"""Blocks of 64 KB: Pillow joins all, in a time that grows with the square of their number."""


def check_jpeg(data: bytes) -> None:
    """Refuse a JPEG whose metadata would take minutes to be read.

    Raises:
        ImageError: it is one.

    """
    at, blocks = 2, 0
    while at + 10 <= len(data) and data[at] == 0xFF and data[at + 1] != _DATA_FOLLOWS:
        marker = data[at + 1]
        blocks += marker == _EXIF and data.startswith(b"Exif\0", at + 4)
        at += 1 if marker == 0xFF else 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    if blocks > _MOST_EXIF:
        raise ImageError(f"it has {blocks:,} blocks of EXIF: save it without metadata")


def jpeg_refusal(data: bytes) -> str:
    """Why a JPEG that Pillow does not open is refused."""
    at = 2
    while at + 10 <= len(data) and data[at] == 0xFF and data[at + 1] != _DATA_FOLLOWS:
        marker = data[at + 1]
        if marker == _JPEG_LS:
            return "a JPEG-LS image cannot be read: convert it to JPEG or PNG"
        if marker in _FRAMES:
            bits, samples = data[at + 4], data[at + 9]
            if bits != 8 or samples not in (1, 3, 4):
                return (
                    f"a JPEG of {samples} sample{'s' * (samples != 1)} of {bits} bits a pixel "
                    "cannot be read: convert it to 8 bits"
                )
            break
        at += 1 if marker == 0xFF else 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return DAMAGED
