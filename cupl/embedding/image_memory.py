"""How much memory the images may take that are decoded at one time, in all threads together."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from PIL import Image

from cupl.embedding.image_errors import ImageError

MAX_BYTES = 10**9
_BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2, "I;16N": 2}
_OTHER_MODES = 4
_COPIES = 8
"""A pixel in RGB takes four bytes in Pillow, and four more while the image is turned."""
_LARGE = 2**27
_DECODERS = {"WEBP": 16, "AVIF": 12}
"""Bytes a pixel that decoders were seen to take, of those that take more than 10."""


class ByteBudget:
    """Bytes that threads reserve before they use them; whoever finds too few waits.

    Args:
        total: how many there are. Who needs more than that gets all of them, and is alone.

    """

    def __init__(self, total: int) -> None:
        self._total = self._free = total
        self._changed = threading.Condition()

    @contextmanager
    def reserved(self, number: int) -> Iterator[None]:
        """Hold that many bytes during the block."""
        number = min(number, self._total)
        with self._changed:
            self._changed.wait_for(lambda: self._free >= number)
            self._free -= number
        if number >= _LARGE:
            _give_back_free_memory()
        try:
            yield
        finally:
            with self._changed:
                self._free += number
                self._changed.notify_all()


def _give_back_free_memory() -> None:
    """Have glibc give back what it keeps for each thread of images that are gone."""
    with suppress(AttributeError, OSError, TypeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)


DECODING = ByteBudget(MAX_BYTES)
"""Kept by all threads that decode: the header of a small file can ask for gigabytes."""


def check_memory(image: Image.Image, most: int = MAX_BYTES) -> None:
    """Refuse an image that its decoder cannot decode in the memory that there is for all.

    Raises:
        ImageError: that is so.

    """
    pixel = _DECODERS.get(image.format or "", 0)
    if image.format == "JPEG2000":
        pixel = 4 + 5 * len(image.getbands())
    needed = image.width * image.height * pixel
    if needed > most:
        raise ImageError(
            f"decoding {image.width} x {image.height} pixels of {image.format} takes "
            f"{needed / 10**9:.1f} GB: save it as JPEG or PNG, or smaller"
        )


def bytes_to_decode(image: Image.Image) -> int:
    """About how much memory it takes to decode an image to RGB, by its header."""
    pixel = _BYTES.get(image.mode, _OTHER_MODES) + _COPIES
    if image.format == "JPEG2000":  # its decoder computes with 32 bits a sample
        pixel += 4 * len(image.getbands())
    elif image.format in {"WEBP", "AVIF", "HEIF"}:  # theirs have pictures of their own
        pixel += 8
    return image.width * image.height * pixel
