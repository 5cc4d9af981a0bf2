"""Photos into groups of what looks alike, by their embeddings."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cupl.embedding.image_stream import Encoded
from cupl.embedding.stored_vectors import Embeddings
from cupl.errors import InputError
from cupl.io.arguments import check_whole
from cupl.io.words import number_of

_STARTS = 10
"""Times that k-means begins anew; the closest groups are taken."""


@dataclass(frozen=True, eq=False)
class PhotoVectors:
    """Photos that can be grouped.

    Attributes:
        paths: of the photos.
        vectors: float32 ``[photos, dim]``, of length 1.
        unreadable: path and reason of the others.
        encoder: name of the model that made the vectors.

    """

    paths: list[str]
    vectors: npt.NDArray[np.float32]
    unreadable: list[tuple[str, str]]
    encoder: str


@dataclass(frozen=True, eq=False)
class PhotoGroups:
    """Which photos are in which group; the first group is the largest.

    Attributes:
        groups: the photos of each, by their numbers, those closest to its centre first.

    """

    groups: list[list[int]]

    def group_of(self) -> dict[int, int]:
        """The group of each photo."""
        return {photo: group for group, photos in enumerate(self.groups) for photo in photos}


def stored_vectors(embeddings: Embeddings) -> PhotoVectors:
    """What ``cupl embed`` wrote.

    Raises:
        InputError: a file is damaged, or none of the photos could be read.

    """
    paths, rows, unreadable = list[str](), list[npt.NDArray[np.float32]](), list[tuple[str, str]]()
    for shard in embeddings:
        paths += shard.readable
        rows.append(shard.vectors.float().numpy())
        pairs = zip(shard.paths, shard.errors, strict=True)
        unreadable += [(path, error) for path, error in pairs if error is not None]
    return _of_length_one(paths, rows, unreadable, embeddings.provenance.encoder)


def encoded_vectors(images: Iterable[Encoded], encoder: str) -> PhotoVectors:
    """Vectors that were just made.

    Raises:
        InputError: none of the photos could be read.

    """
    paths, rows, unreadable = list[str](), list[npt.NDArray[np.float32]](), list[tuple[str, str]]()
    for image in images:
        if image.vector is None:
            unreadable.append((image.path or "an image", image.error or ""))
        else:
            paths.append(image.path or "")
            rows.append(image.vector.float().numpy()[None])
    return _of_length_one(paths, rows, unreadable, encoder)


def _of_length_one(
    paths: list[str],
    rows: list[npt.NDArray[np.float32]],
    unreadable: list[tuple[str, str]],
    encoder: str,
) -> PhotoVectors:
    if not paths:
        raise InputError("none of the photos can be read")
    vectors = np.concatenate(rows)
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return PhotoVectors(paths, vectors.astype(np.float32), unreadable, encoder)


def group_photos(vectors: npt.NDArray[np.float32], number: int) -> PhotoGroups:
    """Put photos into groups by k-means (scikit-learn's), the same for the same vectors.

    Args:
        vectors: float32 ``[photos, dim]``, of length 1, so that what is close has a high cosine.
        number: of groups.

    Raises:
        InputError: there are fewer different photos.

    """
    check_whole(groups=number)
    if not 2 <= number <= len(vectors):
        raise InputError(
            f"{number_of(len(vectors), 'photo')} can be put into 2 to {len(vectors):,} groups, not "
            f"{number:,}"
        )
    labels, distances = _k_means(vectors, number)
    found = [np.flatnonzero(labels == group) for group in range(number)]
    if not all(map(len, found)):
        different = number_of(sum(1 for photos in found if len(photos)), "group")
        raise InputError(f"only {different} of photos look different: ask for so many, or fewer")
    ordered = [photos[np.argsort(distances[photos], kind="stable")] for photos in found]
    ordered.sort(key=lambda photos: (-len(photos), photos.min()))
    return PhotoGroups([[int(photo) for photo in photos] for photos in ordered])


def _k_means(
    vectors: npt.NDArray[np.float32], number: int
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """The group of each vector, and its distance from the centre."""
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    # Sums of several threads come in another order, and their last digits with it.
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer different vectors than groups
        means = KMeans(number, n_init=_STARTS, random_state=0).fit(vectors)
    labels = means.labels_
    return labels, np.linalg.norm(vectors - means.cluster_centers_[labels], axis=1)
