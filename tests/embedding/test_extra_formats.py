"""HEIC and raw files of cameras, with the extra ``formats`` and without."""

import io
import struct
import sys
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image

from cupl.embedding.images import open_image
from tests.embedding.pictures import (
    TO_STORED,
    detailed,
    encoded,
    pixels,
    quarters,
    reason,
    tiff,
)

HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"
DNG = tiff(b"\0\0", 8, extra=((50706, 0x0401),))


def heic(image: Image.Image, **options: Any) -> bytes:
    pillow_heif = pytest.importorskip("pillow_heif")
    file = io.BytesIO()
    pillow_heif.from_pillow(image).save(file, quality=95, **options)
    return file.getvalue()


@pytest.mark.parametrize(("data", "package"), [(HEIC, "pillow_heif"), (DNG, "rawpy")])
def test_the_extra_is_named_where_it_is_missing(
    data: bytes, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (package, f"{package}.as_plugin"):
        monkeypatch.setitem(sys.modules, module, None)
    assert 'pip install "cupl[formats]"' in reason(data)


def test_a_heic_is_its_picture_whatever_it_is_reduced_to() -> None:
    picture = detailed(96, 64)
    data = heic(picture)
    for side in (None, 8):
        found = pixels(open_image(data, side=side)).astype(int)
        assert np.abs(found - pixels(picture)).mean() < 4
    assert "96 x 64" in reason(data, max_pixels=1000)
    assert "damaged" in reason(data[: len(data) // 2])


@pytest.mark.parametrize("orientation", TO_STORED)
def test_a_heic_is_turned_once(orientation: int) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    picture = detailed(96, 64)
    found = open_image(heic(TO_STORED[orientation](picture), exif=exif.tobytes()))
    assert found.size == (96, 64)
    assert np.abs(pixels(found).astype(int) - pixels(picture)).mean() < 4


def test_heic_with_alpha_without_colour_and_of_several_pictures() -> None:
    picture, grey = detailed(96, 64), detailed(96, 64).convert("L")
    half = picture.copy()
    half.putalpha(128)
    light = (pixels(picture).astype(int) + 255) // 2
    for image, expected in ((half, light), (grey, pixels(grey.convert("RGB")).astype(int))):
        assert np.abs(pixels(open_image(heic(image))) - expected).mean() < 4
    file, several = io.BytesIO(), pytest.importorskip("pillow_heif").from_pillow(picture)
    several.add_from_pillow(quarters().resize(picture.size))
    for primary, colours in enumerate((picture, quarters().resize(picture.size))):
        several.save(file, quality=95, save_all=True, primary_index=primary)
        found = pixels(open_image(file.getvalue())).astype(int)
        assert np.abs(found - pixels(colours)).mean() < 4
        file.seek(0)


@pytest.mark.parametrize("white", [255, 65535])
def test_heic_of_ten_bits_is_scaled(white: int) -> None:
    samples = np.asarray(detailed(96, 64)).astype(np.uint16) * 257
    samples[:8] = white
    package, file = pytest.importorskip("pillow_heif"), io.BytesIO()
    package.from_bytes("RGB;16", (96, 64), samples.tobytes()).save(file, quality=95)
    assert np.abs(pixels(open_image(file.getvalue())) - samples / 257).mean() < 4


def dng(image: Image.Image, *, orientation: int = 1, order: str = "<") -> bytes:
    """A raw file as of a camera whose red, green and blue are those of screens."""
    tifffile = pytest.importorskip("tifffile")
    light = np.rint((np.asarray(image) / 255) ** 2.2 * 65535).astype(np.uint16)
    mosaic = light[..., 1].copy() if light.ndim == 3 else light
    if light.ndim == 3:
        mosaic[::2, ::2], mosaic[1::2, 1::2] = light[::2, ::2, 0], light[1::2, 1::2, 2]
    of_xyz = (32406, -15372, -4986, -9689, 18758, 415, 557, -2040, 10570)
    pattern = [(33421, "H", 2, (2, 2), True), (33422, "B", 4, bytes([0, 1, 1, 2]), True)]
    colours = [
        (50721, "2i", 9, [number for value in of_xyz for number in (value, 10000)], True),
        (50728, "2I", 3, [1] * 6, True),
        (50778, "H", 1, 21, True),
    ]
    file = io.BytesIO()
    tifffile.imwrite(
        file, mosaic, photometric=32803, byteorder=order, metadata=None, software=None,
        extratags=[
            (50706, "B", 4, bytes([1, 4, 0, 0]), True), (50708, "s", 0, "Camera", True),
            (50717, "H", 1, 65535, True), (274, "H", 1, orientation, True),
            *(pattern + colours if light.ndim == 3 else []),
        ],
    )  # fmt: skip
    data = file.getvalue()
    linear = struct.pack("<HHIHH", 262, 3, 1, 34892, 0)
    filtered = struct.pack("<HHIHH", 262, 3, 1, 32803, 0)
    return data if light.ndim == 3 else data.replace(filtered, linear)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("orientation", TO_STORED)
def test_a_raw_file_is_developed_upright(orientation: int, order: str) -> None:
    """At half its size: one pixel for each group of the filter."""
    pytest.importorskip("rawpy")
    picture = quarters().resize((96, 64), Image.Resampling.NEAREST)
    data = dng(TO_STORED[orientation](picture), orientation=orientation, order=order)
    found = open_image(data)
    assert found.size == (48, 32)
    assert np.abs(pixels(found).astype(int) - pixels(picture)[::2, ::2]).mean() < 4
    assert "1,000 in all are allowed" in reason(data, max_pixels=1000)


def test_a_raw_file_without_colours_is_grey() -> None:
    pytest.importorskip("rawpy")
    ramp = Image.fromarray(np.tile(np.linspace(0, 255, 96).astype(np.uint8), (64, 1)))
    row = pixels(open_image(dng(ramp)))[20].astype(int)
    assert (row == row[:, :1]).all()
    assert (np.diff(row[:, 0]) >= 0).all()
    assert np.ptp(row) > 200


def test_no_opener_is_registered() -> None:
    heic(quarters().resize((96, 64)))
    before = dict(Image.OPEN)
    open_image(heic(quarters().resize((96, 64))))
    assert before == Image.OPEN
    assert open_image(encoded(quarters(), "PNG")).size == (12, 8)


def test_a_damaged_raw_file_is_refused() -> None:
    pytest.importorskip("rawpy")
    whole = dng(quarters().resize((96, 64)))
    for data in (DNG, b"FUJIFILMCCD-RAW 0201" + bytes(500), whole[: len(whole) // 2]):
        assert "the raw file is damaged, cut off, or of a kind that rawpy" in reason(data)
