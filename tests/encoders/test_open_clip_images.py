from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cupl.encoders.open_clip_images import OpenClipPreprocessing
from cupl.encoders.open_clip_names import import_open_clip
from cupl.errors import InputError
from tests.models import draw

open_clip = import_open_clip()
from open_clip.transform import PreprocessCfg, image_transform_v2, merge_preprocess_dict  # noqa: E402


def _transform(config: dict[str, Any], size: object) -> Any:
    merged = merge_preprocess_dict(PreprocessCfg(), {**config, "size": size})
    return image_transform_v2(PreprocessCfg(**merged), is_train=False)


def test_all_published_models_get_open_clips_pixels() -> None:
    seen = set()
    images = [draw(500, 375), draw(37, 51, 1)]
    for architecture, tag in open_clip.list_pretrained():
        side = open_clip.get_model_config(architecture)["vision_cfg"]["image_size"]
        config = open_clip.get_pretrained_cfg(architecture, tag)
        ours = OpenClipPreprocessing.read("model", (side, side), config)
        if ours in seen:
            continue
        seen.add(ours)
        transform = _transform(config, side)
        for image in images:
            assert torch.equal(ours.prepare(image), transform(image))
    assert len(seen) > 20


@given(
    st.integers(1, 200), st.integers(1, 200), st.integers(1, 40), st.integers(1, 40),
    st.sampled_from(["shortest", "longest", "squash"]), st.sampled_from(["bicubic", "bilinear"]),
    st.integers(0, 255),
)  # fmt: skip
@settings(deadline=None, max_examples=150)
def test_any_shape_gets_open_clips_pixels(
    width: int, height: int, high: int, wide: int, mode: str, interpolation: str, fill: int
) -> None:
    config = {"resize_mode": mode, "interpolation": interpolation, "fill_color": fill}
    ours = OpenClipPreprocessing.read("model", (high, wide), config)
    if max(width, height) > 100 * min(width, height):
        return  # an extreme strip is cut first
    image = draw(width, height)
    try:
        theirs = _transform(config, (high, wide))(image)
    except ValueError:  # of a side of no pixels
        assert ours.prepare(image).shape == (3, high, wide)
        return
    assert torch.equal(ours.prepare(image), theirs)


def test_what_a_configuration_lacks_is_openais() -> None:
    read = OpenClipPreprocessing.read("model", (8, 8), {})
    assert read == OpenClipPreprocessing(8, 8)
    image = draw(20, 10)
    assert torch.equal(read.prepare(image), _transform({}, 8)(image))
    assert OpenClipPreprocessing.read("model", (8, 8), {"mean": 0.5}).mean == (0.5,) * 3


def test_an_extreme_strip_is_cut_before_it_is_enlarged() -> None:
    strip = draw(30_000, 1)
    pixels = OpenClipPreprocessing(224, 224).prepare(strip)
    assert pixels.shape == (3, 224, 224)
    longest = replace(OpenClipPreprocessing(224, 224), mode="longest")
    assert longest.prepare(strip).shape == (3, 224, 224)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"resize_mode": "tile"}, "'bicubic' and 'tile'"),
        ({"interpolation": "nearest"}, "'nearest'"),
        ({"interpolation": [[]]}, r"resizes by \[\[\]\]"),
        ({"interpolation": {"a": 1}}, "which are not known"),
        ({"resize_mode": ["shortest"]}, "which are not known"),
        ({"fill_color": [0, 0, 0]}, "no brightness"),
        ({"fill_color": "red"}, "'red', which is no brightness"),
        ({"fill_color": 300}, "no brightness"),
        ({"mean": [1, 2]}, "mean and deviation of three"),
        ({"std": [1, 0, 1]}, "mean and deviation of three"),
        ({"std": [1, float("nan"), 1]}, "mean and deviation of three"),
        ({"mean": "abc"}, "mean and deviation of three"),
        ({"mean": {"a": 1}}, "mean and deviation of three"),
    ],
)
def test_unusable_settings(config: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=f"preprocessing of model cannot be used.*{said}"):
        OpenClipPreprocessing.read("model", (8, 8), config)
