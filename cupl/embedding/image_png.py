"""PNG without the chunks that are not pixels."""

from __future__ import annotations

_SIGNATURE = 8
_PIXELS = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"eXIf"}
_TEXT = b"iTXt"  # the orientation can be in one
_HARMLESS = 1000
"""Bytes that cannot unpack to more than Pillow allows a text, 1 MiB: deflate makes 1032 of one."""


def only_pixels(data: bytes) -> bytes:
    """A PNG file without large texts, colour profiles, and what else is not needed to see it.

    Pillow unpacks these before anything else and refuses the picture where they are large or
    damaged. Its limits are global, and stay as they are: here nothing is unpacked.
    """
    kept = [data[:_SIGNATURE]]
    at, texts = _SIGNATURE, 0
    while at + 8 <= len(data):
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        end = at + 12 + length
        is_small_text = kind == _TEXT and length <= _HARMLESS and texts < 32
        texts += is_small_text
        if kind in _PIXELS or is_small_text:
            kept.append(data[at:end])
        at = end
    return b"".join(kept)
