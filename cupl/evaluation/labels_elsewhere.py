"""Labelled images in object stores and in tars."""

from __future__ import annotations

import re

from cupl.bank.lookup import ClassIndex
from cupl.embedding.image_files import find_images
from cupl.embedding.left_out import LeftOut
from cupl.embedding.tar_files import tar_and_member, tar_at
from cupl.evaluation.class_numbers import class_numbers, numbers_note
from cupl.evaluation.labelled import ImageMatcher, LabelledImages

_PATTERN = re.compile(r"[*?\[]")


def labelled_elsewhere(source: str, index: ClassIndex, *, all_files: bool) -> LabelledImages:
    """The images of a URL, or of tars, with their labels.

    In a tar the label is what stands in the sample's ``.cls``, ``.json`` (``label`` or ``class``)
    or ``.txt``; where there is none, and in a store, the first folder below the one named.

    Args:
        source: as for :func:`~cupl.embedding.image_files.find_images`.
        index: of the classes.
        all_files: as there.

    Raises:
        CuplError: as there.

    """
    left = LeftOut()
    paths = find_images(source, all_files=all_files, left_out=left)
    root = _PATTERN.split(source, maxsplit=1)[0]
    start = len(root.rstrip("/")) + 1 if root == source else root.rfind("/") + 1
    labels = [_label(path, start) for path in paths]
    numbers = class_numbers([label for label in labels if label], index)
    matcher = ImageMatcher(index, numbers)
    for path, label in zip(paths, labels, strict=True):
        matcher.add(path, label)
    images = matcher.done()
    images.notes.extend([*numbers_note(numbers, index), *left.notes()])
    return images


def _label(path: str, start: int) -> str:
    if member := tar_and_member(path):
        tar, name = member
        if label := tar_at(tar).label(name):
            return label
        below = name
    else:
        below = path[start:]
    folder, slash, _ = below.lstrip("/").partition("/")
    return folder if slash else ""
