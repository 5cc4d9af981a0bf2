"""What stands beside the pixels loses no picture: profiles, EXIF, XMP, what follows the end."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image, features

from cupl.embedding.image_files import find_images
from cupl.embedding.images import open_image
from cupl.embedding.left_out import LeftOut
from tests.embedding.pictures import detailed, encoded, pixels, reason

pytestmark = pytest.mark.usefixtures("no_warning_leaks")

PICTURE = detailed(64, 48)
FORMATS: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 95}, "PNG": {}, "WEBP": {"lossless": True}, "TIFF": {}, "JPEG2000": {},
    "AVIF": {"quality": 95},
}  # fmt: skip
FEATURES = {"JPEG2000": "jpg_2000", "AVIF": "avif", "WEBP": "webp"}
LARGE = 3_000_000


def saved(image_format: str, **options: Any) -> bytes:
    if image_format in FEATURES and not features.check(FEATURES[image_format]):
        pytest.skip(f"this Pillow has no {image_format}")
    return encoded(PICTURE, image_format, **FORMATS[image_format], **options)


def is_the_picture(data: bytes) -> bool:
    return bool(np.abs(pixels(open_image(data)).astype(int) - pixels(PICTURE)).mean() < 2)


@pytest.mark.parametrize("profile", [b"", b"nonsense", bytes(LARGE)])
@pytest.mark.parametrize("image_format", FORMATS)
def test_a_colour_profile_is_not_looked_at(image_format: str, profile: bytes) -> None:
    assert is_the_picture(saved(image_format, icc_profile=profile))


@pytest.mark.parametrize("size", [100, 60_000, LARGE])
@pytest.mark.parametrize("image_format", FORMATS)
def test_large_exif_and_xmp(image_format: str, size: int) -> None:
    if image_format == "JPEG" and size > 65_535:
        size = 65_000  # more does not fit in
    exif = Image.Exif()
    exif[ExifTags.Base.ImageDescription] = "x" * size
    for options in ({"exif": exif}, {"xmp": b"<x>" + b" " * size}):
        assert is_the_picture(saved(image_format, **options))


@pytest.mark.parametrize("tail", [b"\r\n", b"\0" * 100_000, b"PK\3\4 and more", b"\xff" * 50])
@pytest.mark.parametrize("image_format", [*FORMATS, "GIF", "BMP", "PPM"])
def test_what_stands_behind_the_picture_is_not_read(image_format: str, tail: bytes) -> None:
    data = saved(image_format) if image_format in FORMATS else encoded(PICTURE, image_format)
    assert np.array_equal(pixels(open_image(data + tail)), pixels(open_image(data)))


@pytest.mark.parametrize("image_format", [*FORMATS, "GIF", "BMP", "PPM", "MPO"])
def test_a_picture_that_is_cut_off_is_refused_and_not_half_grey(image_format: str) -> None:
    data = saved(image_format) if image_format in FORMATS else encoded(PICTURE, image_format)
    for length in (30, 100, len(data) // 2, len(data) * 9 // 10, len(data) - 25):
        assert "damaged" in reason(data[:length])


def test_the_first_picture_of_a_stereo_camera() -> None:
    data = encoded(PICTURE, "MPO", quality=95, save_all=True, append_images=[PICTURE.rotate(180)])
    assert is_the_picture(data)
    assert is_the_picture(data[:-200])  # only the second is cut off


def test_the_picture_shown_where_animations_are_not() -> None:
    frames = [PICTURE.rotate(90 * i) for i in range(1, 3)]
    data = encoded(PICTURE, "PNG", save_all=True, default_image=True, append_images=frames)
    assert is_the_picture(data)


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.heic", "a.dng", "a.tga", "a.xyz", "a"])
def test_an_ending_that_is_wrong_misleads_nobody(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(saved("JPEG"))
    assert is_the_picture(path.read_bytes())
    assert np.array_equal(pixels(open_image(path)), pixels(open_image(path.read_bytes())))
    assert find_images(tmp_path) == [os.fspath(path)]


@pytest.mark.parametrize(
    ("image_format", "name"),
    [("QOI", "QOI"), ("DDS", "DDS"), ("ICO", "icon"), ("SGI", "SGI"), ("ICNS", "icon")],
)
def test_formats_that_are_not_read_are_named_and_counted(
    image_format: str, name: str, tmp_path: Path
) -> None:
    data = encoded(PICTURE, image_format)
    assert reason(data).startswith(f"{name}, not an image in a format that can be read")
    (tmp_path / f"a.{image_format.lower()}").write_bytes(data)
    (tmp_path / "b").write_bytes(data)
    (tmp_path / "c.jpg").write_bytes(saved("JPEG"))
    left_out = LeftOut()
    assert find_images(tmp_path, left_out=left_out) == [os.fspath(tmp_path / "c.jpg")]
    assert f"1 .{image_format.lower()}" in " ".join(left_out.notes())
