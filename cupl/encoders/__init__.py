"""Encoders: a text and an image tower with one common space, found by name."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cupl.encoders.base import Encoder

DEFAULT_ENCODER = "openai/clip-vit-base-patch32"


def load_encoder(name: str | os.PathLike[str] = DEFAULT_ENCODER, device: str = "auto") -> Encoder:
    """Load an encoder.

    Args:
        name: ``mini``, a local directory, or a model hub name.
        device: ``auto`` (CUDA, then MPS, then CPU), ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.

    Raises:
        InputError: the directory or model is not a dual encoder, or the device is not there.
        ServerError: the model is neither on disk nor reachable.
        MissingPackageError: ``mini`` is asked for and its packages are not installed.

    """
    name = os.fspath(name)
    if name == "mini":
        from cupl.encoders.mini import MiniEncoder

        return MiniEncoder.load(device)
    from cupl.encoders.clip import ClipEncoder

    return ClipEncoder.load(name, device)
