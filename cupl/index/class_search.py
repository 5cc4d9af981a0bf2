"""The photos that are closest to each of some classes."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import torch

from cupl.bank.labels import ClassLabel
from cupl.bank.model import PromptBank
from cupl.bank.template_banks import PHOTO, template_bank
from cupl.classification.filter_classes import FilterClasses
from cupl.embedding.bank_encoding import encode_bank
from cupl.embedding.class_vectors import ClassVectors
from cupl.embedding.normalize import directions
from cupl.encoders.protocol import Encoder
from cupl.index.brute import best_rows
from cupl.index.found import FoundPhotos
from cupl.index.searching import check_min_score, checked_k, kept_of, searched
from cupl.index.store import PhotoStore
from cupl.index.where import Where
from cupl.io.file_kinds import CLASS_VECTORS, kind_of_file


@dataclass(frozen=True, slots=True, eq=False)
class ClassPhotos:
    """The best photos of a class.

    Attributes:
        label: the class.
        photos: the best first.

    """

    label: ClassLabel
    photos: FoundPhotos


def class_vectors_of(classes: FilterClasses, encoder: Callable[[], Encoder]) -> ClassVectors:
    """Class vectors, read or made where they are a file, a bank or names."""
    if isinstance(classes, ClassVectors):
        return classes
    if isinstance(classes, str | os.PathLike):
        if kind_of_file(classes) == CLASS_VECTORS:
            return ClassVectors.load(classes)
        classes = PromptBank.load(classes)
    elif not isinstance(classes, PromptBank):
        classes = template_bank(classes, PHOTO)
    return encode_bank(classes, encoder())


def closest_to_classes(
    store: PhotoStore,
    vectors: ClassVectors,
    k: int,
    *,
    where: Where | None = None,
    min_score: float | None = None,
    exact: bool = False,
) -> list[ClassPhotos]:
    """The photos with the highest score of each class; one may be among those of several.

    A class of one vector is searched for as any vector. The score of one that has several
    (:mod:`cupl.embedding.parts`), or to which photos have added something
    (:mod:`cupl.embedding.adapter`), is of no single vector: then all photos are looked at, a part
    of them at a time, and ``exact`` changes nothing.

    Raises:
        InputError: another encoder made the class vectors, or ``k`` or ``min_score`` is none.

    """
    vectors.check_embeddings(store.metadata.provenance)
    asked = checked_k(k, store)
    check_min_score(min_score)
    if vectors.parts is None and vectors.adapter is None:
        queries = directions(vectors.matrix).numpy()
        tables = searched(store, queries, asked, where, exact=exact)
    else:
        tables = best_rows(store, len(vectors.labels), partial(_scores, vectors), asked, where)
    return [
        ClassPhotos(label, FoundPhotos(kept_of(table, k, min_score)))
        for label, table in zip(vectors.labels, tables, strict=True)
    ]


def _scores(vectors: ClassVectors, matrix: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """``[classes, photos]``."""
    images = directions(torch.from_numpy(matrix))
    scores = vectors.cosines(images)
    if vectors.adapter is not None:
        scores = vectors.adapter.adapted(scores, images)
    found: npt.NDArray[np.float32] = scores.T.numpy()
    return found
