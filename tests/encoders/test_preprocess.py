from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image
from transformers import CLIPImageProcessorPil, SiglipImageProcessorPil

from cupl.encoders.preprocess import prepare

SMALL: Any = {
    "size": {"shortest_edge": 24},
    "crop_size": {"height": 20, "width": 16},
}
PROCESSORS: list[Any] = [
    CLIPImageProcessorPil(),
    CLIPImageProcessorPil(**SMALL, resample=Image.Resampling.BILINEAR),
    CLIPImageProcessorPil(**SMALL, rescale_factor=1 / 127.5, image_mean=[0.1, 0.2, 0.3]),
    # Smaller than what is cut out of it: the rest is black.
    CLIPImageProcessorPil(size={"shortest_edge": 12}, crop_size={"height": 21, "width": 21}),
    CLIPImageProcessorPil(size={"height": 30, "width": 20}, do_center_crop=False),
    CLIPImageProcessorPil(do_resize=False, crop_size={"height": 16, "width": 16}),
    SiglipImageProcessorPil(size={"height": 20, "width": 20}),
]


def noise(width: int, height: int) -> Image.Image:
    values = np.random.default_rng(width * 1000 + height).integers(0, 256, (height, width, 3))
    return Image.fromarray(values.astype(np.uint8))


@pytest.mark.parametrize("processor", PROCESSORS)
@settings(max_examples=25, deadline=None)
@given(width=st.integers(1, 90), height=st.integers(1, 90))
@example(width=90, height=1)
@example(width=37, height=38)
def test_pixels_are_those_of_transformers(processor: Any, width: int, height: int) -> None:
    image = noise(width, height)
    expected = processor(images=image, return_tensors="pt")["pixel_values"][0]
    pixels = prepare(image, processor)
    assert pixels.dtype == torch.float32
    assert torch.equal(pixels, expected)


def test_a_long_strip_is_not_enlarged_as_a_whole() -> None:
    strip = Image.new("RGB", (60_000, 1), "red")
    strip.paste((0, 0, 255), (29_940, 0, 30_060, 1))
    blue = prepare(Image.new("RGB", (10, 10), "blue"), PROCESSORS[0])
    assert torch.equal(prepare(strip, PROCESSORS[0]), blue)
