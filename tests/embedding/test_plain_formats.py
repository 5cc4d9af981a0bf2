"""BMP, TGA and PPM: what their headers say of depth, order and alpha."""

import struct
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from cupl.embedding.images import open_image
from tests.embedding.pictures import detailed, encoded, pixels, reason

pytestmark = pytest.mark.usefixtures("no_warning_leaks")

Array = npt.NDArray[Any]
COLOUR: Array = np.asarray(detailed(37, 29))
GREY: Array = COLOUR[..., 1]
BGR: Array = COLOUR[..., ::-1]
BGRA: Array = np.dstack([BGR, np.full_like(GREY, 77)])
OVER_WHITE: Array = COLOUR * (77 / 255) + 255 - 77


def farthest(data: bytes, expected: Array) -> float:
    values = np.broadcast_to(np.atleast_3d(expected).astype(float), COLOUR.shape)
    return float(np.abs(pixels(open_image(data)) - values).max())


def of_fewer_bits(bits: tuple[int, int, int]) -> tuple[Array, Array]:
    """Pixels of 16 bits, and the colours that they are."""
    packed: Array = np.zeros(GREY.shape, np.uint16)
    shown = np.zeros(COLOUR.shape)
    for channel, depth in enumerate(bits):
        level = COLOUR[..., channel].astype(np.uint16) >> (8 - depth)
        packed = packed << depth | level
        shown[..., channel] = level / ((1 << depth) - 1) * 255
    return packed, shown


@pytest.mark.parametrize("white", [1, 2, 15, 100, 254, 255, 256, 1023, 4095, 65534, 65535])
@pytest.mark.parametrize("plain", [False, True])
def test_ppm_of_any_white(white: int, plain: bool) -> None:
    for magic, samples in ((5, GREY), (6, COLOUR)):
        values = np.rint(samples / 255 * white).astype(int)
        head = f"P{magic - 3 * plain}\n37 29\n{white}\n".encode()
        body = values.astype("u1" if white < 256 else ">u2").tobytes()
        text = "\n".join(map(str, values.ravel())).encode()
        assert farthest(head + (text if plain else body), values / white * 255) <= 0.5


@pytest.mark.parametrize("head", [b"P5 37 29 1023\n", b"P5 37 29 9\n", b"P6 37 29 65535\n"])
def test_ppm_of_another_white_is_not_scaled_in_python(
    head: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def decode(decoder: object, data: bytes) -> None:
        raise AssertionError("sample by sample")

    monkeypatch.setattr("PIL.PpmImagePlugin.PpmDecoder.decode", decode)
    samples = b"\xff" * (37 * 29 * (1 + (b"9\n" not in head)) * (1 + 2 * (b"P6" in head)))
    assert farthest(head + samples, np.array(255)) == 0  # beyond white is white
    assert "damaged" in reason(head + samples[:-1])


@pytest.mark.parametrize("order", "<>")
def test_pfm_is_stored_from_the_bottom(order: str) -> None:
    values = (GREY[::-1] / 255).astype(order + "f4")
    head = f"Pf\n37 29\n{-1 if order == '<' else 1}\n".encode()
    assert farthest(head + values.tobytes(), GREY) == 0


def tga(kind: int, bits: int, descriptor: int, data: bytes) -> bytes:
    header = struct.pack("<BBB5xHHHHBB", 0, 0, kind, 0, 0, 37, 29, bits, descriptor)
    return header + data + bytes(8) + b"TRUEVISION-XFILE.\0"


@pytest.mark.parametrize(
    ("descriptor", "down", "right"), [(0x20, 1, 1), (0, -1, 1), (0x30, 1, -1), (0x10, -1, -1)]
)
def test_tga_begins_at_any_corner(descriptor: int, down: int, right: int) -> None:
    stored = BGR[::down, ::right]
    assert farthest(tga(2, 24, descriptor, stored.tobytes()), COLOUR) == 0
    assert farthest(tga(3, 8, descriptor, stored[..., 1].tobytes()), GREY) == 0


@pytest.mark.parametrize("alpha", [0, 77, 255])
def test_tga_has_alpha_only_where_its_header_says_so(alpha: int) -> None:
    stored = np.dstack([BGR, np.full_like(GREY, alpha)]).tobytes()
    shown = COLOUR * (alpha / 255) + 255 - alpha
    assert farthest(tga(2, 32, 0x28, stored), shown) <= 0.5
    assert farthest(tga(2, 32, 0x20, stored), COLOUR) == 0


def test_tga_of_sixteen_bits() -> None:
    packed, shown = of_fewer_bits((5, 5, 5))
    assert farthest(tga(2, 16, 0x20, packed.astype("<u2").tobytes()), shown) <= 1


@pytest.mark.parametrize("options", [{}, {"compression": "tga_rle"}])
@pytest.mark.parametrize("mode", ["L", "RGB", "P", "RGBA"])
def test_tga_that_pillow_writes(mode: str, options: dict[str, Any]) -> None:
    image = detailed(37, 29).convert(mode)
    shown = np.asarray(image.convert("RGB"))
    assert farthest(encoded(image, "TGA", **options), shown) == 0


def bmp(
    bits: int, data: bytes, *, compression: int = 0, masks: tuple[int, ...] = (), header: int = 40,
    palette: bytes = b"",
) -> bytes:  # fmt: skip
    """With its first row at the top."""
    after = struct.pack(f"<{len(masks)}I", *masks)
    after = after.ljust(header - 40, b"\0") + palette
    start = 14 + 40 + len(after)
    info = struct.pack(
        "<IiiHHIIiiII", header, 37, -29, 1, bits, compression, len(data), 2835, 2835,
        len(palette) // 4, 0,
    )  # fmt: skip
    return b"BM" + struct.pack("<IHHI", start + len(data), 0, 0, start) + info + after + data


def padded(rows: Array) -> bytes:
    return b"".join(row.tobytes() + bytes(-row.nbytes % 4) for row in rows)


@pytest.mark.parametrize("bits", [1, 4, 8])
def test_bmp_with_a_palette(bits: int) -> None:
    random = np.random.default_rng(bits)
    palette = random.integers(0, 256, (1 << bits, 4), np.uint8)
    indices = random.integers(0, 1 << bits, GREY.shape)
    digits = (indices[..., None] >> np.arange(bits)[::-1] & 1).reshape(29, -1).astype(np.uint8)
    data = bmp(bits, padded(np.packbits(digits, axis=1)), palette=palette.tobytes())
    assert farthest(data, palette[indices, 2::-1]) == 0


def test_bmp_of_few_and_many_bits() -> None:
    assert farthest(bmp(24, padded(BGR.reshape(29, -1))), COLOUR) == 0
    packed, shown = of_fewer_bits((5, 5, 5))
    assert farthest(bmp(16, padded(packed.astype("<u2"))), shown) <= 1
    packed, shown = of_fewer_bits((5, 6, 5))
    data = bmp(16, padded(packed.astype("<u2")), compression=3, masks=(0xF800, 0x7E0, 0x1F))
    assert farthest(data, shown) <= 1


@pytest.mark.parametrize("header", [108, 124])
def test_bmp_has_alpha_only_where_its_header_has_a_mask(header: int) -> None:
    stored, masks = BGRA.tobytes(), (0xFF0000, 0xFF00, 0xFF)
    seen = bmp(32, stored, compression=3, masks=(*masks, 0xFF000000), header=header)
    assert farthest(seen, OVER_WHITE) <= 0.5
    for plain in (
        bmp(32, stored),
        bmp(32, stored, compression=3, masks=(*masks, 0), header=header),
    ):
        assert farthest(plain, COLOUR) == 0
