"""Photos that were dropped onto the page: their vectors and small pictures are kept, no file."""

from __future__ import annotations

import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cupl.errors import MissingFileError
from cupl.web.thumbnails import THUMB, jpeg_of

if TYPE_CHECKING:
    import torch

    from cupl.encoders.protocol import Encoder

MOST_BYTES_OF_ONE = 64 << 20
_KEPT = 1000
_AT_ONCE = 2


@dataclass(frozen=True, eq=False)
class Upload:
    """A photo that was dropped: ``vector`` is float32 ``[dim]``, ``thumb`` a JPEG."""

    name: str
    vector: torch.Tensor
    thumb: bytes


class Uploads:
    """The last thousand that were dropped."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # The same few threads, as each keeps the memory that decoding and encoding once took.
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="cupl-upload")
        self._kept: OrderedDict[str, Upload] = OrderedDict()
        self._last = 0

    def add(self, content: bytes, name: str, encoder: Encoder) -> str:
        """Decode and encode a photo; what names it from then on.

        A few at a time are decoded, so that memory does not grow with those who ask.

        Raises:
            ImageError: it is no image, too large, or damaged.

        """
        upload = self._pool.submit(_made, content, name, encoder).result()
        with self._lock:
            self._last += 1
            key = f"u{self._last}"
            self._kept[key] = upload
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return key

    def find(self, key: str) -> Upload:
        """One that was dropped.

        Raises:
            MissingFileError: there is none, or it was long ago.

        """
        with self._lock:
            found = self._kept.get(key)
        if found is None:
            raise MissingFileError("this photo is not kept any more: drop it once more")
        return found


def _made(content: bytes, name: str, encoder: Encoder) -> Upload:
    from cupl.embedding.image_errors import ImageError
    from cupl.embedding.image_stream import encode_sources

    [found] = encode_sources([content], encoder, workers=1, image_cache=False)
    if found.vector is None:
        raise ImageError(f"{name[:200]}: {found.error}")
    return Upload(name, found.vector, jpeg_of(content, THUMB))
