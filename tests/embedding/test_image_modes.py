import struct
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cupl.embedding.images import open_image
from tests.embedding.pictures import BLUE, GREEN, RED, WHITE, encoded, pixels, png, tiff

pytestmark = pytest.mark.usefixtures("no_warning_leaks")


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
