from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import ExifTags, Image, features

from cupl.embedding.image_errors import ImageError
from cupl.embedding.images import open_image
from tests.embedding.pictures import (
    BLUE,
    GREEN,
    RED,
    detailed,
    encoded,
    pixels,
    quarters,
    reason,
    textured,
)

pytestmark = pytest.mark.usefixtures("no_warning_leaks")


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
    with Image.open(path) as image:
        for source in (path, str(path), path.read_bytes(), image, np.asarray(textured())):
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


# Images that will be reduced


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


@pytest.mark.parametrize(
    ("image_format", "head"),
    [("AVIF", b"\0\0\0\x14ftypavif\0\0\0\0avif"),
     ("JPEG2000", b"\0\0\0\x0cjP  \r\n\x87\n")],
)  # fmt: skip
def test_what_pillow_was_built_without_is_not_said_to_be_damaged(
    image_format: str, head: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "damaged" in reason(head + bytes(100))
    monkeypatch.setattr(features, "check", lambda name: False)
    assert reason(head + bytes(100)) == f"this is {image_format}, which Pillow was built without"


@pytest.mark.skipif(not features.check("jpg_2000"), reason="this Pillow has no JPEG 2000")
def test_a_very_large_jpeg_2000_is_decoded_at_half_its_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = encoded(whole := detailed(1201, 900), "JPEG2000")
    assert open_image(data, side=150).size == (1201, 900)
    monkeypatch.setattr("cupl.embedding.images.MAX_BYTES", 1201 * 900 * 19)
    assert open_image(data).size == (1201, 900)
    assert open_image(data, side=151).size == (1201, 900)
    half = open_image(data, side=150)
    assert half.size == (601, 450)
    small = (150, 150)
    ours = pixels(half.resize(small, Image.Resampling.BICUBIC)).astype(float)
    full = pixels(whole.resize(small, Image.Resampling.BICUBIC)).astype(float)
    assert np.abs(ours - full).mean() < 1


@pytest.mark.skipif(not features.check("jpg_2000"), reason="this Pillow has no JPEG 2000")
@pytest.mark.parametrize(
    "options",
    [{"num_resolutions": 1}, {"tile_size": (32, 32), "offset": (5, 3), "tile_offset": (2, 1)}],
)
def test_a_jpeg_2000_that_has_no_halves_is_decoded_whole(
    options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = encoded(detailed(96, 64), "JPEG2000", **options)
    monkeypatch.setattr("cupl.embedding.images.MAX_BYTES", 96 * 64 * 19)
    assert np.array_equal(pixels(open_image(data, side=9)), pixels(open_image(data)))
