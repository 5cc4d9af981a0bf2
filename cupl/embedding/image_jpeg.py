"""What keeps a JPEG from being read, by the header of its frame."""

from __future__ import annotations

from cupl.embedding.image_errors import DAMAGED, ImageError

_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
_JPEG_LS = 0xF7
_DATA_FOLLOWS = 0xDA
_EXIF = 0xE1
_FILL = 0xFF
_ALONE = frozenset({0x00, 0xC8, *range(0xD0, 0xDA), *range(0xF0, 0xFE)})
"""Markers behind which Pillow reads no length."""
_SEGMENTS = frozenset({*range(0xC0, 0xF0), 0xFE} - _ALONE - {_DATA_FOLLOWS})
_MOST_EXIF = 64
"""Blocks of 64 KB: Pillow joins all, in a time that grows with the square of their number."""
_MOST_STEPS = 2**18
"""Markers, and bytes that are no part of any: Pillow takes some microseconds for each."""


def check_jpeg(data: bytes) -> None:
    """Refuse a JPEG whose metadata would take minutes to be read.

    Markers are followed as Pillow does it, so that nothing is read that was not counted.

    Raises:
        ImageError: it is one.

    """
    at, steps, blocks = 2, 0, 0
    while at < len(data):
        found = data.find(b"\xff", at)
        steps += 1 + (found if found >= 0 else len(data)) - at
        if steps > _MOST_STEPS:
            raise ImageError(
                f"it has more than {_MOST_STEPS:,} markers or odd bytes before its pixels: save it "
                "anew without metadata"
            )
        marker = data[found + 1] if 0 <= found < len(data) - 1 else _DATA_FOLLOWS
        if marker == _FILL:
            at = found + 1
        elif marker in _ALONE:
            at = found + 2
        elif marker in _SEGMENTS:
            blocks += marker == _EXIF and data.startswith(b"Exif\0", found + 4)
            at = found + 2 + max(2, int.from_bytes(data[found + 2 : found + 4], "big"))
        else:
            break
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
