"""PNG, JPEG, WebP, JPEG 2000 and AVIF: what a second decoder sees, or an error that names it."""

import struct
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, features

from cupl.embedding.images import open_image
from tests.embedding.pictures import detailed, encoded, pixels, png_of, reason

codecs: Any = pytest.importorskip("imagecodecs")
pytestmark = pytest.mark.usefixtures("no_warning_leaks")

Array = npt.NDArray[Any]
COLOUR: Array = np.asarray(detailed(61, 43))
GREY: Array = COLOUR[..., 1].copy()
ALPHA: Array = np.tile(np.linspace(0, 255, 61).round().astype(np.uint8), (43, 1))
SAMPLES: dict[str, Array] = {
    "grey": GREY[..., None],
    "grey alpha": np.dstack([GREY, ALPHA]),
    "rgb": COLOUR,
    "rgba": np.dstack([COLOUR, ALPHA]),
}
INKS: Array = np.dstack([COLOUR, ALPHA])  # as files hold them: 255 is no ink
LOSSLESS, NEARLY, LOSSY = 0.51, 1.5, 4  # mean errors of 255; the first is that of rounding


def error(source: bytes | Image.Image, expected: Array) -> float:
    found = pixels(open_image(source)).astype(float)
    assert found.shape[:2] == expected.shape[:2]
    return float(np.abs(found - seen(expected)).mean())


def seen(samples: Array) -> Array:
    """Samples in 0..255, grey or colour, over white where they have alpha."""
    values = np.atleast_3d(samples).astype(float)
    if values.shape[2] in (2, 4):
        alpha = values[..., -1:] / 255
        values = values[..., :-1] * alpha + 255 * (1 - alpha)
    return np.broadcast_to(values, (*values.shape[:2], 3))


def deep(samples: Array, bits: int) -> Array:
    white = (1 << bits) - 1
    return np.rint(samples / 255 * white).astype(np.uint8 if bits <= 8 else np.uint16)


def widened(samples: Array, bits: int) -> Array:
    return np.asarray(samples / ((1 << bits) - 1) * 255)


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize(
    ("layout", "colour", "depths"),
    [
        ("grey", 0, (1, 2, 4, 8, 16)),
        ("rgb", 2, (8, 16)),
        ("grey alpha", 4, (8, 16)),
        ("rgba", 6, (8, 16)),
    ],
)
def test_png(layout: str, colour: int, depths: tuple[int, ...], interlaced: bool) -> None:
    for depth in depths:
        samples = deep(SAMPLES[layout], depth)
        data = png_of(samples, depth, colour, interlaced=interlaced)
        assert error(data, widened(samples, depth)) < LOSSLESS
        if depth >= 8 and not interlaced:  # libpng hands out others as they are packed
            assert error(data, widened(codecs.png_decode(data), depth)) < LOSSLESS


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_png_with_a_palette(depth: int, interlaced: bool) -> None:
    random = np.random.default_rng(depth)
    palette = random.integers(0, 256, (1 << depth, 4), np.uint8)
    samples = random.integers(0, 1 << depth, (19, 23, 1))
    colours = (b"PLTE", palette[:, :3].tobytes())
    data = png_of(samples, depth, 3, colours, interlaced=interlaced)
    assert error(data, palette[samples[..., 0], :3]) == 0
    for given in (1 << depth, 1 << depth >> 1):  # of those left out, all is seen
        palette[given:, 3] = 255
        alpha = (b"tRNS", palette[:given, 3].tobytes())
        data = png_of(samples, depth, 3, colours, alpha, interlaced=interlaced)
        assert error(data, palette[samples[..., 0]]) < LOSSLESS


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize(
    ("layout", "depth"), [("grey", 1), ("grey", 2), ("grey", 4), ("grey", 8), ("grey", 16),
                          ("rgb", 8), ("rgb", 16)]
)  # fmt: skip
def test_png_with_a_transparent_value(layout: str, depth: int, interlaced: bool) -> None:
    """Only pixels of that very value: of 16 bits all count, not the first or the last eight."""
    samples = deep(SAMPLES[layout], depth).astype(np.int64)
    key = samples[7, 5].copy()
    if depth == 16:
        samples[8, 5], samples[9, 5], samples[10, 5] = key ^ 1, key ^ 256, key
    chunk = (b"tRNS", struct.pack(f">{len(key)}H", *key))
    data = png_of(samples, depth, 2 * (layout == "rgb"), chunk, interlaced=interlaced)
    shown = np.where((samples == key).all(axis=2, keepdims=True), 255, widened(samples, depth))
    found = pixels(open_image(data))
    assert np.abs(found - seen(shown)).max() < 1


def test_png_takes_its_values_as_they_are() -> None:
    """Gamma, white point and profile are not applied, as the models' own training did not."""
    extra = [(b"gAMA", struct.pack(">I", 100000)), (b"sBIT", b"\5\6\5"), (b"iCCP", b"x\0\0bad")]
    for chunk in extra:
        assert error(png_of(COLOUR, 8, 2, chunk), COLOUR) == 0


@pytest.mark.parametrize("subsampling", ["444", "422", "420", "411", "440"])
def test_jpeg(subsampling: str) -> None:
    data = codecs.jpeg8_encode(
        COLOUR, 95, colorspace="RGB", outcolorspace="YCBCR", subsampling=subsampling
    )
    assert error(data, COLOUR) < LOSSY
    assert error(data, codecs.jpeg8_decode(data)) < LOSSLESS


def test_jpeg_without_a_colour_transform() -> None:
    """Which is told from YCbCr by the marker of Adobe."""
    plain = codecs.jpeg8_encode(COLOUR, 95, colorspace="RGB", outcolorspace="RGB")
    for data, samples in ((plain, COLOUR), (codecs.jpeg8_encode(GREY, 95), GREY)):
        assert error(data, samples) < NEARLY
        assert error(data, codecs.jpeg8_decode(data)) < LOSSLESS


@pytest.mark.parametrize("stored", ["CMYK", "YCCK"])
def test_jpeg_for_print(stored: str) -> None:
    data = codecs.jpeg8_encode(INKS, 95, colorspace="CMYK", outcolorspace=stored)
    assert error(data, COLOUR * (ALPHA[..., None] / 255)) < NEARLY
    inks = codecs.jpeg8_decode(data, outcolorspace="CMYK").astype(float)
    assert error(data, inks[..., :3] * inks[..., 3:] / 255) < NEARLY


@pytest.mark.parametrize(
    "options",
    [{"progressive": True}, {"optimize": True}, {"restart_marker_blocks": 3}],
)
def test_jpeg_of_other_makes(options: dict[str, Any]) -> None:
    data = encoded(Image.fromarray(COLOUR), "JPEG", **options)
    assert error(data, codecs.jpeg8_decode(data)) < LOSSLESS


def test_jpeg_of_other_depths_is_refused_by_name() -> None:
    for samples, name in ((COLOUR, "3 samples of 12 bits"), (GREY, "1 sample of 12 bits")):
        data = codecs.jpeg8_encode(deep(samples, 12), 95, bitspersample=12)
        assert f"a JPEG of {name} a pixel cannot be read: convert it to 8 bits" in reason(data)
    assert "16 bits" in reason(codecs.ljpeg_encode(deep(GREY, 16), bitspersample=16))
    assert "a JPEG-LS image" in reason(codecs.jpegls_encode(COLOUR))
    assert error(codecs.jpeg8_encode(COLOUR, lossless=True), COLOUR) == 0


@pytest.mark.parametrize("lossless", [False, True])
@pytest.mark.parametrize("layout", ["rgb", "rgba"])
def test_webp(layout: str, lossless: bool) -> None:
    data = codecs.webp_encode(SAMPLES[layout], 90, lossless=lossless)
    assert error(data, SAMPLES[layout]) < (LOSSLESS if lossless else LOSSY)
    assert error(data, codecs.webp_decode(data)) < LOSSLESS


def jpeg2000(samples: Array, bits: int, codec: str) -> bytes:
    options = {} if samples.shape[2] == 1 else {"planar": False}
    data: bytes = codecs.jpeg2k_encode(
        np.squeeze(deep(samples, bits)), level=0, codecformat=codec, reversible=True,
        bitspersample=bits, **options,
    )  # fmt: skip
    return data


@pytest.mark.skipif(not features.check("jpg_2000"), reason="this Pillow has no JPEG 2000")
@pytest.mark.parametrize("codec", ["j2k", "jp2"])
@pytest.mark.parametrize("bits", [1, 2, 4, 7, 8, 9, 12, 16])
@pytest.mark.parametrize("layout", SAMPLES)
def test_jpeg_2000(layout: str, bits: int, codec: str) -> None:
    for samples in (SAMPLES[layout], np.full_like(SAMPLES[layout], 255)):
        data = jpeg2000(samples, bits, codec)
        if bits > 8 and layout != "grey":
            assert f"samples of {bits} bits a pixel cannot be read" in reason(data)
            continue
        second = np.atleast_3d(codecs.jpeg2k_decode(data))
        assert np.array_equal(second, deep(samples, bits))
        assert error(data, widened(second, bits)) < 1  # of nine bits the last is not scaled


@pytest.mark.skipif(not features.check("jpg_2000"), reason="this Pillow has no JPEG 2000")
def test_jpeg_2000_of_other_colours() -> None:
    image = Image.fromarray(COLOUR)
    assert error(encoded(image.convert("YCbCr"), "JPEG2000"), COLOUR) < LOSSY
    inks = Image.fromarray(255 - INKS, "CMYK")
    assert error(encoded(inks, "JPEG2000"), COLOUR * (ALPHA[..., None] / 255)) < NEARLY
    tiled = encoded(image, "JPEG2000", tile_size=(32, 32), offset=(5, 3), tile_offset=(2, 1))
    assert error(tiled, codecs.jpeg2k_decode(tiled)) == 0


@pytest.mark.skipif(not features.check("jpg_2000"), reason="this Pillow has no JPEG 2000")
@pytest.mark.parametrize("bits", [2, 4, 8])
def test_jpeg_2000_with_a_palette(bits: int) -> None:
    random = np.random.default_rng(bits)
    palette = random.integers(0, 256, (1 << bits, 3), np.uint8)
    indices = random.integers(0, 1 << bits, (19, 23), np.uint8)
    stream = codecs.jpeg2k_encode(
        indices, level=0, codecformat="j2k", bitspersample=bits, reversible=True
    )

    def box(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", 8 + len(data)) + kind + data

    header = box(b"ihdr", struct.pack(">IIHBBBB", 19, 23, 1, bits - 1, 7, 0, 0))
    header += box(b"colr", b"\1\0\0" + struct.pack(">I", 16))
    header += box(b"pclr", struct.pack(">HB", 1 << bits, 3) + b"\7\7\7" + palette.tobytes())
    header += box(b"cmap", b"".join(struct.pack(">HBB", 0, 1, column) for column in range(3)))
    start = box(b"jP  ", b"\r\n\x87\n") + box(b"ftyp", b"jp2 \0\0\0\0jp2 ")
    data = start + box(b"jp2h", header) + box(b"jp2c", stream)
    assert error(data, palette[indices]) == 0


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")
@pytest.mark.parametrize("bits", [8, 10, 12])
@pytest.mark.parametrize("layout", SAMPLES)
def test_avif(layout: str, bits: int) -> None:
    samples = deep(np.squeeze(SAMPLES[layout]), bits)
    data = codecs.avif_encode(samples, level=90, bitspersample=bits)
    assert error(data, SAMPLES[layout]) < LOSSY
    assert error(data, widened(np.atleast_3d(codecs.avif_decode(data)), bits)) < 1


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")
@pytest.mark.parametrize("subsampling", ["444", "422", "420", "400"])
def test_avif_subsampled(subsampling: str) -> None:
    data = codecs.avif_encode(COLOUR, level=90, pixelformat=subsampling)
    assert error(data, np.atleast_3d(codecs.avif_decode(data))) < 1
