"""PNG: its transparent value, and a file without the chunks that are not pixels."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin

_SIGNATURE = 8
_PIXELS = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"eXIf"}
_TEXT = b"iTXt"  # the orientation can be in one
_HARMLESS = 1000
"""Bytes that cannot unpack to more than Pillow allows a text, 1 MiB: deflate makes 1032 of one."""
_GREY_STEPS = {"L;2": 85, "L;4": 17}


def load_png(image: PngImagePlugin.PngImageFile) -> None:
    """Decode it, and have the value that is transparent match the pixels that hold it.

    The file says it at its own depth; Pillow compares that with pixels of 8 bits.
    """
    key: Any = image.info.get("transparency")
    rawmode = image.tile[0][3] if image.tile and key is not None else None
    if rawmode in _GREY_STEPS:
        image.info["transparency"] = key * _GREY_STEPS[rawmode] & 255
    if rawmode != "RGB;16B":
        image.load()
        return
    low = Image.open(io.BytesIO(image.fp.getvalue()), formats=("PNG",))  # type: ignore[union-attr]
    low.tile = [low.tile[0]._replace(args="RGB;16L")]
    transparent = True
    for decoded, of_key in ((image, [v >> 8 for v in key]), (low, [v & 255 for v in key])):
        decoded.load()
        transparent = transparent & (np.asarray(decoded) == of_key).all(axis=2)
    del image.info["transparency"]
    image.putalpha(Image.fromarray(np.where(transparent, 0, 255).astype(np.uint8)))


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
