"""Photos like some examples, and unlike others.

What is searched for is the sum

    mean of the examples - AWAY * mean of those to lead away from

of vectors at length 1 (Rocchio's relevance feedback, in which the others count less, too).
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence

import numpy as np

from cupl.embedding.image_cache import ImageCache
from cupl.embedding.image_files import find_images
from cupl.embedding.image_sources import ImageSource
from cupl.encoders.protocol import Encoder
from cupl.errors import InputError
from cupl.index.examples import ExamplePhoto, Vector, photo_examples, unit_vector
from cupl.index.searching import SHORTEST
from cupl.index.store import PhotoStore
from cupl.io.terminal import printable

AWAY = 0.25
"""How much examples count that are to be led away from; tests/benchmarks/bench_search.py."""


def examples_of(
    store: PhotoStore,
    encoder: Callable[[], Encoder],
    images: Sequence[ImageSource],
    image_cache: ImageCache = None,
) -> list[ExamplePhoto]:
    """Examples that are given as images, folders or patterns; a file may be gone from the disk.

    Warns of those that cannot be read.
    """
    sources: list[ImageSource] = []
    for one in images:
        named = isinstance(one, str | os.PathLike)
        sources += find_images([one]) if named else [one]  # type: ignore[list-item]
    examples = photo_examples(store, encoder, sources, image_cache)
    failed = [place for place, one in enumerate(examples) if one.vector is None]
    if failed and len(failed) < len(examples):
        first = sources[failed[0]]
        name = os.fsdecode(first) if isinstance(first, str | os.PathLike) else "an image"
        warnings.warn(
            f"{len(failed):,} of {len(examples):,} examples could not be read and are left out, "
            f"the first {printable(f'{name}: {examples[failed[0]].error}'):.300}",
            stacklevel=4,
        )
    return examples


def example_vector(
    to: Sequence[ExamplePhoto], away_from: Sequence[ExamplePhoto], away: float = AWAY
) -> Vector:
    """The vector to search for, ``[dim]`` at length 1; examples that cannot be read are left out.

    Raises:
        InputError: none of ``to`` can be read, nothing is left of them, or the weight is none.

    """
    if not 0 <= away <= 1:
        raise InputError(f"the weight of what to lead away from is 0 to 1, not {away}",
                         arguments={"away": ...})  # fmt: skip
    liked, others = (
        [one.vector for one in examples if one.vector is not None] for examples in (to, away_from)
    )
    if not liked:
        why = next((f": {one.error}" for one in to if one.error), "")
        raise InputError(f"no example can be read{why}", arguments={"to": ...})
    summed = np.mean(liked, axis=0, dtype=np.float64)
    if others:
        summed -= away * np.mean(others, axis=0, dtype=np.float64)
    if np.linalg.norm(summed) < SHORTEST:
        raise InputError("the examples to lead away from leave nothing of the others")
    return unit_vector(summed)
