"""TIFF by compression, depth and colour space: as tifffile sees it, or refused by name."""

import io
import itertools
import struct
import subprocess
import sys
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

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

tifffile = pytest.importorskip("tifffile")
pytestmark = pytest.mark.usefixtures("no_warning_leaks")

Array = npt.NDArray[Any]
COLOUR: Array = np.asarray(detailed(64, 48))
GREY: Array = COLOUR[..., 1].copy()
PLAIN, DEFLATE = 1, 8
STORED = ((PLAIN, bytes), (DEFLATE, zlib.compress))


def written(array: Array, **options: Any) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, array, **options)
    return file.getvalue()


def error(data: bytes, expected: Array) -> float:
    values = np.atleast_3d(expected).astype(float)
    return float(np.abs(pixels(open_image(data)) - values).mean())


def packed(values: Array, bits: int) -> bytes:
    """Each row of samples to whole bytes."""
    digits = values[..., None] >> np.arange(bits)[::-1] & 1
    return np.packbits(digits.reshape(len(values), -1).astype(np.uint8), axis=1).tobytes()


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("compression", [None, "zlib", "lzw", "packbits", "zstd", "lzma"])
@pytest.mark.parametrize("bits", [8, 16])
def test_compressions(compression: str | None, bits: int, order: str) -> None:
    pytest.importorskip("imagecodecs")
    for samples, photometric in ((COLOUR, "rgb"), (GREY, "minisblack")):
        array = samples if bits == 8 else samples.astype(np.uint16) * 257
        data = written(array, photometric=photometric, compression=compression, byteorder=order)
        assert np.array_equal(tifffile.imread(io.BytesIO(data)), array)
        assert error(data, samples) == 0


@pytest.mark.parametrize("compression", ["group3", "group4", "tiff_ccitt", "packbits"])
def test_fax(compression: str) -> None:
    image = Image.fromarray(COLOUR).convert("1")
    assert error(encoded(image, "TIFF", compression=compression), np.asarray(image) * 255) == 0


@pytest.mark.parametrize(
    "options",
    [
        {"subsampling": (2, 2)},
        {"subsampling": (2, 1), "byteorder": ">"},
        {"tile": (16, 32)},
        {"planarconfig": "separate"},
        {"compressionargs": {"outcolorspace": "RGB", "level": 95}},
    ],
)
def test_jpeg_in_tiff(options: dict[str, Any]) -> None:
    pytest.importorskip("imagecodecs")
    array = np.moveaxis(COLOUR, 2, 0) if "planarconfig" in options else COLOUR
    data = written(array, photometric="rgb", compression="jpeg", **options)
    assert error(data, COLOUR) < 4


def test_jpeg_in_tiff_of_the_old_kind() -> None:
    jpeg = encoded(Image.fromarray(COLOUR), "JPEG", quality=95)
    sampled = ((530, (2, 2)),)
    data = tiff(
        jpeg, 8, width=64, height=48, samples=3, compression=6, photometric=6, extra=sampled
    )
    assert error(data, COLOUR) < 4


@pytest.mark.parametrize("compression", ["webp", "jpegxl", "lerc", "jpeg2000"])
def test_a_compression_that_is_not_read_is_named(compression: str) -> None:
    pytest.importorskip("imagecodecs")
    data = written(COLOUR, photometric="rgb", compression=compression)
    spelled = {"webp": "WebP", "jpegxl": "JPEG XL", "lerc": "LERC", "jpeg2000": "JPEG 2000"}
    assert f"a TIFF compressed by {spelled[compression]} cannot be read" in reason(data)


def test_an_unknown_compression_is_named_by_its_number() -> None:
    assert "a TIFF compressed by number 4711 cannot" in reason(tiff(b"..", 8, compression=4711))


@pytest.mark.parametrize("tag", [258, 259, 262, 277])
def test_a_text_in_the_place_of_a_number_is_not_repeated(tag: int) -> None:
    data = tiff(b"..", 9, compression=4711, photometric=8)
    start = data.index(struct.pack("<H", tag)) + 2
    changed = data[:start] + struct.pack("<HI", 2, 4) + b"\x1b[2\0" + data[start + 10 :]
    assert reason(changed) == "the image is damaged or cut off"


@pytest.mark.parametrize("photometric", [0, 1])
@pytest.mark.parametrize("bits", [1, 2, 4, 8, 10, 12, 14, 16])
def test_grey_of_any_depth(bits: int, photometric: int) -> None:
    white = (1 << bits) - 1
    levels = np.rint(GREY / 255 * white).astype(np.int64)
    samples = levels if photometric else white - levels
    for compression, pack in STORED:
        strip = samples.astype("<u2").tobytes() if bits == 16 else packed(samples, bits)
        data = tiff(
            pack(strip), bits, width=64, height=48, compression=compression, photometric=photometric
        )
        if bits in {10, 14} or (bits == 12 and not photometric):
            assert f"1 sample of {bits} bits" in reason(data)
        else:
            assert error(data, levels / white * 255) < 0.1


@pytest.mark.parametrize("unit", [257, 256, 1])
@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_palettes(bits: int, unit: int) -> None:
    """Colours have 16 bits; some writers fill but 8 of them."""
    random = np.random.default_rng(bits)
    palette = random.integers(0, 256, (1 << bits, 3))
    indices = random.integers(0, 1 << bits, (48, 64))
    colours = ((320, tuple((palette.T * unit).ravel().tolist())),)
    for compression, pack in STORED:
        data = tiff(
            pack(packed(indices, bits)), bits, width=64, height=48, compression=compression,
            photometric=3, extra=colours,
        )  # fmt: skip
        assert error(data, palette[indices]) == 0


@pytest.mark.parametrize(("across", "down"), [(1, 1), (2, 1), (1, 2), (2, 2), (4, 4)])
def test_colours_of_fewer_pixels(across: int, down: int) -> None:
    """YCbCr holds a block of brightness, then the two colours of the block."""
    samples = np.asarray(Image.fromarray(COLOUR).convert("YCbCr")).astype(int)
    blocks = samples.reshape(48 // down, down, 64 // across, across, 3).swapaxes(1, 2)
    colours = np.rint(blocks[..., 1:].mean(axis=(2, 3))).astype(np.uint8)
    bright = blocks[..., 0].reshape(*colours.shape[:2], -1).astype(np.uint8)
    shown = np.dstack([samples[..., 0], np.kron(colours, np.ones((down, across, 1)))])
    expected = np.asarray(Image.fromarray(shown.astype(np.uint8), "YCbCr").convert("RGB"))
    for compression, pack in STORED:
        data = tiff(
            pack(np.dstack([bright, colours]).tobytes()), 8, width=64, height=48, samples=3,
            compression=compression, photometric=6, extra=((530, (across, down)),),
        )  # fmt: skip
        assert error(data, expected) < 1


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_lab(compression: str | None) -> None:
    lab = np.asarray(Image.fromarray(COLOUR).convert("LAB"))
    assert error(written(lab, photometric="cielab", compression=compression), COLOUR) < 2
    assert "interpretation 9" in reason(written(lab, photometric="icclab"))
    assert "3 samples of 16 bits" in reason(written(lab.astype(np.uint16), photometric="cielab"))


def test_inks_with_alpha_are_refused_and_with_more_are_read() -> None:
    inks = np.dstack([255 - COLOUR, np.zeros_like(GREY), GREY])
    assert "5 samples" in reason(written(inks, photometric="separated", extrasamples=[2]))
    assert error(written(inks, photometric="separated", extrasamples=[0]), COLOUR) == 0
    apart = np.moveaxis(inks, 2, 0)
    options: dict[str, Any] = {"photometric": "separated", "planarconfig": "separate"}
    assert "5 samples of 8 bits a pixel, in planes" in reason(written(apart, **options))


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("dtype", ["f4", "u4", "i4"])
def test_predictors_and_wide_values(dtype: str, order: str) -> None:
    pytest.importorskip("imagecodecs")
    white = 1 if dtype == "f4" else np.iinfo(dtype).max
    values = (GREY / 255 * white).astype(order + dtype)
    for compression, predictor in itertools.product(("zlib", "lzw"), (False, True)):
        data = written(
            values, photometric="minisblack", compression=compression, predictor=predictor,
            byteorder=order,
        )  # fmt: skip
        if (dtype, order) == ("u4", ">"):
            assert "1 sample of 32 bits" in reason(data)
        else:
            assert error(data, GREY) < 0.51


@pytest.mark.parametrize("tile", [None, (16, 16), (32, 48)])
@pytest.mark.parametrize("bits", [8, 16])
def test_files_of_the_big_kind(bits: int, tile: tuple[int, int] | None) -> None:
    array = COLOUR if bits == 8 else COLOUR.astype(np.uint16) * 257
    options: dict[str, Any] = {"photometric": "rgb", "bigtiff": True, "tile": tile}
    assert error(written(array, **options), COLOUR) == 0
    assert "BigTIFF in big-endian order" in reason(written(array, byteorder=">", **options))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_of_each_make(orientation: int) -> None:
    stored = np.asarray(TO_STORED[orientation](quarters()))
    tag = [(274, "H", 1, orientation, True)]
    for compression, tile in itertools.product((None, "zlib"), (None, (16, 16))):
        data = written(stored, photometric="rgb", compression=compression, tile=tile, extratags=tag)
        assert np.array_equal(pixels(open_image(data)), pixels(quarters()))


def test_the_first_of_many_pages() -> None:
    for options in ({}, {"tile": (16, 16)}, {"compression": "zlib"}):
        assert (
            error(written(np.stack([COLOUR, 255 - COLOUR]), photometric="rgb", **options), COLOUR)
            == 0
        )
    assert error(written(np.stack([GREY, 255 - GREY]), photometric="minisblack"), GREY) == 0


@pytest.mark.parametrize("compression", [None, "zlib", "lzw", "packbits", "jpeg", "zstd"])
@pytest.mark.parametrize("place", [{}, {"rowsperstrip": 8}, {"tile": (16, 16)}])
def test_a_file_that_is_cut_off(compression: str | None, place: dict[str, Any]) -> None:
    pytest.importorskip("imagecodecs")
    data = written(COLOUR, photometric="rgb", compression=compression, **place)
    assert "damaged" in reason(data[: len(data) * 2 // 3])


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (written(COLOUR, photometric="rgb", compression="zlib")[:5000], "damaged or cut off"),
        (tiff(b"..", 8, extra=((277, 60_000),)), "a TIFF of 60000 samples"),
    ],
)
def test_what_decoders_say_stays_off_the_terminal(data: bytes, said: str) -> None:
    code = (
        "import sys\nfrom cupl.embedding.images import open_image\n"
        "try: open_image(sys.stdin.buffer.read())\nexcept ValueError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], input=data, capture_output=True, check=True)
    assert said in done.stdout.decode()
    assert done.stderr == b""
