"""PGM and PPM whose white is neither 255 nor, in grey, 65535."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from PIL import Image, PpmImagePlugin

from cupl.embedding.image_errors import ImageError
from cupl.embedding.image_pixels import scaled

_MOST_HEADER = 2**16
_COMMENT = re.compile(rb"#[^\r\n]*")


def check_ppm(data: bytes) -> None:
    """Refuse a header that is endless: Pillow reads it a byte at a time.

    Raises:
        ImageError: it is.

    """
    numbers = 2 if data[1:2] in b"14" else 3
    head = data[2:_MOST_HEADER]
    if len(data) > _MOST_HEADER and len(_COMMENT.sub(b"", head).split(None, numbers)) < numbers:
        raise ImageError("its header is longer than 64 KB: save it anew")


def load_ppm(image: PpmImagePlugin.PpmImageFile) -> None:
    """Decode it; Pillow scales such samples one by one in Python, a million in two seconds."""
    tile: Any = image.tile[0]
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
