"""JPEG 2000 of other depths than 8 bits, which Pillow scales wrong: read right, or refused."""

from __future__ import annotations

from itertools import chain
from typing import Any

from PIL import Jpeg2KImagePlugin

from cupl.embedding.image_errors import ImageError

_SIZES = b"\xff\x4f\xff\x51"
"""Begins the codestream: its first marker is that of the sizes."""
_OFFSETS, _COMPONENTS = slice(16, 24), 40
"""Where in that the place of the image and the number of its components stand."""
_CODING, _CODING_OF_ONE, _TILE = 0xFF52, 0xFF53, 0xFF90


def halve_jpeg2000(image: Jpeg2KImagePlugin.Jpeg2KImageFile) -> None:
    """Have it decoded at half its size, which takes a quarter of the memory, where that can be."""
    codestream = image.fp.getvalue()  # type: ignore[union-attr]
    codestream = codestream[codestream.index(_SIZES) :]
    if image.mode in {"P", "PA"} or any(codestream[_OFFSETS]) or not _has_halves(codestream):
        return
    tile = image.tile[0]
    arguments: Any = tile.args  # the second halves it
    image._size = ((image.width + 1) // 2, (image.height + 1) // 2)
    arguments = (arguments[0], 1, *arguments[2:])
    image.tile = [tile._replace(extents=(0, 0, *image.size), args=arguments)]


def load_jpeg2000(image: Jpeg2KImagePlugin.Jpeg2KImageFile) -> None:
    """Decode it, the values in the whole range of its mode.

    Raises:
        ImageError: Pillow would turn the brightest values to black, or not scale them.

    """
    bits = _depths(image.fp.getvalue())  # type: ignore[union-attr]
    deepest = max(bits)
    if deepest > 16 or (deepest > 8 and len(bits) > 1):
        raise ImageError(
            f"a JPEG 2000 image of {len(bits)} sample{'s' * (len(bits) > 1)} of {deepest} bits a "
            "pixel cannot be read: convert it to 8 bits"
        )
    if deepest > 8 and image.mode == "L":  # 9 bits; Pillow rounds the brightest beyond 255, to 0
        image._mode = "I;16"
    image.load()
    if min(bits) < 8:
        indices = image.mode.startswith("P")
        tables = (_unshifted(depth, indices and not band) for band, depth in enumerate(bits))
        image.im = image.point(list(chain.from_iterable(tables))).im


def _has_halves(codestream: bytes) -> bool:
    """Whether each component is stored at half its size, too: told by the main header."""
    found, at = False, 2
    while at + 10 <= len(codestream):
        marker = int.from_bytes(codestream[at : at + 2], "big")
        if marker in {_CODING_OF_ONE, _TILE}:
            return found and marker == _TILE
        found = found or (marker == _CODING and codestream[at + 9] > 0)
        at += 2 + int.from_bytes(codestream[at + 2 : at + 4], "big")
    return False


def _depths(data: bytes) -> list[int]:
    start = data.index(_SIZES) + _COMPONENTS
    number = int.from_bytes(data[start : start + 2], "big")
    sizes = data[start + 2 : start + 2 + 3 * number]
    return [(size & 0x7F) + 1 for size in sizes[::3]]


def _unshifted(depth: int, index: bool) -> list[int]:
    """Pillow shifts values to 8 bits: white stays below 255, an index is that of another colour."""
    white = 255 if index else (1 << depth) - 1
    return [round((level >> max(0, 8 - depth)) * 255 / white) for level in range(256)]
