"""Images to the pixels that an image tower reads, as transformers' Pillow processors make them.

The first steps are done here, with Pillow: they turn a whole photo into an array and back several
times for it, and hold the lock of the interpreter meanwhile. The others are looked up, a level at a
time. The result is the same bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from PIL.Image import Image, fromarray, new

from cupl.encoders.hub import first_line
from cupl.errors import InputError

_MAX_ASPECT = 100
_MAX_ENLARGED = 10
"""How many times the side of a model its images may be resized to, before they are cropped."""
_Numbers: TypeAlias = tuple[float, ...] | float | None
_OF_EFFICIENTNET = ("rescale_offset", "include_top")
"""What its processor has beside the settings of all."""
_EDGES = ("shortest_edge", "height", "width")


def prepare(image: Image, processor: Any) -> torch.Tensor:
    """An upright RGB image, resized, cropped, scaled and normalised: float32 ``[3, side, side]``.

    Args:
        image: any size; of an extreme strip only the middle is enlarged where the rest is cropped.
        processor: one of transformers' with the Pillow backend.

    """
    small = _crop(_resize(image, processor), processor)
    kind: Any = type(processor)
    more = tuple((key, getattr(processor, key)) for key in _OF_EFFICIENTNET if hasattr(kind, key))
    levels = _levels(
        kind, bool(processor.do_rescale), processor.rescale_factor, bool(processor.do_normalize),
        _numbers(processor.image_mean), _numbers(processor.image_std), more,
    )  # fmt: skip
    pixels = np.empty((len(levels), small.height, small.width), np.float32)
    for channel, of_levels, band in zip(pixels, levels, small.split(), strict=True):
        np.take(of_levels, np.asarray(band), out=channel, mode="clip")
    return torch.from_numpy(pixels)


@lru_cache(maxsize=32)
def _levels(
    kind: Any,
    rescales: bool,
    factor: float,
    normalizes: bool,
    mean: _Numbers,
    std: _Numbers,
    more: tuple[tuple[str, Any], ...],
) -> npt.NDArray[np.float32]:
    """What a processor makes of each of the 256 levels of each channel, ``[3, 256]``.

    By the processor itself, so that it is the same bits, in a fifth of the time.
    """
    processor = kind(
        do_rescale=rescales, rescale_factor=factor, do_normalize=normalizes, **dict(more)
    )
    processor.image_mean, processor.image_std = mean, std
    ramp = np.broadcast_to(np.arange(256, dtype=np.uint8)[None, :, None], (1, 256, 3))
    done = {"do_resize": False, "do_center_crop": False, "do_pad": False}
    made = processor(images=fromarray(ramp.copy()), return_tensors="np", **done)["pixel_values"]
    return np.ascontiguousarray(made[0][:, 0], dtype=np.float32)


def _numbers(values: Any) -> _Numbers:
    return tuple(values) if isinstance(values, Sequence | np.ndarray) else values


def check_preprocessing(name: str, side: int, processor: Any) -> None:
    """Try it, since nothing in its file is checked when that is read.

    Args:
        name: of the model.
        side: of the squares that its image tower reads.
        processor: see :func:`prepare`.

    Raises:
        InputError: it makes something else, or nothing.

    """
    try:
        size = processor.crop_size if processor.do_center_crop else processor.size
        height, width = size.get("height"), size.get("width")
        if (height, width) != (side, side):
            raise InputError(
                f"the image preprocessing of {name} makes {height!r:.20} x {width!r:.20} pixels, "
                f"but its model reads {side} x {side}"
            )
        most = _MAX_ENLARGED * side
        if processor.do_resize and any((processor.size.get(edge) or 0) > most for edge in _EDGES):
            raise InputError(f"the image preprocessing of {name} enlarges images to no purpose")
        with np.errstate(all="ignore"):  # a deviation of zero
            pixels = prepare(new("RGB", (side + 8, 2 * side), "white"), processor)
        if pixels.shape != (3, side, side):
            raise InputError(
                f"the image preprocessing of {name} does not bring images to the {side} x {side} "
                "pixels that its model reads: set do_resize or do_center_crop"
            )
        if not pixels.isfinite().all():
            raise InputError(f"the image preprocessing of {name} gives no pixels of finite numbers")
    except InputError:
        raise
    except Exception as error:  # of whichever library, of settings that do not fit
        raise InputError(
            f"the image preprocessing of {name} cannot be used: {first_line(error)}"
        ) from error


def trim(image: Image) -> Image:
    """Cut an extreme strip to its middle, all that a centre crop keeps of it.

    Otherwise one row of 65,000 pixels would be enlarged to some 10 GB first.
    """
    width, height = image.size
    longest = _MAX_ASPECT * min(width, height)
    left, top = max(0, (width - longest) // 2), max(0, (height - longest) // 2)
    if left == top == 0:
        return image
    return image.crop((left, top, width - left, height - top))


def _resize(image: Image, processor: Any) -> Image:
    if not processor.do_resize:
        return image
    side = processor.size.get("shortest_edge")
    if side is None:  # to a square, whatever the shape was
        size = (processor.size["width"], processor.size["height"])
        return image.resize(size, processor.resample)
    image = trim(image)
    width, height = image.size
    short, long = side, int(side * max(width, height) / min(width, height))
    size = (short, long) if width <= height else (long, short)
    return image.resize(size, processor.resample)


def _crop(image: Image, processor: Any) -> Image:
    """The middle; what lies outside the image is black."""
    if not processor.do_center_crop:
        return image
    width, height = processor.crop_size["width"], processor.crop_size["height"]
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))
