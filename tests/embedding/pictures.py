"""Pictures for tests, as files of many formats."""

import io
import struct
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import ExifTags, Image

from cupl.embedding.image_errors import ImageError
from cupl.embedding.images import open_image

Pixels = npt.NDArray[np.uint8]
RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def pixels(image: Image.Image) -> Pixels:
    assert image.mode == "RGB"
    return np.asarray(image)


def encoded(image: Image.Image, image_format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


def quarters() -> Image.Image:
    """12 x 8 pixels: red, green, blue and white, so that each orientation looks different."""
    image = Image.new("RGB", (12, 8), WHITE)
    image.paste(RED, (0, 0, 6, 4))
    image.paste(GREEN, (6, 0, 12, 4))
    image.paste(BLUE, (0, 4, 6, 8))
    return image


def textured(width: int = 40, height: int = 30) -> Image.Image:
    y, x = np.mgrid[0:height, 0:width]
    return Image.fromarray(np.stack([x * 6, y * 8, (x * y) % 256], axis=2).astype(np.uint8))


def detailed(width: int, height: int, seed: int = 0) -> Image.Image:
    """Noise of every size, the finest the weakest, as in photographs."""
    random = np.random.default_rng(seed)
    total = np.zeros((height, width, 3))
    for size in (2, 4, 8, 16, 32, 64):
        grid = random.integers(0, 256, (height // size + 2, width // size + 2, 3), np.uint8)
        large = Image.fromarray(grid).resize((width, height), Image.Resampling.BICUBIC)
        total += np.asarray(large) * float(size)
    return Image.fromarray((total / total.max() * 255).astype(np.uint8))


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(
    width: int,
    height: int,
    depth: int,
    colour: int,
    rows: bytes,
    *chunks: tuple[bytes, bytes],
    interlaced: bool = False,
) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(kind, data) for kind, data in parts)


def png_of(
    values: npt.NDArray[Any],
    depth: int,
    colour: int,
    *chunks: tuple[bytes, bytes],
    interlaced: bool = False,
) -> bytes:
    """A PNG of samples ``[height, width, samples]`` of any depth."""
    starts = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2)]
    rows = bytearray()
    for y, x, down, right in [*starts, (1, 0, 2, 1)] if interlaced else [(0, 0, 1, 1)]:
        for row in values[y::down, x::right].reshape(-(-(len(values) - y) // down), -1):
            bits = row[:, None] >> np.arange(depth)[::-1] & 1
            rows += b"\0" + np.packbits(bits.astype(np.uint8)).tobytes()
    return png(
        values.shape[1], len(values), depth, colour, bytes(rows), *chunks, interlaced=interlaced
    )


def tiff(
    data: bytes,
    bits: int,
    *,
    width: int = 2,
    height: int = 1,
    samples: int = 1,
    compression: int = 1,
    photometric: int = 1,
    sample_format: int = 1,
    extra: tuple[tuple[int, int | tuple[int, ...]], ...] = (),
) -> bytes:
    """One strip of little-endian samples; sample formats: 1 unsigned, 2 signed, 3 float.

    An extra tag is a number, or several of 16 bits.
    """
    tags: dict[int, int | tuple[int, ...]] = {
        256: width, 257: height, 258: (bits,) * samples, 259: compression, 262: photometric,
        273: 0, 277: samples, 278: height, 279: len(data), 339: sample_format, **dict(extra),
    }  # fmt: skip
    lists = {tag: struct.pack(f"<{len(v)}H", *v) for tag, v in tags.items() if isinstance(v, tuple)}
    start = 8 + 2 + 12 * len(tags) + 4
    tags[273] = start + sum(len(packed) for packed in lists.values() if len(packed) > 4)
    entries, far = b"", b""
    for tag, value in sorted(tags.items()):
        if isinstance(value, int):
            entries += struct.pack("<HHII", tag, 4, 1, value)
            continue
        packed = lists[tag]
        entries += struct.pack("<HHI", tag, 3, len(value))
        entries += (
            packed.ljust(4, b"\0") if len(packed) <= 4 else struct.pack("<I", start + len(far))
        )
        far += packed if len(packed) > 4 else b""
    directory = struct.pack("<H", len(tags)) + entries + bytes(4)
    return b"II*\0" + struct.pack("<I", 8) + directory + far + data


def reason(source: Any, **options: Any) -> str:
    """Why an image is refused: one short line."""
    with pytest.raises(ImageError) as caught:
        open_image(source, **options)
    message = str(caught.value)
    assert 0 < len(message) < 200
    assert "\n" not in message
    return message


TO_STORED = {
    1: lambda image: image,
    2: lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    3: lambda image: image.transpose(Image.Transpose.ROTATE_180),
    4: lambda image: image.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
    5: lambda image: image.transpose(Image.Transpose.TRANSPOSE),
    6: lambda image: image.transpose(Image.Transpose.ROTATE_90),
    7: lambda image: image.transpose(Image.Transpose.TRANSVERSE),
    8: lambda image: image.transpose(Image.Transpose.ROTATE_270),
}


def turned(orientation: int, image_format: str) -> bytes:
    """``quarters`` as a camera stores it that was held in this orientation."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    options = {"lossless": True} if image_format == "WEBP" else {}
    return encoded(TO_STORED[orientation](quarters()), image_format, exif=exif, **options)
