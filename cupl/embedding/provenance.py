"""What is known of where class vectors come from, and how their scores become probabilities."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import torch
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    StrictStr,
    model_serializer,
)

from cupl.embedding.adapter import Adaptation
from cupl.embedding.fitted import FittedCoverage, FittedThreshold
from cupl.embedding.given_arrays import LEAST, MOST

Combine = Literal["concat", "average"]
ELSEWHERE = "arrays:"
"""Begins what stands for the fingerprint of an unknown encoder; those of known ones are hex."""


class Provenance(BaseModel):
    """Where class vectors come from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    encoder: StrictStr
    revision: StrictStr | None = None
    fingerprint: StrictStr
    image_fingerprint: StrictStr | None = None
    """That of the image vectors which they are for, where it is another; see :attr:`of_images`."""
    logit_scale: Annotated[float, Field(gt=0, le=MOST, allow_inf_nan=False)]
    logit_bias: Annotated[float, Field(ge=-MOST, le=MOST, allow_inf_nan=False)] | None = None
    """``None`` where the probabilities are a softmax; see :meth:`probabilities`."""
    temperature: Annotated[float, Field(ge=LEAST, le=MOST, allow_inf_nan=False)] = 1.0
    """What the logits are divided by (``cupl.classification.calibration.fit_temperature``)."""
    bank: StrictStr | None = None
    bank_digest: StrictStr | None = None
    pooling: StrictStr
    templates: tuple[StrictStr, ...] = ()
    combine: Combine | None = None
    """How the templates were combined with the bank; ``None`` where there was only one."""
    truncated: tuple[tuple[StrictStr, StrictStr], ...] = ()
    """Class and text of every prompt that the encoder could not read to its end."""
    cupl: StrictStr = "0"
    adaptation: Adaptation | None = None
    """How the adapter was made, where there is one."""
    threshold: FittedThreshold | None = None
    """From where on a photo is of the classes, where that was fitted."""
    coverage: FittedCoverage | None = None
    """What cannot be ruled out, where that was fitted."""

    @property
    def of_images(self) -> str:
        """The fingerprint of image vectors that they can be compared with."""
        return self.image_fingerprint or self.fingerprint

    @model_serializer(mode="wrap")
    def _without_what_is_not_used(self, serialize: SerializerFunctionWrapHandler) -> Any:
        """As before there were these: what is not used changes no file and no digest."""
        fields = serialize(self)
        return {
            name: value
            for name, value in fields.items()
            if value is not None or name not in ("threshold", "coverage", "image_fingerprint")
        }

    @property
    def made_elsewhere(self) -> bool:
        """Whether nothing is known of the encoder that could be checked; see ``from_arrays``."""
        return self.fingerprint.startswith(ELSEWHERE)

    def probabilities(self, scores: torch.Tensor) -> torch.Tensor:
        """Probabilities of the classes, as the encoder was trained to give them.

        Without a bias they are a softmax and sum to 1 (CLIP, Radford et al., arXiv 2103.00020).
        With one they are a sigmoid each, whatever the other classes are (SigLIP, Zhai et al.,
        arXiv 2303.15343).

        Args:
            scores: cosines, ``[images, classes]``.

        Returns:
            Of the same shape.

        """
        logits = self.logits(scores)
        return logits.softmax(dim=1) if self.logit_bias is None else logits.sigmoid()

    def logits(self, scores: torch.Tensor) -> torch.Tensor:
        """What the softmax or sigmoid is taken of; of the same shape as ``scores``."""
        logits = scores * (self.logit_scale / self.temperature)
        return logits if self.logit_bias is None else logits + self.logit_bias / self.temperature
