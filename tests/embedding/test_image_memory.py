import contextlib
import io
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cupl.embedding import images
from cupl.embedding.image_errors import ImageError
from cupl.embedding.image_memory import ByteBudget, bytes_to_decode
from cupl.embedding.image_stream import encode_sources
from cupl.embedding.images import open_image
from tests.embedding.pictures import encoded, png, reason, textured
from tests.models import HandMadeEncoder


class CountingBudget(ByteBudget):
    """Says what was reserved at each moment that something changed."""

    def __init__(self, total: int) -> None:
        super().__init__(total)
        self.total = total

    @property
    def free(self) -> int:
        return self._free


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 25), max_size=30), st.integers(1, 4))
def test_no_more_than_there_is_is_reserved_and_all_comes_back(
    numbers: list[int], workers: int
) -> None:
    budget, held, seen = CountingBudget(20), threading.Lock(), [0]
    now = 0

    def use(number: int) -> None:
        nonlocal now
        with budget.reserved(number):
            with held:
                now += min(number, 20)
                seen.append(now)
            with held:
                now -= min(number, 20)

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(use, numbers))
    assert max(seen) <= 20
    assert budget.free == 20


def test_a_large_one_waits_for_the_others() -> None:
    budget, entered = CountingBudget(10), threading.Event()

    def large() -> None:
        with budget.reserved(1000):
            entered.set()

    with ThreadPoolExecutor(1) as pool:
        with budget.reserved(1):
            waiting = pool.submit(large)
            assert not entered.is_set()
            assert budget.free == 9
        waiting.result(10)
    assert entered.is_set()


def test_what_fails_gives_its_bytes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    budget = CountingBudget(10_000_000)
    monkeypatch.setattr(images, "DECODING", budget)
    whole = encoded(textured(), "PNG")
    for data in (whole[: len(whole) // 2], png(12000, 9000, 8, 2, b""), b"", whole):
        with contextlib.suppress(ImageError):
            open_image(data)
        assert budget.free == budget.total


def test_a_picture_is_counted_until_it_is_prepared(monkeypatch: pytest.MonkeyPatch) -> None:
    budget = CountingBudget(40 * 30 * 12 + 100)
    monkeypatch.setattr(images, "DECODING", budget)
    free = []

    class Encoder(HandMadeEncoder):
        def prepare(self, image: Image.Image) -> torch.Tensor:
            free.append(budget.free)
            return super().prepare(image)

    encoder = Encoder({}, {})
    list(encode_sources([encoded(textured(40, 30), "PNG")] * 9, encoder, workers=4))
    assert free == [100] * 9
    assert budget.free == budget.total


@pytest.mark.parametrize(
    ("mode", "image_format", "bytes_a_pixel"),
    [("L", "PNG", 9), ("I;16", "PNG", 10), ("RGB", "TIFF", 12), ("F", "TIFF", 12),
     ("RGB", "WEBP", 20), ("RGB", "JPEG2000", 24)],
)  # fmt: skip
def test_what_an_image_takes_is_told_by_its_header(
    mode: str, image_format: str, bytes_a_pixel: int
) -> None:
    source = Image.fromarray(np.zeros((30, 40), np.uint16)) if mode == "I;16" else None
    image = source or Image.new(mode, (40, 30))
    opened = Image.open(io.BytesIO(encoded(image, image_format)))
    assert bytes_to_decode(opened) == 40 * 30 * bytes_a_pixel


def opened_images() -> list[Image.Image | bytes]:
    random = np.random.default_rng(0)
    grey = random.integers(0, 2**16, (23, 17), np.uint16)
    half = textured(17, 23)
    half.putalpha(Image.fromarray(random.integers(0, 256, (23, 17), np.uint8)))
    return [
        Image.fromarray(grey),
        Image.fromarray(grey.astype(np.int32) * 30_000),
        Image.fromarray(grey.astype(np.int32) - 40_000),
        Image.fromarray(grey.astype(np.float32)),
        half,
        half.convert("LA"),
        half.quantize(20),
        encoded(half, "PNG"),
        encoded(half.convert("P"), "PNG", transparency=3),
    ]


@pytest.mark.parametrize("strip", [1, 17, 50, 100, 391])
def test_working_on_some_rows_at_a_time_changes_no_pixel(
    strip: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    array = np.random.default_rng(1).random((23, 17, 3))
    sources = [*opened_images(), array, (array * 65535).astype(np.uint16)]
    whole = [np.asarray(open_image(source)) for source in sources]
    monkeypatch.setattr("cupl.embedding.image_pixels._STRIP", strip)
    for source, expected in zip(sources, whole, strict=True):
        assert np.array_equal(np.asarray(open_image(source)), expected)


def test_deep_grey_is_looked_up() -> None:
    """Of more pixels than there are values, each value is scaled once."""
    values = np.arange(2**16, dtype=np.uint16).repeat(2).reshape(2**9, 2**8)
    found = np.asarray(open_image(values))[..., 0]
    assert np.array_equal(found, np.rint(values / 257).astype(np.uint8))
    swapped = Image.frombytes("I;16B", values.shape[::-1], values.astype(">u2").tobytes())
    assert np.array_equal(np.asarray(open_image(swapped))[..., 0], found)


@pytest.mark.parametrize(
    ("image_format", "mode", "bytes_a_pixel"),
    [("WEBP", "RGB", 16), ("WEBP", "RGBA", 16), ("AVIF", "RGBA", 12), ("JPEG2000", "RGB", 19),
     ("JPEG2000", "RGBA", 24), ("JPEG2000", "L", 9), ("PNG", "RGBA", 0), ("TIFF", "RGB", 0)],
)  # fmt: skip
def test_what_its_decoder_cannot_decode_in_the_memory_there_is(
    image_format: str, mode: str, bytes_a_pixel: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = encoded(textured(40, 30).convert(mode), image_format)
    monkeypatch.setattr(images, "MAX_BYTES", 40 * 30 * bytes_a_pixel)
    assert open_image(data, side=224).size == (40, 30)
    if bytes_a_pixel:
        monkeypatch.setattr(images, "MAX_BYTES", 40 * 30 * bytes_a_pixel - 1)
        said = reason(data, side=224)
        assert said.startswith(f"decoding 40 x 30 pixels of {image_format} takes ")
        assert said.endswith(": save it as JPEG or PNG, or smaller")
