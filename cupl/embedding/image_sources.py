"""What counts as an image, and whether an argument is one of them or many."""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sized
from typing import IO, TYPE_CHECKING, Any, TypeAlias, TypeGuard

import numpy as np
import numpy.typing as npt
from PIL import Image

from cupl.errors import InputError

if TYPE_CHECKING:
    import torch

ImageSource: TypeAlias = (
    "str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes] | Image.Image "
    "| npt.NDArray[Any] | torch.Tensor"
)
"""One image: a path; the bytes of an image file, or a file object that gives them; a Pillow image;
a numpy array ``[height, width]`` or ``[height, width, 1, 3 or 4]`` of uint8, uint16, bool, or
floats in 0..1; a torch tensor ``[1, 3 or 4, height, width]`` of the same."""

IMAGE_KINDS = (
    "a path, the bytes of an image file, a binary file object, a Pillow image, a numpy array or a "
    "torch tensor"
)
CHANNELS = (1, 3, 4)
"""Grey, colour, colour with alpha."""
ARRAY_LAYOUT = "[height, width] or [height, width, 1, 3 or 4]"
TENSOR_LAYOUT = "[1, 3 or 4, height, width]"
_URL = re.compile(r"([a-z][a-z0-9+.-]+):/|(data):", re.IGNORECASE)
OPENED_AS_TEXT = "this file is opened as text; open it for reading bytes: open(path, 'rb')"


def one_or_many(images: ImageSource | Iterable[ImageSource]) -> tuple[bool, Iterator[ImageSource]]:
    """Tell one image from many; nothing is read before it is asked for.

    One image is any :data:`ImageSource`: a file object is one image, not many lines, and so is a
    path to a folder, which cannot be read as one. Many are an iterable of images, a batch (numpy
    ``[n, height, width, 1, 3 or 4]``, torch ``[n, 1, 3 or 4, height, width]``), and a numpy array
    of paths. What is wrong with one of many, its type too, is found when that one is read.

    Returns:
        Whether it is one, and an iterator over it or them.

    Raises:
        InputError: it is neither, such as None, a dict, a set, a table or a file opened as text.

    """
    if isinstance(images, np.generic):  # an element of an array: text that is a path, a number
        images = images.item()
    if isinstance(images, np.ndarray) or is_tensor(images):
        return _one_or_many_arrays(images)
    if isinstance(images, str | os.PathLike | bytes | bytearray | memoryview | Image.Image):
        return True, iter((images,))
    if problem := _not_images(images):
        raise InputError(problem)
    if is_file(images) or _is_buffer(images):
        return True, iter((images,))
    try:
        return False, iter(images)
    except TypeError as error:
        raise InputError(
            f"{described(images)} is no image, nor an iterable of images; an image is {IMAGE_KINDS}"
        ) from error


def url_scheme(path: str) -> str | None:
    """The scheme of a URL, such as ``https``; None of a path, and where there is such a file."""
    url = _URL.match(path)
    return url[1] or url[2] if url and not os.path.lexists(path) else None


def is_tensor(thing: object) -> TypeGuard[torch.Tensor]:
    """Whether it is a torch tensor; where torch was never imported, nothing is."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(thing, torch.Tensor)


def is_file(thing: object) -> TypeGuard[IO[Any]]:
    """Whether it can be read from as a file can."""
    return callable(getattr(thing, "read", None))


def described(thing: object) -> str:
    """What was given, for an error: ``a dict``, ``an array of shape (3,) and type uint8``."""
    if isinstance(thing, np.ndarray) or is_tensor(thing):
        kind, dtype = "a tensor" if is_tensor(thing) else "an array", str(thing.dtype)
        return f"{kind} of shape {tuple(thing.shape)} and type {dtype.removeprefix('torch.')}"
    name = type(thing).__name__
    if thing is None or isinstance(thing, bool | int | float):
        return f"{thing!s:.20} ({name})"
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def _one_or_many_arrays(array: Any) -> tuple[bool, Iterator[ImageSource]]:
    shape = tuple(array.shape)
    if is_tensor(array):
        one, many = len(shape) == 3, len(shape) == 4 and shape[1] in CHANNELS
        layout, batch = TENSOR_LAYOUT, "[n, channels, height, width]"
    else:
        one, many = len(shape) in (2, 3), len(shape) == 4 and shape[3] in CHANNELS
        layout, batch = ARRAY_LAYOUT, "[n, height, width, channels]"
        many |= len(shape) == 1 and array.dtype.kind in "OUT"  # objects or text: paths
    if one:
        return True, iter((array,))
    if many:
        return False, (array[row] for row in range(shape[0]))
    raise InputError(f"{described(array)} is no image, {layout}, and no batch of them, {batch}")


def _not_images(thing: object) -> str | None:
    """What to say of a thing that could be iterated and still is no row of images."""
    if isinstance(thing, Mapping):
        return f"{described(thing)} is no list of images: give its values"
    if isinstance(thing, set | frozenset):
        return f"{described(thing)} has no order to answer in: give a list"
    if isinstance(thing, io.TextIOBase):
        return OPENED_AS_TEXT
    shape = getattr(thing, "shape", None)  # of a table, or an array of another library
    if isinstance(shape, Sized) and len(shape) != 1:
        way = "one of its columns" if hasattr(thing, "columns") else "numpy.asarray() of it"
        return f"{described(thing)} is no array of numpy or torch: give {way}"
    return None


def _is_buffer(thing: object) -> TypeGuard[memoryview]:
    """Whether it holds bytes as ``bytes`` does, such as a memory map."""
    try:
        memoryview(thing).release()  # type: ignore[arg-type]
    except (TypeError, BufferError):
        return False
    return True
