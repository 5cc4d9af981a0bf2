import io
import os
import socket
import struct
import sys
import threading
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageFile, PngImagePlugin, features

from cupl.embedding.images import ImageError, open_image

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


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(
    width: int, height: int, depth: int, colour: int, rows: bytes, *chunks: tuple[bytes, bytes]
) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(kind, data) for kind, data in parts)


def tiff(
    data: bytes,
    bits: int,
    *,
    width: int = 2,
    photometric: int = 1,
    sample_format: int = 1,
    extra: tuple[tuple[int, int], ...] = (),
) -> bytes:
    """One row of little-endian grey samples; sample formats: 1 unsigned, 2 signed, 3 float."""
    tags = [
        (256, width), (257, 1), (258, bits), (259, 1), (262, photometric), (273, 0), (277, 1),
        (278, 1), (279, len(data)), (339, sample_format), *extra,
    ]  # fmt: skip
    start = 8 + 2 + 12 * len(tags) + 4
    entries = [
        struct.pack("<HHII", tag, 4, 1, start if tag == 273 else value)
        for tag, value in sorted(tags)
    ]
    directory = struct.pack("<H", len(tags)) + b"".join(entries) + bytes(4)
    return b"II*\0" + struct.pack("<I", 8) + directory + data


def reason(source: Any, **options: Any) -> str:
    """Why an image is refused: one short line."""
    with pytest.raises(ImageError) as caught:
        open_image(source, **options)
    message = str(caught.value)
    assert 0 < len(message) < 200
    assert "\n" not in message
    return message


@pytest.fixture(autouse=True)
def _no_warning_leaks() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        before = list(warnings.filters)
        yield
        assert list(warnings.filters) == before


# Sources and formats


@pytest.mark.parametrize("image_format", ["PNG", "BMP", "TIFF", "PPM", "GIF"])
def test_lossless_formats_keep_every_pixel(image_format: str) -> None:
    assert np.array_equal(pixels(open_image(encoded(quarters(), image_format))), pixels(quarters()))


@pytest.mark.parametrize(
    ("image_format", "feature"),
    [("JPEG", "jpg"), ("WEBP", "webp"), ("AVIF", "avif"), ("JPEG2000", "jpg_2000")],
)
def test_lossy_formats_stay_close(image_format: str, feature: str) -> None:
    if not features.check(feature):
        pytest.skip(f"this Pillow has no {image_format}")
    data = encoded(Image.new("RGB", (32, 32), (200, 100, 50)), image_format, quality=95)
    assert np.abs(pixels(open_image(data)).astype(int) - [200, 100, 50]).max() <= 4


def test_path_string_bytes_and_image_agree(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    textured().save(path)
    for source in (path, str(path), path.read_bytes(), Image.open(path), np.asarray(textured())):
        assert np.array_equal(pixels(open_image(source)), pixels(textured()))


def test_the_content_decides_not_the_ending(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(encoded(textured(), "PNG"))
    assert np.array_equal(pixels(open_image(path)), pixels(textured()))


def test_result_is_independent_of_its_source() -> None:
    source = textured()
    result = open_image(source)
    result.putpixel((0, 0), (9, 9, 9))
    assert source.getpixel((0, 0)) == (0, 0, 0)
    array = np.zeros((4, 4, 3), dtype=np.uint8)
    result = open_image(array)
    array[:] = 255
    assert pixels(result).max() == 0


@pytest.mark.parametrize("image_format", ["GIF", "WEBP", "PNG", "TIFF", "MPO"])
def test_first_frame_of_several(image_format: str) -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in (RED, GREEN, BLUE)]
    data = encoded(frames[0], image_format, save_all=True, append_images=frames[1:])
    assert np.abs(pixels(open_image(data)).astype(int) - RED).max() <= 4


@pytest.mark.parametrize(
    "data",
    [
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n",
        encoded(Image.new("RGB", (16, 16)), "ICO"),
        encoded(Image.new("RGB", (16, 16)), "TGA"),
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"GIF",
        b"hello",
        bytes(1000),
    ],
)
def test_other_formats_are_refused(data: bytes) -> None:
    message = reason(data)
    assert "format" in message
    assert "JPEG" in message


@pytest.mark.parametrize("source", [None, 3, ["a.jpg"], {"path": 1}])
def test_other_types_are_refused(source: Any) -> None:
    assert type(source).__name__ in reason(source)


# Orientation


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


@pytest.mark.parametrize("image_format", ["PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", TO_STORED)
def test_every_orientation_gives_the_same_upright_picture(
    orientation: int, image_format: str
) -> None:
    data = turned(orientation, image_format)
    assert np.array_equal(pixels(open_image(data)), pixels(quarters()))
    assert np.array_equal(pixels(open_image(Image.open(io.BytesIO(data)))), pixels(quarters()))


@pytest.mark.parametrize("orientation", TO_STORED)
def test_orientation_of_jpeg(orientation: int) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    large = quarters().resize((96, 64), Image.Resampling.NEAREST)
    data = encoded(TO_STORED[orientation](large), "JPEG", exif=exif, quality=95, subsampling=0)
    upright = open_image(data)
    assert upright.size == (96, 64)
    assert np.abs(pixels(upright).astype(int) - pixels(large)).mean() < 2


def test_orientation_of_the_first_of_two_tiff_pages() -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    page = TO_STORED[6](quarters())
    data = encoded(page, "TIFF", exif=exif, save_all=True, append_images=[page])
    assert np.array_equal(pixels(open_image(data)), pixels(quarters()))


def test_an_upright_image_is_not_turned_twice() -> None:
    once = open_image(turned(6, "PNG"))
    assert not once.getexif()
    assert np.array_equal(pixels(open_image(once)), pixels(quarters()))


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_unknown_orientation_is_ignored(orientation: int) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    data = encoded(quarters(), "PNG", exif=exif)
    assert np.array_equal(pixels(open_image(data)), pixels(quarters()))


@pytest.mark.parametrize(
    "exif",
    [
        b"Exif\0\0",
        b"Exif\0\0nonsense",
        b"Exif\0\0II*\0\xff\xff\xff\xff",
        b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + bytes(range(256)),
        b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x05\0\x01\0\0\0\xff\xff\0\0",
    ],
)
@pytest.mark.parametrize("image_format", ["PNG", "WEBP", "JPEG"])
def test_broken_exif_does_not_lose_the_picture(image_format: str, exif: bytes) -> None:
    data = encoded(Image.new("RGB", (16, 16), RED), image_format, exif=exif)
    assert np.abs(pixels(open_image(data)).astype(int) - RED).max() <= 4


# Modes


@pytest.mark.parametrize(
    ("value", "expected"), [(0, 0), (32768, 128), (65535, 255), (257, 1), (128, 0), (129, 1)]
)
def test_sixteen_bit_grey_is_scaled(value: int, expected: int) -> None:
    array = np.full((2, 3), value, dtype=np.uint16)
    grey16 = Image.fromarray(array)
    assert grey16.mode == "I;16"
    sources: list[Any] = [
        array,
        array.astype(">u2"),
        grey16,
        encoded(grey16, "PNG"),
        encoded(grey16, "TIFF"),
        encoded(grey16, "TIFF", compression="tiff_deflate"),
        b"P5 3 2 65535\n" + array.astype(">u2").tobytes(),
        Image.frombytes("I;16B", (3, 2), array.astype(">u2").tobytes()),
        np.repeat(array[:, :, None], 3, axis=2),
    ]
    for source in sources:
        assert (pixels(open_image(source)) == expected).all()


def test_sixteen_bit_colour_is_scaled() -> None:
    samples = struct.pack(">3H", 0x8000, 0, 0xFFFF)
    assert open_image(png(1, 1, 16, 2, b"\0" + samples)).getpixel((0, 0)) == (128, 0, 255)
    assert open_image(b"P6 1 1 65535\n" + samples).getpixel((0, 0)) == (128, 0, 255)


def test_sixteen_bit_grey_with_a_transparent_value() -> None:
    rows = b"\0" + struct.pack(">2H", 0x1234, 0x8000)
    data = png(2, 1, 16, 0, rows, (b"tRNS", struct.pack(">H", 0x1234)))
    assert pixels(open_image(data))[0].tolist() == [[255] * 3, [128] * 3]


def test_twelve_bit_tiff_uses_its_own_range() -> None:
    data = tiff(bytes([0x80, 0x0F, 0xFF]), 12)  # 2048 and 4095
    assert pixels(open_image(data))[0, :, 0].tolist() == [128, 255]


def test_tiff_where_zero_is_white() -> None:
    deep = tiff(struct.pack("<2H", 0, 65535), 16, photometric=0)
    shallow = tiff(bytes([0, 255]), 8, photometric=0)
    for data in (deep, shallow):
        assert pixels(open_image(data))[0, :, 0].tolist() == [255, 0]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0, 32768, 65535], [0, 128, 255]),
        ([-100, 0, 100], [0, 128, 255]),
        ([0, 2**30, 2**31 - 1], [0, 128, 255]),
    ],
)
def test_thirty_two_bit_integers(values: list[int], expected: list[int]) -> None:
    image = Image.fromarray(np.array([values], dtype=np.int32))
    assert image.mode == "I"
    for source in (image, encoded(image, "TIFF")):
        assert np.abs(pixels(open_image(source))[0, :, 0] - np.array(expected)).max() <= 1


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0, 0.5, 1.0], [0, 128, 255]),
        ([0.0, 128.0, 255.0], [0, 128, 255]),
        ([-1.0, 0.0, 1.0], [0, 128, 255]),
        ([-2e38, 0.0, 2e38], [0, 128, 255]),
        ([float("nan"), 0.5, 1.0], [0, 128, 255]),
        ([float("-inf"), 0.5, float("inf")], [0, 128, 255]),
        ([float("nan")] * 3, [0, 0, 0]),
    ],
)
def test_float_images(values: list[float], expected: list[int]) -> None:
    image = Image.fromarray(np.array([values], dtype=np.float32))
    assert image.mode == "F"
    for source in (image, encoded(image, "TIFF")):
        assert np.abs(pixels(open_image(source))[0, :, 0] - np.array(expected)).max() <= 1


@pytest.mark.parametrize("value", [np.int32(70000), np.float32(-7), np.float32(1e38)])
def test_a_single_value_of_unknown_range_is_a_plain_grey(value: np.generic) -> None:
    grey = pixels(open_image(Image.fromarray(np.full((3, 4), value))))
    assert (grey == grey[0, 0]).all()


@pytest.mark.parametrize("alpha", [0, 128, 255])
def test_alpha_is_laid_over_white(alpha: int) -> None:
    expected = np.rint((np.array([200, 100, 50]) * alpha + 255 * (255 - alpha)) / 255)
    rgba = Image.new("RGBA", (4, 4), (200, 100, 50, alpha))
    sources: list[Any] = [
        rgba,
        np.asarray(rgba),
        encoded(rgba, "PNG"),
        encoded(rgba, "TIFF"),
        encoded(rgba, "WEBP", lossless=True, exact=True),
    ]
    for source in sources:
        assert np.abs(pixels(open_image(source)) - expected).max() <= 1


def test_grey_with_alpha_is_laid_over_white() -> None:
    image = Image.new("LA", (2, 1), (0, 0))
    image.putpixel((1, 0), (100, 255))
    for source in (image, encoded(image, "PNG")):
        assert pixels(open_image(source))[0, :, 0].tolist() == [255, 100]


def palette_image() -> Image.Image:
    image = Image.new("P", (3, 1))
    image.putpalette([*RED, *GREEN, *BLUE])
    image.putdata([0, 1, 2])
    return image


def test_palette() -> None:
    image = palette_image()
    for source in (image, encoded(image, "PNG"), encoded(image, "GIF"), encoded(image, "BMP")):
        assert pixels(open_image(source))[0].tolist() == [[*RED], [*GREEN], [*BLUE]]


def test_palette_with_a_transparent_entry() -> None:
    image = palette_image()
    for image_format in ("PNG", "GIF"):
        data = encoded(image, image_format, transparency=1)
        assert pixels(open_image(data))[0].tolist() == [[*RED], [*WHITE], [*BLUE]]


def test_palette_with_half_transparent_entries() -> None:
    data = encoded(palette_image(), "PNG", transparency=bytes([255, 128, 0]))
    assert pixels(open_image(data))[0].tolist() == [[*RED], [127, 255, 127], [*WHITE]]


def test_palette_with_an_alpha_channel() -> None:
    image = Image.merge("PA", [palette_image(), Image.new("L", (3, 1), 0)])
    image.putpalette([*RED, *GREEN, *BLUE])
    assert (pixels(open_image(image)) == 255).all()


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_transparent_colour(mode: str) -> None:
    image = Image.new(mode, (2, 1))
    image.putpixel((1, 0), 77 if mode == "L" else (77, 77, 77))
    data = encoded(image, "PNG", transparency=77 if mode == "L" else (77, 77, 77))
    assert pixels(open_image(data))[0, :, 0].tolist() == [0, 255]


def test_cmyk() -> None:
    image = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    jpeg = encoded(image, "JPEG", quality=95)
    assert b"Adobe" in jpeg  # so its values are stored inverted, as Photoshop does
    for source in (image, encoded(image, "TIFF"), jpeg):
        assert np.abs(pixels(open_image(source)).astype(int) - RED).max() <= 6


def test_one_bit() -> None:
    image = Image.new("1", (2, 1))
    image.putpixel((1, 0), 1)
    for source in (image, encoded(image, "PNG"), encoded(image, "TIFF"), b"P1 2 1 1 0"):
        assert pixels(open_image(source))[0, :, 0].tolist() == [0, 255]


@pytest.mark.parametrize("mode", ["YCbCr", "HSV", "LAB", "RGBX", "RGBa", "CMYK", "L"])
def test_colour_spaces_come_back_close(mode: str) -> None:
    image = Image.new("RGB", (4, 4), (120, 120, 120))
    if mode == "RGBa":
        image = image.convert("RGBA")
    assert np.abs(pixels(open_image(image.convert(mode))).astype(int) - 120).max() <= 3


def test_lab_tiff() -> None:
    data = encoded(Image.new("RGB", (4, 4), (200, 60, 60)).convert("LAB"), "TIFF")
    assert np.abs(pixels(open_image(data)).astype(int) - [200, 60, 60]).max() <= 4


# Arrays


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.full((2, 3), 7, np.uint8), (7, 7, 7)),
        (np.full((2, 3, 1), 7, np.uint8), (7, 7, 7)),
        (np.full((2, 3, 3), [1, 2, 3], np.uint8), (1, 2, 3)),
        (np.full((2, 3, 4), [1, 2, 3, 0], np.uint8), (255, 255, 255)),
        (np.full((2, 3, 3), [0, 32768, 65535], np.uint16), (0, 128, 255)),
        (np.full((2, 3, 1), 0.5, np.float64), (128, 128, 128)),
        (np.full((2, 3, 3), [0, 0.5, 1], np.float16), (0, 128, 255)),
        (np.full((2, 3), 1 + 1e-6), (255, 255, 255)),
        (np.full((2, 3), -1e-6), (0, 0, 0)),
        (np.full((2, 3), True), (255, 255, 255)),
        (np.full((3, 2), 7, np.uint8).T, (7, 7, 7)),
        (np.full((4, 6), 7, np.uint8)[::-2, ::2], (7, 7, 7)),
    ],
)
def test_arrays(array: npt.NDArray[Any], expected: tuple[int, int, int]) -> None:
    image = open_image(array)
    assert image.size == (3, 2)
    assert (pixels(image) == expected).all()


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((4,), np.uint8),
        np.zeros((4, 4, 2), np.uint8),
        np.zeros((3, 4, 5), np.uint8),
        np.zeros((1, 4, 4, 3), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros((), np.uint8),
        np.zeros((4, 4), np.int64),
        np.zeros((4, 4), np.int8),
        np.zeros((4, 4), complex),
        np.zeros((4, 4), object),
        np.zeros((4, 4), "U3"),
        np.full((4, 4), 255.0),
        np.full((4, 4), -0.5),
        np.full((4, 4), np.nan),
    ],
)
def test_other_arrays_are_refused(array: npt.NDArray[Any]) -> None:
    message = reason(array)
    assert str(array.shape) in message
    assert str(array.dtype) in message


# Files that cannot be trusted


def test_what_is_not_a_readable_file(tmp_path: Path) -> None:
    empty = tmp_path / "empty.jpg"
    empty.touch()
    loop = tmp_path / "loop.jpg"
    loop.symlink_to(loop)
    assert "no such file" in reason(tmp_path / "missing.jpg")
    assert "folder" in reason(tmp_path)
    assert "empty" in reason(empty)
    assert "empty" in reason(b"")
    assert "cannot be read" in reason(loop)
    assert "cannot be read" in reason(tmp_path / ("x" * 300))
    assert "cannot be read" in reason(empty / "inside.jpg")
    reason("null\0byte.jpg")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read all")
def test_a_file_without_permission(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    textured().save(path)
    path.chmod(0)
    assert "ermission" in reason(path)


@pytest.mark.skipif(sys.platform == "win32", reason="needs named pipes and devices")
def test_pipes_sockets_and_devices_do_not_hang(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # the full name can be too long for a socket
    os.mkfifo("pipe.jpg")
    assert "regular" in reason("pipe.jpg")
    assert "regular" in reason("/dev/zero")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.jpg")
        assert "regular" in reason("socket.jpg")


@pytest.mark.skipif(sys.platform == "win32", reason="needs named pipes")
def test_a_pipe_that_takes_the_place_of_a_file_does_not_hang(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe, photo = tmp_path / "pipe.jpg", tmp_path / "photo.png"
    os.mkfifo(pipe)
    textured().save(photo)
    checked = photo.stat()
    monkeypatch.setattr(Path, "stat", lambda self: checked)
    reason(pipe)


def test_a_file_over_the_byte_limit_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.png"
    with path.open("wb") as file:
        file.truncate(513 * 1024 * 1024)  # sparse: takes no room
    assert "larger than 512 MiB" in reason(path)


@pytest.mark.parametrize(
    "data",
    [
        png(60000, 60000, 8, 2, b""),
        png(12000, 9000, 8, 2, b""),  # above our limit, inside Pillow's warning
        b"P5 20000 20000 255\n",
        b"GIF89a" + struct.pack("<HH3xc8xBB", 65000, 65000, b",", 0, 8) + bytes(9),
        b"BM" + struct.pack("<IIIIiiHHI", 54, 0, 54, 40, 50000, 50000, 1, 24, 0) + bytes(20),
        tiff(b"", 8, width=200_000_001),
    ],
)
def test_a_header_with_too_many_pixels_is_refused_before_it_is_decoded(
    data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(image: Image.Image) -> None:
        raise AssertionError("it was decoded")  # would come back as a damaged image

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", load)
    assert "pixels" in reason(data)


def test_the_pixel_limit_is_the_callers() -> None:
    data = encoded(textured(40, 30), "PNG")
    assert open_image(data, max_pixels=1200).size == (40, 30)
    for source in (data, textured(40, 30), np.asarray(textured(40, 30))):
        assert "40 x 30" in reason(source, max_pixels=1199)


def test_too_many_pixels_are_never_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(textured(40, 30), "PNG")

    def load(self: ImageFile.ImageFile) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(ImageFile.ImageFile, "load", load)
    assert "40 x 30" in reason(data, max_pixels=1000)


def test_an_image_without_pixels() -> None:
    assert "no pixels" in reason(Image.new("RGB", (0, 5)))


def test_text_chunks_that_unpack_to_much_are_refused() -> None:
    bomb = b"Comment\0\0" + zlib.compress(bytes(20_000_000))
    assert "damaged" in reason(png(1, 1, 8, 0, b"\0\0", (b"zTXt", bomb)))


def test_too_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(textured(), "PNG")

    def load(self: ImageFile.ImageFile) -> None:
        raise MemoryError

    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", load)
    assert "memory" in reason(data)


@cache
def samples() -> dict[str, bytes]:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    exif[ExifTags.Base.ImageDescription] = "a picture"
    formats = ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "PPM"]
    return (
        {name: encoded(textured(), name, exif=exif) for name in formats}
        | {
            "progressive": encoded(textured(), "JPEG", progressive=True),
            "APNG": encoded(textured(), "PNG", save_all=True, append_images=[quarters()]),
            "MPO": encoded(textured(), "MPO", save_all=True, append_images=[quarters()]),
            "LZW": encoded(textured(), "TIFF", compression="tiff_lzw", exif=exif),
            "palette": encoded(textured().quantize(16), "PNG", transparency=3),
            "grey16": encoded(Image.fromarray(np.arange(99, dtype=np.uint16)[None]), "PNG"),
        }
        | {
            name: encoded(textured(), name)
            for name, feature in (("AVIF", "avif"), ("JPEG2000", "jpg_2000"))
            if features.check(feature)
        }
    )


def opens_or_is_refused(data: bytes) -> bool:
    """Whether it opens; any other outcome than an image or ImageError fails the test."""
    try:
        image = open_image(data)
    except ImageError:
        return False
    assert pixels(image).size
    return True


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_beginning_of_a_file_opens_or_is_refused(draw: st.DataObject) -> None:
    data = samples()[draw.draw(st.sampled_from(sorted(samples())))]
    opens_or_is_refused(data[: draw.draw(st.integers(0, len(data)))])


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "GIF", "WEBP"])
def test_half_a_file_is_refused(image_format: str) -> None:
    data = samples()[image_format]
    assert opens_or_is_refused(data)
    for part in (2, 4, 8):
        assert not opens_or_is_refused(data[: len(data) // part])


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_change_of_bytes_opens_or_is_refused(draw: st.DataObject) -> None:
    data = bytearray(samples()[draw.draw(st.sampled_from(sorted(samples())))])
    # Headers are where the structure is: half of the changes go there.
    end = draw.draw(st.sampled_from([min(200, len(data)), len(data)]))
    changes = st.tuples(st.integers(0, end - 1), st.integers(0, 255))
    for place, value in draw.draw(st.lists(changes, min_size=1, max_size=8)):
        data[place] = value
    opens_or_is_refused(bytes(data))


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from([b"", b"\xff\xd8\xff\xe1", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"II*\0", b"BM"]),
    st.binary(max_size=300),
)
def test_any_bytes_open_or_are_refused(signature: bytes, rest: bytes) -> None:
    opens_or_is_refused(signature + rest)


def test_many_threads_at_once() -> None:
    odd = tiff(bytes(2), 8, extra=((34665, 0xFFFFFF),))
    with pytest.warns(UserWarning, match="Corrupt EXIF"):
        Image.open(io.BytesIO(odd)).load()
    work = [turned(6, "PNG"), encoded(textured(), "PNG"), odd, png(12000, 9000, 8, 2, b"")] * 25
    alone = {data: opens_or_is_refused(data) for data in set(work)}
    assert list(alone.values()).count(True) == 3
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(opens_or_is_refused, work)) == [alone[data] for data in work]


def test_warnings_of_others_are_kept() -> None:
    """While one thread decodes, a warning in another still arrives."""
    decoding, warned = threading.Event(), threading.Event()

    class Slow(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            decoding.set()
            assert warned.wait(10)
            return super().read(size)

    lazy = Image.open(io.BytesIO(encoded(textured(), "PPM")))
    lazy.fp = Slow(encoded(textured(), "PPM"))
    with ThreadPoolExecutor(1) as pool:
        result = pool.submit(open_image, lazy)
        assert decoding.wait(10)
        try:
            with pytest.raises(UserWarning, match="mine"):
                warnings.warn("mine", stacklevel=1)
        finally:
            warned.set()
        assert result.result().size == (40, 30)


# Images that will be reduced


def detailed(width: int, height: int, seed: int = 0) -> Image.Image:
    """Noise of every size, the finest the weakest, as in photographs."""
    random = np.random.default_rng(seed)
    total = np.zeros((height, width, 3))
    for size in (2, 4, 8, 16, 32, 64):
        grid = random.integers(0, 256, (height // size + 2, width // size + 2, 3), np.uint8)
        large = Image.fromarray(grid).resize((width, height), Image.Resampling.BICUBIC)
        total += np.asarray(large) * float(size)
    return Image.fromarray((total / total.max() * 255).astype(np.uint8))


@pytest.mark.parametrize(
    ("size", "decoded"),
    [
        ((1200, 900), (600, 450)),
        ((1920, 1300), (960, 650)),
        ((900, 4000), (450, 2000)),
        ((3000, 2400), (750, 600)),
        ((899, 1200), (899, 1200)),
        ((40, 30), (40, 30)),
    ],
)
def test_a_large_jpeg_is_decoded_at_no_more_than_it_takes(
    size: tuple[int, int], decoded: tuple[int, int]
) -> None:
    whole = detailed(*size)
    data = encoded(whole, "JPEG", quality=90)
    image = open_image(data, side=150)
    assert image.size == decoded
    small = (150, 150)
    ours = pixels(image.resize(small, Image.Resampling.BICUBIC)).astype(float)
    full = pixels(open_image(data).resize(small, Image.Resampling.BICUBIC)).astype(float)
    assert full.std() > 20
    assert np.abs(ours - full).mean() < 1
    assert (decoded != size) == bool(np.abs(ours - full).any())


@pytest.mark.parametrize("image_format", ["PNG", "WEBP", "BMP", "TIFF"])
def test_other_formats_are_decoded_whole(image_format: str) -> None:
    data = encoded(detailed(300, 200), image_format)
    assert np.array_equal(pixels(open_image(data, side=2)), pixels(open_image(data)))


def test_a_large_jpeg_is_turned_upright_too() -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    data = encoded(detailed(800, 400), "JPEG", exif=exif)
    assert open_image(data, side=50).size == (200, 400)


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_a_large_jpeg_without_colours_or_for_print(mode: str) -> None:
    data = encoded(detailed(800, 400).convert(mode), "JPEG", quality=95)
    ours = pixels(open_image(data, side=50).resize((50, 50))).astype(float)
    full = pixels(open_image(data).resize((50, 50))).astype(float)
    assert np.abs(ours - full).mean() < 1


def test_a_large_jpeg_that_is_cut_off_is_an_error() -> None:
    data = encoded(detailed(800, 400), "JPEG")
    with pytest.raises(ImageError, match="damaged or cut off"):
        open_image(data[: len(data) // 2], side=50)
