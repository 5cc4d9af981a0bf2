"""Vectors at length 1."""

from __future__ import annotations

import torch

from cupl.errors import InputError

NO_DIRECTION = "the image vector is zero or not finite"


def unit(vectors: torch.Tensor) -> torch.Tensor:
    """Rows of ``[n, dim]`` at length 1.

    Raises:
        InputError: a row is zero or not finite.

    """
    norms: torch.Tensor = torch.linalg.vector_norm(vectors, dim=1, keepdim=True)
    wrong = (~(norms > 0) | ~norms.isfinite()).sum().item()
    if wrong:
        raise InputError(
            f"{wrong} of {len(vectors)} vectors are zero or not finite and have no direction; the "
            "weights of the encoder may be damaged"
        )
    return vectors / norms


def has_direction(vectors: torch.Tensor) -> torch.Tensor:
    """Which rows of ``[images, dim]`` can be normalised: bool ``[images]``."""
    norms: torch.Tensor = vectors.norm(dim=1)
    return (norms > 0) & norms.isfinite()


def directions(vectors: torch.Tensor) -> torch.Tensor:
    """Rows of ``[images, dim]`` at length 1; not finite where :func:`has_direction` says no."""
    norms: torch.Tensor = vectors.norm(dim=1, keepdim=True)
    return vectors / norms
