"""The encoder that the options of a command name, loaded once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from cupl.encoders.loading import DEFAULT_ENCODER

if TYPE_CHECKING:
    from cupl.encoders.protocol import Encoder


@dataclass(frozen=True)
class EncoderChoice:
    """Which encoder, where and how."""

    name: str | None
    revision: str | None
    device: str
    precision: Any
    batch_size: Any

    @cached_property
    def named(self) -> Encoder:
        """The encoder of that name, loaded once."""
        from cupl.encoders.loading import load_encoder

        how = (self.device, self.precision, self.batch_size)
        return load_encoder(self.name or DEFAULT_ENCODER, *how, revision=self.revision)
