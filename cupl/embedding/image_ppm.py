"""PGM and PPM whose white is neither 255 nor, in grey, 65535."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image, PpmImagePlugin

from cupl.embedding.image_pixels import scaled


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
