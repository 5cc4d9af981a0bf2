"""HEIC and raw files of cameras, with the extra ``formats`` and without."""

import io
import sys
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cupl.embedding.images import open_image
from tests.embedding.pictures import detailed, encoded, pixels, quarters, reason, tiff

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


def test_no_opener_is_registered() -> None:
    heic(quarters().resize((96, 64)))
    before = dict(Image.OPEN)
    open_image(heic(quarters().resize((96, 64))))
    assert before == Image.OPEN
    assert open_image(encoded(quarters(), "PNG")).size == (12, 8)


def test_a_damaged_raw_file_is_refused() -> None:
    pytest.importorskip("rawpy")
    assert "damaged" in reason(DNG)
    assert "damaged" in reason(b"FUJIFILMCCD-RAW 0201" + bytes(500))
