"""Each layout of TIFF comes back as the picture it holds, or is refused by name."""

import io
import itertools
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from cupl.embedding.image_errors import ImageError
from cupl.embedding.images import open_image
from tests.embedding.pictures import detailed, pixels, reason

tifffile = pytest.importorskip("tifffile")
pytestmark = pytest.mark.usefixtures("no_warning_leaks")

Values = npt.NDArray[np.float64]
COLOUR: Values = np.asarray(detailed(50, 40), np.float64) / 255
GREY = COLOUR[..., 1]
ALPHA: Values = np.tile(np.linspace(0, 1, GREY.shape[1]), (len(GREY), 1))
GREY_RGB = np.dstack([GREY] * 3)
UNASSOCIATED, ASSOCIATED, UNSPECIFIED = 2, 1, 0


def over_white(colour: Values) -> Values:
    return np.asarray(colour * ALPHA[..., None] + 1 - ALPHA[..., None], np.float64)


LAYOUTS: dict[str, tuple[Values, str, list[int], Values]] = {
    "grey": (GREY, "minisblack", [], GREY_RGB),
    "white": (1 - GREY, "miniswhite", [], GREY_RGB),
    "grey alpha": (
        np.dstack([GREY, ALPHA]), "minisblack", [UNASSOCIATED], over_white(GREY_RGB)
    ),
    "grey and more": (np.dstack([GREY, ALPHA]), "minisblack", [UNSPECIFIED], GREY_RGB),
    "bands": (COLOUR, "minisblack", [UNSPECIFIED] * 2, COLOUR),
    "rgb": (COLOUR, "rgb", [], COLOUR),
    "rgba": (np.dstack([COLOUR, ALPHA]), "rgb", [UNASSOCIATED], over_white(COLOUR)),
    "premultiplied": (
        np.dstack([COLOUR * ALPHA[..., None], ALPHA]), "rgb", [ASSOCIATED], over_white(COLOUR)
    ),
    "rgb and more": (np.dstack([COLOUR, ALPHA]), "rgb", [UNSPECIFIED], COLOUR),
    "rgba and more": (
        np.dstack([COLOUR, ALPHA, ALPHA]), "rgb", [UNASSOCIATED, UNSPECIFIED], over_white(COLOUR)
    ),
    "cmyk": (
        np.dstack([1 - COLOUR, ALPHA]), "separated", [], COLOUR * (1 - ALPHA[..., None])
    ),
}  # fmt: skip
ALWAYS_READ = [
    *itertools.product(["rgb", "rgba", "cmyk"], ["u1", "u2"], ["contig", "separate"]),
    *itertools.product(["grey"], ["u1", "u2", "f4"], ["contig"]),
]


def stored(layout: str, dtype: str, planes: str, **options: Any) -> bytes:
    values, photometric, extra, _ = LAYOUTS[layout]
    array = values * (np.iinfo(dtype).max if dtype[0] in "ui" else 1)
    array = (np.rint(array) if dtype[0] in "ui" else array).astype(dtype)
    if array.ndim == 3:
        options["planarconfig"] = planes
        array = np.moveaxis(array, 2, 0) if planes == "separate" else array
    file = io.BytesIO()
    tifffile.imwrite(file, array, photometric=photometric, extrasamples=extra or None, **options)
    return file.getvalue()


def image_or_reason(data: bytes) -> Image.Image | str:
    try:
        return open_image(data)
    except ImageError as error:
        return str(error)


@pytest.mark.parametrize("planes", ["contig", "separate"])
@pytest.mark.parametrize("dtype", ["u1", "u2", "u4", "i1", "i2", "f2", "f4", "f8"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_is_read_right_or_refused(layout: str, dtype: str, planes: str) -> None:
    expected = LAYOUTS[layout][-1] * 255
    places: tuple[dict[str, Any], ...] = ({}, {"rowsperstrip": 7}, {"tile": (16, 32)})
    for order, compression, place in itertools.product("<>", (None, "zlib"), places):
        data = stored(layout, dtype, planes, byteorder=order, compression=compression, **place)
        found = image_or_reason(data)
        if isinstance(found, str):
            assert "convert it to RGB of 8 bits" in found
            assert (layout, dtype, planes) not in ALWAYS_READ
            continue
        error = np.abs(pixels(found) - expected).mean()
        # Integers of 32 bits have no white of their own: they are scaled by what they hold.
        assert error < (12 if dtype in {"u4", "i4"} else 1.5), (order, compression, place)


@pytest.mark.parametrize("dtype", ["u1", "u2"])
@pytest.mark.parametrize("layout", ["rgb", "rgba", "grey"])
def test_a_predictor_is_undone(layout: str, dtype: str) -> None:
    for order, planes in itertools.product("<>", ("contig", "separate")):
        data = stored(layout, dtype, planes, byteorder=order, compression="zlib", predictor=True)
        assert np.abs(pixels(open_image(data)) - LAYOUTS[layout][-1] * 255).mean() < 1


def test_what_is_refused_is_named() -> None:
    message = reason(stored("rgb", "f4", "contig"))
    assert "3 floating-point samples of 32 bits" in message
    assert "convert" in message
    assert "planes apart" in reason(stored("grey alpha", "u1", "separate"))
    assert "1 signed sample of 8 bits" in reason(stored("grey", "i1", "contig"))
    assert "64 bits" in reason(stored("grey", "f8", "contig", bigtiff=True))
