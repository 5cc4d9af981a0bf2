"""PGM and PPM whose white is neither 255 nor, in grey, 65535, and those of endless comments."""

from __future__ import annotations

import io
import re
from typing import Any

import numpy as np
from PIL import Image, PpmImagePlugin

from cupl.embedding.image_errors import ImageError
from cupl.embedding.image_pixels import scaled

_MOST_HEADER = 2**16
_MOST_COMMENTS = 100_000
_COMMENT = re.compile(rb"#[^\r\n]*[\r\n]?")
"""With its end, as Pillow skips it: a number goes on behind it."""
_TWO, _THREE = (re.compile(rb"(?:\s*\S+\s){%d}" % numbers) for numbers in (2, 3))


def check_ppm(data: bytes) -> None:
    """Refuse a header that is endless: Pillow reads it a byte at a time.

    Raises:
        ImageError: it is.

    """
    header = _TWO if data[1:2] in b"14" else _THREE
    head = data[2:_MOST_HEADER]
    if len(data) > _MOST_HEADER and not header.match(_COMMENT.sub(b"", head)):
        raise ImageError("its header is longer than 64 KB: save it anew")


def load_ppm(image: PpmImagePlugin.PpmImageFile) -> None:
    """Decode it; Pillow scales such samples one by one in Python, a million in two seconds.

    Raises:
        ImageError: there are endless comments among its samples.

    """
    tile: Any = image.tile[0]
    if tile.codec_name == "ppm_plain":
        _drop_comments(image, tile.offset)
    if tile.codec_name != "ppm" or tile.args[0] not in {"L", "RGB"}:
        image.load()
        return
    mode, white = tile.args
    shape = (image.height, image.width, 3) if mode == "RGB" else (image.height, image.width)
    data = image.fp.getvalue()  # type: ignore[union-attr]
    kind = ">u2" if white > 255 else "u1"
    samples = np.frombuffer(data, kind, count=int(np.prod(shape)), offset=tile.offset)
    image.im = Image.fromarray(scaled(samples.reshape(shape), 0, white)).im
    image._mode, image.tile = mode, []


def _drop_comments(image: PpmImagePlugin.PpmImageFile, start: int) -> None:
    """Pillow takes a time for them that grows with the square of their number."""
    data = image.fp.getvalue()  # type: ignore[union-attr]
    comments = data.count(b"#", start)
    if comments > _MOST_COMMENTS:
        raise ImageError(f"it has more than {_MOST_COMMENTS:,} comments: save it anew")
    if comments:
        image.fp = io.BytesIO(data[:start] + _COMMENT.sub(b"", data[start:]))
