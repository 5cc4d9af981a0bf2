"""Images to the pixels that an image tower of open_clip reads, by Pillow, without torchvision.

The steps are those of open_clip's own transform, in its order and its roundings, so that the
pixels are the same bits. An image more than a hundred times as long as wide is cut to its middle
first where the rest of it would be cropped.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL.Image import Image, Resampling, new

from cupl.encoders.preprocess import trim
from cupl.errors import InputError

_OPENAI_MEAN = (0.48145466, 0.4578275, 0.40821073)
_OPENAI_STD = (0.26862954, 0.26130258, 0.27577711)
_MODES = ("shortest", "longest", "squash")
_INTERPOLATIONS = {
    "bicubic": Resampling.BICUBIC,
    "bilinear": Resampling.BILINEAR,
    "random": Resampling.BICUBIC,  # of training; open_clip infers with this one
}


@dataclass(frozen=True)
class OpenClipPreprocessing:
    """How open_clip prepares an image for one model.

    Attributes:
        height: of the pixels.
        width: of the pixels.
        mean: of each channel, taken off after the pixels were divided by 255.
        std: of each channel, divided by.
        interpolation: of the resizing; a number of Pillow's.
        mode: ``shortest``: so that the image covers the pixels, and its middle is cropped;
            ``longest``: so that it lies within them, filled up; ``squash``: to their shape.
        fill: brightness of what is filled up.

    """

    height: int
    width: int
    mean: tuple[float, ...] = _OPENAI_MEAN
    std: tuple[float, ...] = _OPENAI_STD
    interpolation: int = Resampling.BICUBIC
    mode: str = "shortest"
    fill: int = 0

    @classmethod
    def read(
        cls, name: str, size: tuple[int, int], config: Mapping[str, Any]
    ) -> OpenClipPreprocessing:
        """The preprocessing that a configuration describes.

        Args:
            name: of the model.
            size: height and width that the image tower reads.
            config: ``preprocess_cfg``; what it lacks is as for OpenAI's models.

        Raises:
            InputError: it says what cannot be done.

        """
        interpolation = config.get("interpolation") or "bicubic"
        mode = config.get("resize_mode") or "shortest"
        fill = config.get("fill_color") or 0
        known = isinstance(interpolation, str) and interpolation in _INTERPOLATIONS
        if not known or mode not in _MODES:
            problem = f"resizes by {interpolation!r:.40} and {mode!r:.40}, which are not known"
        elif not isinstance(fill, int) or not 0 <= fill <= 255:
            problem = f"fills up with {fill!r:.40}, which is no brightness"
        else:
            mean = _channels(config.get("mean"), _OPENAI_MEAN)
            std = _channels(config.get("std"), _OPENAI_STD)
            if mean is not None and std is not None and all(std):
                return cls(*size, mean, std, _INTERPOLATIONS[interpolation], mode, fill)
            problem = "has no mean and deviation of three channels"
        raise InputError(f"the image preprocessing of {name} cannot be used: it {problem}")

    def prepare(self, image: Image) -> torch.Tensor:
        """An upright RGB image of any size to float32 ``[3, height, width]``."""
        pixels = np.asarray(self._cropped(self._resized(image)))
        values = torch.from_numpy(pixels.transpose(2, 0, 1).copy()).float().div_(255)
        mean, std = (torch.tensor(channels)[:, None, None] for channels in (self.mean, self.std))
        return values.sub_(mean).div_(std)

    def _resized(self, image: Image) -> Image:
        target, interpolation = (self.width, self.height), self.interpolation
        if self.mode == "squash":
            return image.resize(target, interpolation)
        if self.mode == "shortest":
            image = trim(image)
        width, height = image.size
        if self.mode == "shortest" and self.width == self.height:
            longer = int(self.width * max(width, height) / min(width, height))
            size = (self.width, longer) if width <= height else (longer, self.width)
            return image.resize(size, interpolation)
        ratios = (width / self.width, height / self.height)
        ratio = max(ratios) if self.mode == "longest" else min(ratios)
        if self.mode == "shortest":
            interpolation = Resampling.BICUBIC  # for pixels that are no square, open_clip's only
        size = (max(1, round(width / ratio)), max(1, round(height / ratio)))
        return image.resize(size, interpolation)

    def _cropped(self, image: Image) -> Image:
        """The middle, filled up where it is smaller."""
        if image.size == (self.width, self.height):
            return image
        width, height = max(image.width, self.width), max(image.height, self.height)
        if image.size != (width, height):
            filled = new("RGB", (width, height), (self.fill,) * 3)
            filled.paste(image, ((width - image.width) // 2, (height - image.height) // 2))
            image = filled
        left, top = round((width - self.width) / 2), round((height - self.height) / 2)
        return image.crop((left, top, left + self.width, top + self.height))


def _channels(value: Any, default: tuple[float, ...]) -> tuple[float, ...] | None:
    """Three numbers, of which one may stand for all; None if they are something else."""
    values = value if isinstance(value, Sequence) else [value or None] * 3
    if len(values) != 3 or isinstance(values, str):
        return None
    if values[0] is None:
        return default
    if not all(isinstance(one, int | float) and math.isfinite(one) for one in values):
        return None
    return tuple(map(float, values))
