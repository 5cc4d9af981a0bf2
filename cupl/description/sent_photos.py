"""Photos as they are sent: small, upright, without metadata, and kept until the run ends."""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from types import TracebackType
from typing import Self

from PIL import Image

from cupl.embedding.image_errors import NO_MEMORY, ImageError
from cupl.embedding.image_ownership import OwnImage, take_image
from cupl.embedding.image_sources import ImageSource
from cupl.embedding.images import decoded_image, read_image
from cupl.errors import InputError, is_out_of_memory
from cupl.io.arguments import check_whole
from cupl.io.reasons import reason
from cupl.llm.request_image import Detail, RequestImage

IMAGE_SIDE = 512
"""Pixels of the longer side, where nothing else is said."""
_QUALITY = 85
"""Of the JPEG. With the side it decides the content, so that another one is asked and paid anew."""
_SIDES = (32, 4096)
_IN_MEMORY = 64 * 2**20
"""Bytes of photos that are held in memory; more are in a file that nobody else can see."""
_MOST_WORKERS = 8


@dataclass(frozen=True, slots=True)
class PreparedPhoto:
    """One photo's outcome: what is sent of it, or why it cannot be."""

    path: str | None
    """As it was given; None for an image that is not a file."""
    image: RequestImage | None
    error: str | None = None


class SentPhotos:
    """Makes of photos what is sent, and holds it while it is open.

    Args:
        side: pixels of the longer side; a smaller photo stays as it is.
        detail: see :class:`~cupl.llm.request_image.RequestImage`.

    Raises:
        InputError: a value out of range.

    """

    def __init__(self, side: int = IMAGE_SIDE, detail: Detail | None = None) -> None:
        check_whole(image_side=side)
        if not _SIDES[0] <= side <= _SIDES[1]:
            raise InputError(f"image_side is from {_SIDES[0]} to {_SIDES[1]} pixels, not {side}")
        if detail not in (None, "low", "high", "auto"):
            raise InputError(f"detail is low, high or auto, not {detail!r:.80}")
        self.side, self.detail = side, detail
        self.size = 0
        """Bytes of all photos that were prepared."""
        self._file = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 (closed at the end)
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()

    def prepare(self, sources: Iterable[ImageSource]) -> Iterator[PreparedPhoto]:
        """Prepare photos in threads, a few ahead of those that are asked for.

        Yields:
            One outcome a photo, in order.

        Raises:
            InputError: there is no room for them.

        """
        workers = min(_MOST_WORKERS, os.cpu_count() or 1)
        remaining, waiting = iter(sources), deque[Future[_Made]]()
        pool = ThreadPoolExecutor(workers, thread_name_prefix="cupl-photos")
        try:
            while True:
                for source in islice(remaining, 2 * workers - len(waiting)):
                    waiting.append(_submitted(source, self.side, pool))
                if not waiting:
                    return
                made = waiting.popleft().result()
                image = None if made.content is None else self._keep(made)
                yield PreparedPhoto(made.path, image, made.error)
        finally:
            pool.shutdown(cancel_futures=True)

    def _keep(self, made: _Made) -> RequestImage:
        content = made.content or b""
        try:
            with self._lock:
                start = self._file.seek(0, os.SEEK_END)
                self._file.write(content)
        except OSError as error:
            raise InputError(
                f"no room for the photos in {tempfile.gettempdir()} ({reason(error)})"
            ) from error
        self.size += len(content)
        digest = hashlib.sha256(content).hexdigest()
        read = partial(self._read, start, len(content))
        return RequestImage(digest, *made.size, read, self.detail)

    def _read(self, start: int, length: int) -> bytes:
        with self._lock:
            self._file.seek(start)
            return self._file.read(length)


@dataclass(frozen=True, slots=True)
class _Made:
    path: str | None
    content: bytes | None
    size: tuple[int, int] = (0, 0)
    error: str | None = None


def _submitted(source: ImageSource, side: int, pool: ThreadPoolExecutor) -> Future[_Made]:
    try:
        return pool.submit(_make, take_image(source), side)
    except ImageError as error:
        refused: Future[_Made] = Future()
        refused.set_result(_Made(None, None, error=str(error)))
        return refused


def _make(own: OwnImage, side: int) -> _Made:
    path = own if isinstance(own, str) else None
    try:
        with decoded_image(read_image(own), side=side) as image:
            small = _smaller(image, side)
            content = io.BytesIO()
            small.save(content, "JPEG", quality=_QUALITY)
            return _Made(path, content.getvalue(), small.size)
    except ImageError as error:
        return _Made(path, None, error=str(error))
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        return _Made(path, None, error=NO_MEMORY)


def _smaller(image: Image.Image, side: int) -> Image.Image:
    """Pixels alone: what else an image has with it would be written into the file."""
    longest = max(image.size)
    if longest > side:
        width, height = (max(1, round(length * side / longest)) for length in image.size)
        image = image.resize((width, height), Image.Resampling.LANCZOS)
    image.info.clear()
    return image
