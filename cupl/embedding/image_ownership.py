"""Taking an image from its owner, who does with it what they like afterwards.

Nothing of the owner's is changed: a lazily opened Pillow image is not decoded, and a file object
stays at its position.
"""

from __future__ import annotations

import io
import os
import threading
from typing import IO, TYPE_CHECKING, Any, TypeAlias, TypeGuard

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile

from cupl.embedding.image_errors import DAMAGED, ImageError, one_sentence
from cupl.embedding.image_pixels import WHITE, Pixels, upright_rgb
from cupl.embedding.image_sources import (
    ARRAY_LAYOUT,
    CHANNELS,
    IMAGE_KINDS,
    OPENED_AS_TEXT,
    TENSOR_LAYOUT,
    ImageSource,
    described,
    is_file,
    is_tensor,
)

if TYPE_CHECKING:
    import torch

OwnImage: TypeAlias = str | bytes | Pixels | Image.Image
"""What :func:`take_image` makes of a source; nobody else has it, but for a file on disk."""

MAX_PIXELS = 100_000_000
MAX_FILE_BYTES = 512 * 1024 * 1024
_CHUNK = 2**20


def take_image(source: ImageSource, max_pixels: int = MAX_PIXELS) -> OwnImage:
    """Take what is needed to decode an image; see :func:`~cupl.embedding.images.open_image`.

    Of arrays and images in memory that is a copy, of file objects and lazily opened images the
    bytes, of a path the path.

    Raises:
        ImageError: as far as it can be told without decoding.

    """
    with one_sentence("the image cannot be read"):
        if isinstance(source, str | os.PathLike):
            return os.fsdecode(source)
        if isinstance(source, Image.Image):
            return _take_pillow(source, max_pixels)
        if is_tensor(source):
            return _take_tensor(source)
        return _take_array(source) if isinstance(source, np.ndarray) else _take_bytes(source)


def check_size(size: tuple[int, int], max_pixels: int) -> None:
    """Refuse an image without pixels or with too many, before it is decoded."""
    width, height = size
    if width * height > max_pixels:
        raise ImageError(
            f"the image is {width} x {height} pixels; {max_pixels:,} in all are allowed"
        )
    if not width * height:
        raise ImageError("the image has no pixels")


def _take_bytes(source: Any) -> bytes:
    if is_file(source):
        return _whole_file(source)
    try:
        return source if isinstance(source, bytes) else bytes(memoryview(source))
    except TypeError as error:
        raise ImageError(f"an image is {IMAGE_KINDS}, not {described(source)}") from error


def _take_array(array: npt.NDArray[Any]) -> Pixels:
    channels = array.shape[2] if array.ndim == 3 else 1
    known = array.dtype.str[1:] in WHITE
    if array.ndim not in (2, 3) or channels not in CHANNELS or not array.size or not known:
        raise ImageError(
            f"{described(array)} is not an image: needed is {ARRAY_LAYOUT} of uint8, uint16, bool, "
            "or floats in 0..1"
        )
    return Pixels(np.array(array), described(array))


def _take_tensor(tensor: torch.Tensor) -> Pixels:
    if tensor.ndim != 3 or tensor.shape[0] not in CHANNELS or not tensor.numel():
        raise ImageError(f"{described(tensor)} is not an image: needed is {TENSOR_LAYOUT}")
    values = tensor.detach().permute(1, 2, 0).cpu()
    if values.is_floating_point():
        values = values.float()  # numpy has no bfloat16
    array = np.array(values.numpy(), order="C")
    if array.dtype.str[1:] not in WHITE:
        raise ImageError(
            f"{described(tensor)} is not an image: needed is uint8, uint16, bool, or floats in 0..1"
        )
    return Pixels(array, described(tensor))


_one_at_a_time = threading.RLock()
"""Held while a caller's file or Pillow image is touched: two threads would move one position."""


def _whole_file(file: IO[Any]) -> bytes:
    """All bytes of a file object, which stays at its position; of a stream what is left of it."""
    if isinstance(file, io.TextIOBase):
        raise ImageError(OPENED_AS_TEXT)
    if getattr(file, "closed", False):
        raise ImageError("the file object is closed: give it while it is open, or give its path")
    with _one_at_a_time:
        try:
            position = file.tell()
            file.seek(0)
        except (AttributeError, OSError):  # it cannot be rewound
            return _read_on(file)
        try:
            return _read_on(file)
        finally:
            file.seek(position)


def _read_on(file: IO[Any]) -> bytes:
    data = bytearray()
    while chunk := file.read(_CHUNK):
        if isinstance(chunk, str):
            raise ImageError(OPENED_AS_TEXT)
        data += chunk
        check_bytes(len(data))
    return bytes(data)


def check_bytes(number: int) -> None:
    """Refuse a file of more bytes than an image needs."""
    if number > MAX_FILE_BYTES:
        raise ImageError(f"the file is larger than {MAX_FILE_BYTES // 1024**2} MiB")


def _take_pillow(image: Image.Image, max_pixels: int) -> Image.Image:
    with _one_at_a_time, one_sentence(DAMAGED):
        if _is_lazy(image) and (own := _opened_again(image)) is not None:
            return own
        check_size(image.size, max_pixels)
        try:
            return upright_rgb(image)
        except Exception as error:
            if _is_closed(image):
                raise ImageError(
                    "the image is closed: give it while it is open, or give its path"
                ) from error
            raise


def _is_lazy(image: Image.Image) -> TypeGuard[ImageFile.ImageFile]:
    """Whether only the header has been read, or that of the frame it stands at."""
    if not isinstance(image, ImageFile.ImageFile):
        return False
    return bool(image.tile) or getattr(image, "_im", image) is None


def _is_closed(image: Image.Image) -> bool:
    if _is_lazy(image):
        return image.fp is None or image.fp.closed
    try:
        image.getim()
    except ValueError:
        return True
    return False


def _opened_again(image: ImageFile.ImageFile) -> Image.Image | None:
    """An image like it with its own copy of the file; None where there is no such file any more.

    What was changed before it is decoded, as a reduced size, is not in its file: None then, too.
    """
    try:
        data = _whole_file(image.fp)  # type: ignore[arg-type]
        opened_as = "JPEG" if image.format == "MPO" else str(image.format)
        own = Image.open(io.BytesIO(data), formats=[opened_as])
        own.seek(image.tell())
    except Exception:  # of any decoder; reading the image itself says what is wrong
        return None
    same = (own.format, own.mode, own.size) == (image.format, image.mode, image.size)
    return own if same else None
