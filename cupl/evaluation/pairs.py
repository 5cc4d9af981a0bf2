"""Labelled images that a program holds: paths or vectors, and the label of each."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from cupl.bank.labels import ClassLabel
from cupl.bank.lookup import ClassIndex
from cupl.classification.decision import name_or_number
from cupl.embedding.normalize import NO_DIRECTION, has_direction
from cupl.errors import InputError
from cupl.evaluation.labelled import ImageMatcher, LabelledImages

Vectors = torch.Tensor | npt.NDArray[Any]
Images = Sequence[str | os.PathLike[str]] | Vectors
Labels = Sequence[str | int] | torch.Tensor | npt.NDArray[Any]


def match_pair(images: Images, labels: Labels, classes: Sequence[ClassLabel]) -> LabelledImages:
    """Match the labels of images with the classes.

    Args:
        images: paths, or vectors ``[images, dim]`` of any length that the encoder made.
        labels: of each image, a class's name, id or alias, or its number, counted from 0.
        classes: what they are matched with.

    Raises:
        InputError: the numbers of images and labels differ, a label is neither a name nor a whole
            number, there is no class of such a number, an image has two labels, or the images are
            neither paths nor vectors.

    """
    vectors = _vectors(images)
    paths = _paths(images) if vectors is None else [f"image {i}" for i in range(len(vectors))]
    given = _labels(labels, len(classes))
    if len(paths) != len(given):
        raise InputError(f"there are {len(paths):,} images and {len(given):,} labels")
    if not paths:
        raise InputError("there is no image")
    matcher = ImageMatcher(ClassIndex(classes))
    rows = [row for row, pair in enumerate(zip(paths, given, strict=True)) if matcher.add(*pair)]
    if vectors is None:
        return matcher.done()
    return replace(matcher.done(), vectors=vectors[rows], has_files=False)


def _vectors(images: Images) -> torch.Tensor | None:
    """float32 ``[images, dim]``, or None where the images are something else."""
    if isinstance(images, np.ndarray) and images.dtype.kind == "f":
        images = torch.from_numpy(images)
    if not isinstance(images, torch.Tensor):
        return None
    if images.ndim != 2 or not images.is_floating_point():
        raise InputError(
            f"image vectors are a matrix of floats [images, dim], not {images.dtype} of shape "
            f"{list(images.shape)}"
        )
    vectors = images.detach().float().cpu()
    if wrong := (~has_direction(vectors)).nonzero().flatten().tolist():
        raise InputError(f"image vector {wrong[0]}: {NO_DIRECTION}; leave it out")
    return vectors


def _paths(images: Any) -> list[str]:
    is_one = isinstance(images, str | bytes | os.PathLike)
    listed = [images] if is_one else list(images)
    odd = next((one for one in listed if not isinstance(one, str | os.PathLike)), None)
    if is_one or odd is not None:
        what = type(images if odd is None else odd).__name__
        raise InputError(
            f"the images of a pair are a list of paths or a matrix of vectors [images, dim], not "
            f"{what}; pictures in memory are encoded first"
        )
    return [str(os.fspath(one)) for one in listed]


def _labels(labels: Labels, classes: int) -> list[str | int]:
    """Plain names and numbers of classes that there are."""
    if isinstance(labels, str | bytes):
        raise InputError(f"labels are a list of names or whole numbers, not {labels!r:.100}")
    listed = labels.tolist() if hasattr(labels, "tolist") else list(labels)
    given = [name_or_number(one) for one in listed]
    for label in given:
        if isinstance(label, int) and not 0 <= label < classes:
            raise InputError(f"there is no class {label}: they are 0 to {classes - 1}")
    return given
