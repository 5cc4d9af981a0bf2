"""Images from anywhere to upright RGB.

It takes three steps: :func:`~cupl.embedding.image_ownership.take_image` takes from the caller's
object what is needed of it, :func:`read_image` reads the file if it is one, :func:`decoded_image`
makes pixels of that. So an object is touched once, in the thread that gives it, and what becomes
of it afterwards changes nothing.

Files are not trusted: only regular files of bounded size are read, only raster formats that
Pillow decodes by itself are tried, the pixel count is checked in the header before anything is
decoded, and whatever goes wrong is an :class:`ImageError` with one short sentence.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, Jpeg2KImagePlugin, UnidentifiedImageError, features

from cupl.embedding.image_errors import DAMAGED, ImageError, one_sentence, unread
from cupl.embedding.image_extras import open_extra
from cupl.embedding.image_jpeg import check_jpeg, jpeg_refusal
from cupl.embedding.image_jpeg2000 import halve_jpeg2000, load_jpeg2000
from cupl.embedding.image_kinds import (
    EXTRA_PACKAGES,
    FORMAT_ENDINGS,
    HEAD_BYTES,
    LFS_POINTER,
    OTHER_ENDINGS,
    kind_of,
    kind_of_name,
)
from cupl.embedding.image_memory import DECODING, MAX_BYTES, bytes_to_decode, check_memory
from cupl.embedding.image_ownership import (
    MAX_PIXELS,
    OwnImage,
    check_bytes,
    check_size,
    take_image,
)
from cupl.embedding.image_pixels import Pixels, array_image, upright_rgb
from cupl.embedding.image_png import load_png, only_pixels
from cupl.embedding.image_ppm import check_ppm, load_ppm
from cupl.embedding.image_sources import ImageSource, url_scheme
from cupl.embedding.image_tga import load_tga
from cupl.embedding.image_tiff import load_tiff, tiff_refusal
from cupl.embedding.remote_stores import is_stored_remotely
from cupl.embedding.stored_objects import read_object
from cupl.embedding.tar_files import tar_and_member, tar_at
from cupl.io.file_kinds import kind_of_start, own_kind

_MARGIN = 3
"""How many times as large as needed a JPEG that is decoded at less than its size has to stay."""

_LOADERS: dict[str, Callable[[Any], None]] = {
    "JPEG2000": load_jpeg2000,
    "PNG": load_png,
    "PPM": load_ppm,
    "TGA": load_tga,
    "TIFF": load_tiff,
}
"""For formats of which Pillow decodes some files wrong, or very slowly, by its names."""
_WITH_SIGNATURE = tuple(FORMAT_ENDINGS.keys() - {"TGA"})
_CHECKS = {"JPEG": check_jpeg, "PPM": check_ppm}
"""What would take Pillow very long to open."""
_REFUSALS = {"JPEG": jpeg_refusal, "TIFF": tiff_refusal}
"""What a file says that Pillow does not open."""
_FEATURES = {"AVIF": "avif", "JPEG2000": "jpg_2000", "WEBP": "webp"}
"""What Pillow can be built without."""


def open_image(
    source: ImageSource, max_pixels: int = MAX_PIXELS, side: int | None = None
) -> Image.Image:
    """Decode an image to upright RGB.

    The first frame of an animation is taken, of a Pillow image the frame it stands at. The EXIF
    orientation is applied, transparency is laid over white, and 16-bit and floating-point values
    are scaled to 8 bits. Colour profiles are ignored. Safe to call from many threads, for one
    source too, which is left as it is: a lazily opened Pillow image is not decoded, and a file
    object stays at its position. One that cannot be rewound is read from there to its end.

    Args:
        source: see :data:`~cupl.embedding.image_sources.ImageSource`.
        max_pixels: larger images are refused before they are decoded. Pillow refuses more than
            twice its own ``Image.MAX_IMAGE_PIXELS`` whatever is said here.
        side: what the image will be reduced to, in pixels. A JPEG at least six times as large is
            then decoded at a half, a quarter or an eighth of its size, and still three times as
            large as it has to be. What is reduced from that differs by less than one level of 256
            in the mean (tests/embedding/test_images.py holds it to that). So does a JPEG 2000 image
            that is decoded at half its size because it would take more than 1 GB.

    Returns:
        A decoded image in mode ``RGB`` that shares no memory with ``source`` and carries none of
        its metadata.

    Raises:
        ImageError: the source is missing, a URL of no object store, not a regular file, not an
            image, damaged, closed, too large, in a format that takes more than 1 GB to decode it,
            or an array of another shape, type or range; or a store does not give it.

    """
    read = read_image(take_image(source, max_pixels))
    with decoded_image(read, max_pixels, side) as image:
        return image


@dataclass(frozen=True, slots=True, eq=False)
class ReadImage:
    """An image in memory, not decoded."""

    content: bytes | Pixels | Image.Image
    """Of a file its bytes."""
    is_tga: bool
    """TGA is known by its name, or by the end of the file: it has no signature."""

    def digest(self) -> str | None:
        """SHA-256 of the file's content in hexadecimal; None of what is no file."""
        return hashlib.sha256(self.content).hexdigest() if isinstance(self.content, bytes) else None


def read_image(own: OwnImage) -> ReadImage:
    """Read the file, if it is one.

    Raises:
        ImageError: it cannot be read.

    """
    with one_sentence(DAMAGED):
        content = _file_bytes(own) if isinstance(own, str) else own
        return ReadImage(content, _is_tga(own, content))


@contextmanager
def decoded_image(
    read: ReadImage, max_pixels: int = MAX_PIXELS, side: int | None = None
) -> Iterator[Image.Image]:
    """Decode what :func:`read_image` read, once; see :func:`open_image`.

    During the block its memory is reserved among all threads; where too little is free, the
    thread waits before it decodes anything.
    """
    with ExitStack() as memory:
        yield _decoded_read(read, max_pixels, side, memory)


def image_header(read: ReadImage) -> Image.Image:
    """Open what :func:`read_image` read of a file, and decode nothing.

    Raises:
        ImageError: it is no image, or the package that reads it is missing.

    """
    with one_sentence(DAMAGED):
        return _png_without_texts_where_needed(
            read.content, lambda content: _undecoded(content, MAX_PIXELS, read.is_tga)
        )


def _decoded_read(
    read: ReadImage, max_pixels: int, side: int | None, memory: ExitStack
) -> Image.Image:
    def decode(content: OwnImage) -> Image.Image:
        memory.close()
        return _decoded(content, max_pixels, side, memory, read.is_tga)

    with one_sentence(DAMAGED):
        return _png_without_texts_where_needed(read.content, decode)


def _png_without_texts_where_needed(
    content: OwnImage, work: Callable[[OwnImage], Image.Image]
) -> Image.Image:
    try:
        return work(content)
    except MemoryError:
        raise
    except Exception:
        if not isinstance(content, bytes) or kind_of(content[:HEAD_BYTES]) != "PNG":
            raise
        return work(only_pixels(content))


def _decoded(
    source: OwnImage, max_pixels: int, side: int | None, memory: ExitStack, tga: bool = False
) -> Image.Image:
    image = _undecoded(source, max_pixels, tga)
    check_size(image.size, max_pixels)
    if side is not None and image.format in {"JPEG", "MPO"}:  # HEIC would give its thumbnail
        image.draft(None, (_MARGIN * side, _MARGIN * side))
    elif (
        isinstance(image, Jpeg2KImagePlugin.Jpeg2KImageFile)
        and bytes_to_decode(image) > MAX_BYTES
        and side is not None
        and min(image.size) >= 2 * _MARGIN * side
    ):
        halve_jpeg2000(image)
    check_memory(image, MAX_BYTES)
    memory.enter_context(DECODING.reserved(bytes_to_decode(image)))
    if load := _LOADERS.get(image.format or ""):
        load(image)
    else:
        image.load()
    return upright_rgb(image, ours=True)


def _is_tga(own: OwnImage, source: OwnImage) -> bool:
    """By the end of the file or its name: the head has no signature, any bytes could pass."""
    if not isinstance(source, bytes):
        return False
    named = isinstance(own, str) and kind_of_name(own) == "TGA" and not kind_of(source[:HEAD_BYTES])
    return named or source[-18:] == b"TRUEVISION-XFILE.\0"


def _undecoded(own: OwnImage, max_pixels: int, tga: bool) -> Image.Image:
    if isinstance(own, Image.Image):
        return own
    if isinstance(own, Pixels):
        return array_image(own)
    if not isinstance(own, bytes):
        raise TypeError(type(own))
    if not own:
        raise ImageError("the file is empty")
    kind = "TGA" if tga else kind_of(own[:HEAD_BYTES])
    if kind == LFS_POINTER:
        raise ImageError("a git-lfs pointer, not the image: git lfs pull")
    if kind in EXTRA_PACKAGES:
        return open_extra(own, kind, max_pixels)
    if kind in _CHECKS:
        _CHECKS[kind](own)
    try:
        return Image.open(
            io.BytesIO(own), formats=(kind,) if kind in FORMAT_ENDINGS else _WITH_SIGNATURE
        )
    except UnidentifiedImageError as error:
        if kind in FORMAT_ENDINGS:
            if kind in _FEATURES and not features.check(_FEATURES[kind]):
                raise ImageError(f"this is {kind}, which Pillow was built without") from error
            raise ImageError(_REFUSALS[kind](own) if kind in _REFUSALS else DAMAGED) from error
        known = ", ".join(FORMAT_ENDINGS)
        if (other := kind_of_start(own[:HEAD_BYTES]) or own_kind(own[:HEAD_BYTES])) and not kind:
            raise ImageError(f"this is {other}, not an image") from error
        what = f"{kind}, " if kind in OTHER_ENDINGS else ""
        raise ImageError(f"{what}not an image in a format that can be read ({known})") from error


def _file_bytes(path: str) -> bytes:
    if member := tar_and_member(path):
        return tar_at(member[0]).read(member[1])
    if is_stored_remotely(path):
        return read_object(path)
    if scheme := url_scheme(path):
        way = "give its path" if scheme == "file" else "download it first"
        raise ImageError(f"this is a URL ({scheme}), not a file: {way}")
    try:
        status = Path(path).stat()
        if stat.S_ISDIR(status.st_mode):
            raise ImageError("this is a folder, not an image file")
        if not stat.S_ISREG(status.st_mode):
            raise ImageError("this is not a regular file")
        check_bytes(status.st_size)
        with open(path, "rb", opener=open_without_blocking) as file:
            return file.read(status.st_size)
    except OSError as error:
        raise unread(error, path) from error


def open_without_blocking(path: str, flags: int) -> int:
    # A pipe that took the file's place since the check would otherwise wait for a writer.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
