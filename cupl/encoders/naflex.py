"""SigLIP 2 models for images of any shape (NaFlex; Tschannen et al., arXiv 2502.14786)."""

from __future__ import annotations

from math import isqrt
from typing import Any, ClassVar

import numpy as np
import torch
from PIL.Image import Image, new
from transformers import Siglip2ImageProcessorPil, Siglip2Model
from transformers.models.siglip2.image_processing_pil_siglip2 import (
    get_image_size_for_max_num_patches,
)

from cupl.encoders.hub import first_line
from cupl.encoders.siglip import SiglipEncoder
from cupl.errors import InputError

_MAX_PATCHES = 4096
"""Published: 256, and up to 1,024 in their paper."""


class NaflexEncoder(SiglipEncoder):
    """A SigLIP 2 model that keeps the shape of an image.

    An image is scaled so that at most ``max_num_patches`` patches cover it, and is a sequence of
    these. :meth:`prepare` gives ``[max_num_patches, 3 * patch * patch + 2]``: a row for each
    patch, its pixels first, and then how many rows and columns of patches there are, which are 0
    where a row is padding.
    """

    kind: ClassVar = "siglip2"
    family: ClassVar = "SigLIP 2 (NaFlex)"
    model_class: ClassVar = Siglip2Model
    processor_class: ClassVar = Siglip2ImageProcessorPil

    def prepare(self, image: Image) -> torch.Tensor:
        """Patches of an image, float32 ``[patches, 3 * patch * patch + 2]``; see the class."""
        return _patches(image, self._processor)

    def _encode_pixels(self, batch: Any) -> torch.Tensor:
        patches, shapes = batch[..., :-2], batch[..., -2:]
        vectors = self._model.get_image_features(
            pixel_values=patches.to(self.device, self._dtype),
            pixel_attention_mask=(shapes[..., 0] > 0).int().to(self.device),
            spatial_shapes=shapes[:, 0].long().to(self.device),
        ).pooler_output
        result: torch.Tensor = vectors.float().cpu()
        return result

    @classmethod
    def _side(cls, model: Any, processor: Any) -> int:
        # The shorter side of an image never has more patches than a square's.
        return int(isqrt(processor.max_num_patches) * model.config.vision_config.patch_size)

    @classmethod
    def _check_images(cls, name: str, model: Any, processor: Any) -> None:
        """Try the preprocessing, since nothing in its file is checked when that is read."""
        patch, most = model.config.vision_config.patch_size, processor.max_num_patches
        problem = None
        if processor.patch_size != patch:
            problem = f"makes patches of {processor.patch_size} pixels, but its model reads {patch}"
        elif not isinstance(most, int) or not 0 < most <= _MAX_PATCHES:
            problem = f"makes {most!r:.20} patches of an image; 1 to {_MAX_PATCHES} can be read"
        elif not processor.do_resize:
            problem = "does not resize images, so they are of any number of patches"
        else:
            try:
                with np.errstate(all="ignore"):  # a deviation of zero
                    made = _patches(new("RGB", (patch, 2 * patch), "white"), processor)
                if made.shape != (most, 3 * patch**2 + 2) or not made.isfinite().all():
                    problem = "gives no patches of finite numbers"
            except Exception as error:  # of whichever library, of settings that do not fit
                problem = f"cannot be used: {first_line(error)}"
        if problem is not None:
            raise InputError(f"the image preprocessing of {name} {problem}")


def _patches(image: Image, processor: Any) -> torch.Tensor:
    height, width = get_image_size_for_max_num_patches(
        image.height, image.width, processor.patch_size, processor.max_num_patches
    )
    small = image.resize((width, height), processor.resample)
    made = processor(images=small, do_resize=False, return_tensors="pt")
    shape = made["pixel_attention_mask"][0][:, None] * made["spatial_shapes"][0]  # [patches, 2]
    return torch.cat([made["pixel_values"][0].float(), shape.float()], dim=1)
