"""Names, numbers and settings that a person hands over, checked before they become vectors."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from cupl.bank.labels import ClassLabel, check_labels
from cupl.embedding.normalize import has_direction
from cupl.errors import InputError


def class_labels(names: Iterable[str | ClassLabel]) -> list[ClassLabel]:
    """Labels of classes that are named by text or labels.

    Raises:
        InputError: one is neither, or :func:`~cupl.bank.labels.check_labels` refuses them.

    """
    if isinstance(names, str):
        raise InputError(f"{names!r:.60} is one name of a class: give a list of them")
    labels = []
    for name in names:
        if not isinstance(name, str | ClassLabel):
            raise InputError(f"a class is named by text or a ClassLabel, not by {name!r:.60}")
        labels.append(ClassLabel(str(name)) if isinstance(name, str) else name)
    check_labels(labels)
    return labels


def real_matrix(matrix: torch.Tensor | npt.ArrayLike) -> torch.Tensor:
    """A copy in float64, of the same shape.

    Raises:
        InputError: it is not an array of real numbers.

    """
    if isinstance(matrix, torch.Tensor):
        kind, real = str(matrix.dtype).removeprefix("torch."), not matrix.is_complex()
        if real and matrix.dtype != torch.bool:
            return matrix.detach().to("cpu", torch.float64, copy=True)
    else:
        try:
            array = np.asarray(matrix)
        except ValueError as error:
            raise InputError("class vectors are a matrix: rows of one length") from error
        kind = str(array.dtype)
        if array.dtype.kind in "fiu":
            return torch.from_numpy(array.astype(np.float64))
    raise InputError(f"class vectors are a matrix of numbers, not of {kind}")


def check_directions(labels: Sequence[ClassLabel], values: torch.Tensor) -> None:
    """Refuse a row that cannot be brought to length 1, by the name of its class."""
    if wrong := (~has_direction(values)).nonzero().flatten().tolist():
        raise InputError(
            f"the vector of {labels[wrong[0]].name!r} is zero or not finite and has no direction"
        )


LEAST, MOST = 1e-6, 1e6
"""Of a logit scale and a temperature."""


def real_number(name: str, value: Any) -> float:
    """A setting as a plain number; but for ``logit_bias`` it has to be above 0.

    Raises:
        InputError: it is not one.

    """
    above = name != "logit_bias"
    number = value.item() if isinstance(value, np.generic | torch.Tensor) else value
    real = isinstance(number, int | float) and not isinstance(number, bool)
    # A whole number may be too large for a float, and is finite.
    endless = isinstance(number, float) and not math.isfinite(number)
    if not real or endless or (above and number <= 0):
        raise InputError(f"{name} is a number {'above 0' if above else 'or None'}, not {value!r}")
    # Beyond these bounds logits have no difference left, or no end.
    least = LEAST if above else -MOST
    if not least <= number <= MOST:
        raise InputError(f"{name} is a number from {least:g} to {MOST:g}, not {value!r:.100}")
    return float(number)
