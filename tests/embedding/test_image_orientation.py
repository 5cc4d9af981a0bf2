import io

import numpy as np
import pytest
from PIL import ExifTags, Image, features

from cupl.embedding.images import open_image
from tests.embedding.pictures import (
    RED,
    TO_STORED,
    encoded,
    pixels,
    quarters,
    turned,
)

pytestmark = pytest.mark.usefixtures("no_warning_leaks")


@pytest.mark.parametrize("image_format", ["PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", TO_STORED)
def test_every_orientation_gives_the_same_upright_picture(
    orientation: int, image_format: str
) -> None:
    data = turned(orientation, image_format)
    assert np.array_equal(pixels(open_image(data)), pixels(quarters()))
    assert np.array_equal(pixels(open_image(Image.open(io.BytesIO(data)))), pixels(quarters()))


@pytest.mark.parametrize(("image_format", "feature"), [("JPEG", "jpg"), ("AVIF", "avif")])
@pytest.mark.parametrize("orientation", TO_STORED)
def test_orientation_of_lossy_formats(orientation: int, image_format: str, feature: str) -> None:
    if not features.check(feature):
        pytest.skip(f"this Pillow has no {image_format}")
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    large = quarters().resize((96, 64), Image.Resampling.NEAREST)
    data = encoded(
        TO_STORED[orientation](large), image_format, exif=exif, quality=95, subsampling="4:4:4"
    )
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
