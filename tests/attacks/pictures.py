"""A few good images of every format that is read."""

import io
from typing import Any

import numpy as np
from PIL import Image

from tests.embedding.pictures import detailed, encoded, png_of, textured, turned

_SMALL, _LARGE = textured(), detailed(200, 150)
_ALPHA = _SMALL.convert("RGBA")
_ALPHA.putalpha(_SMALL.convert("L"))
_PALETTE = _SMALL.quantize(32)
_RANDOM = np.random.default_rng(0)


def _of(image_format: str, *options: dict[str, Any]) -> list[bytes]:
    files = [encoded(_SMALL, image_format, **one) for one in options or ({},)]
    return [*files, encoded(_LARGE, image_format, **(options or ({},))[0])]


def _pngs() -> list[bytes]:
    deep = _RANDOM.integers(0, 2**16, (12, 10, 3), dtype=np.uint16)
    return [
        encoded(_ALPHA, "PNG"),
        encoded(_PALETTE, "PNG", transparency=3),
        encoded(_SMALL.convert("1"), "PNG"),
        encoded(Image.fromarray(deep[..., 0]), "PNG"),
        png_of(deep, 16, 2, interlaced=True),
        png_of(deep >> 8, 8, 2, interlaced=True),
        png_of(deep[..., :1] >> 14, 2, 0),
        turned(6, "PNG"),
    ]


def _tiffs() -> list[bytes]:
    floats = Image.fromarray(_RANDOM.random((12, 10), dtype=np.float32))
    deep = Image.fromarray(_RANDOM.integers(0, 2**16, (12, 10), dtype=np.uint16))
    names = ["raw", "tiff_lzw", "tiff_deflate", "packbits", "jpeg", "tiff_adobe_deflate"]
    return [
        *(encoded(_SMALL, "TIFF", compression=name) for name in names),
        encoded(_SMALL.convert("1"), "TIFF", compression="group4"),
        encoded(_PALETTE, "TIFF", compression="tiff_lzw"),
        encoded(floats, "TIFF"),
        encoded(deep, "TIFF", compression="tiff_lzw"),
        encoded(_ALPHA, "TIFF"),
        encoded(_SMALL, "TIFF", save_all=True, append_images=[_SMALL]),
    ]


def _frames(image_format: str, **options: Any) -> bytes:
    return encoded(_SMALL, image_format, save_all=True, append_images=[_LARGE.resize((40, 30))],
                   **options)  # fmt: skip


def _heif() -> list[bytes]:
    try:
        import pillow_heif
    except ImportError:
        return []
    made = []
    for image in (_SMALL, _ALPHA):
        buffer = io.BytesIO()
        pillow_heif.from_pillow(image).save(buffer, quality=50)
        made.append(buffer.getvalue())
    return made


def _tgas() -> list[bytes]:
    modes = [_SMALL, _ALPHA, _PALETTE, _SMALL.convert("L")]
    return [encoded(image, "TGA", **rle) for image in modes for rle in ({}, {"compression": "tga_rle"})]  # fmt: skip  # noqa: E501


def _ppms() -> list[bytes]:
    plain = b"P3\n# made by hand\n4 2\n255\n" + b"\n".join(b"%d 2 3" % i for i in range(8))
    return [
        *(encoded(_SMALL.convert(mode), "PPM") for mode in ("RGB", "L", "1")),
        plain,
        b"P2 3 2 65535\n" + b" ".join(b"%d" % (i * 9999) for i in range(6)),
        b"P1\n4 2\n0 1 0 1\n1010\n",
        b"P6 4 2 65535\n" + bytes(range(48)),
    ]


PICTURES: dict[str, list[bytes]] = {
    "jpeg": [
        *_of("JPEG", {}, {"progressive": True}, {"subsampling": 0, "quality": 100}),
        encoded(_SMALL.convert("CMYK"), "JPEG"),
        encoded(_SMALL.convert("L"), "JPEG"),
        turned(5, "JPEG"),
    ],
    "png": _pngs(),
    "apng": [_frames("PNG")],
    "tiff": _tiffs(),
    "webp": [*_of("WEBP", {}, {"lossless": True}), encoded(_ALPHA, "WEBP"), _frames("WEBP")],
    "gif": [encoded(_PALETTE, "GIF"), _frames("GIF"), encoded(_SMALL, "GIF", interlace=1)],
    "bmp": [encoded(image, "BMP") for image in (_SMALL, _PALETTE, _SMALL.convert("1"), _ALPHA)],
    "jpeg2000": [
        *_of("JPEG2000", {}, {"irreversible": True}, {"no_jp2": True}),
        encoded(_ALPHA, "JPEG2000"),
        encoded(_SMALL.convert("L"), "JPEG2000", tile_size=(16, 16)),
    ],
    "ppm": _ppms(),
    "tga": _tgas(),
    "avif": [*_of("AVIF", {"quality": 40}), encoded(_ALPHA, "AVIF")],
    "heic": _heif(),
}
PICTURES = {name: files for name, files in PICTURES.items() if files}
