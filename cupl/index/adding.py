"""Photos into an index: what is new or changed is read and encoded, and the rest skipped."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice

import numpy as np
import torch

from cupl.embedding.image_retries import until_lost
from cupl.embedding.image_shards import Shard
from cupl.embedding.stored_vectors import Embeddings
from cupl.index.changes import IndexChanges
from cupl.index.known import KnownPhotos, states_of
from cupl.index.reading import WRITTEN_AT_ONCE, PhotoReader, ReadPhoto, read_facts
from cupl.index.rows import absolute
from cupl.index.writing import PhotoWriter
from cupl.progress import Progress, ignore

_VECTORS_AT_ONCE = 16_384
"""Vectors that are written together: a large index is added to seven times as quickly as with
1,024, and none has to be encoded again where a run is killed."""


@dataclass(frozen=True)
class Listing:
    """Files that may be photos, each once.

    Attributes:
        paths: absolute.
        roots: of each; see :class:`~cupl.index.rows.PhotoRow`.

    """

    paths: list[str]
    roots: list[int]

    @classmethod
    def of(cls, paths: Iterable[str], folders: Iterable[str] = ()) -> Listing:
        """Files, of which some were found in folders that were named."""
        whole = list(dict.fromkeys(map(absolute, paths)))
        named = sorted({os.path.join(absolute(one), "") for one in folders}, key=len)  # noqa: PTH118
        ends = [(folder, len(folder.rstrip(os.sep) or os.sep)) for folder in named]

        def root(path: str) -> int:
            return next((end for folder, end in ends if path.startswith(folder)), 0)

        return cls(whole, list(map(root, whole)))


def add_listed(
    listing: Listing,
    writer: PhotoWriter,
    reader: PhotoReader,
    changes: IndexChanges,
    progress: Progress = ignore,
) -> None:
    """Put files into an index, those left out that it knows by size and time.

    Args:
        listing: the files.
        writer: into the index.
        reader: knows what it has.
        changes: where all is counted.
        progress: told how many have been read, and of how many.

    Raises:
        InputError: so many in a row cannot be read that their drive must be gone.

    """
    todo = unknown(listing, reader.known, changes)

    def kept() -> str:
        return f"{changes.written:,} photos are kept in the index; the same again goes on"

    def parts() -> Iterator[Iterator[ReadPhoto]]:
        for i in range(0, len(todo.paths), WRITTEN_AT_ONCE):
            yield reader.read(
                todo.paths[i : i + WRITTEN_AT_ONCE], todo.roots[i : i + WRITTEN_AT_ONCE]
            )

    photos = until_lost(chain.from_iterable(parts()), todo.paths, kept, {})
    for part in _counted(photos, len(todo.paths), progress):
        writer.write(part, reader)


def add_vectors(
    embeddings: Embeddings,
    writer: PhotoWriter,
    known: KnownPhotos,
    changes: IndexChanges,
    workers: int | None = None,
    progress: Progress = ignore,
) -> None:
    """Put in what ``cupl embed`` wrote; of the photos only what they say of themselves is read.

    Args:
        embeddings: by the encoder of the index.
        writer: into the index.
        known: what it has.
        changes: where all is counted.
        workers: threads that read.
        progress: told how many photos are done, and of how many.

    Raises:
        InputError: as for iterating over ``embeddings``.

    """
    done, total = 0, len(embeddings)

    def photos() -> Iterator[ReadPhoto]:
        nonlocal done
        for number in range(embeddings.shards):
            shard = embeddings.shard(number)
            for path, error in zip(shard.paths, shard.errors, strict=True):
                if error is not None:
                    changes.fail(path, error)
            made_ns = embeddings.made_ns(number)
            yield from _with_vectors(shard, made_ns, known, changes, workers)
            done += len(shard.paths)

    read = photos()
    while part := list(islice(read, _VECTORS_AT_ONCE)):
        # A path may be in two shards, and a store is given no row twice at once.
        writer.write({photo.path: photo for photo in part}.values())
        progress(done, total)
    progress(done, total)


_LATER = "it has changed since its vector was made: add the photo itself"


def _with_vectors(
    shard: Shard,
    made_ns: int,
    known: KnownPhotos,
    changes: IndexChanges,
    workers: int | None,
) -> Iterator[ReadPhoto]:
    listing = Listing.of(shard.readable)
    vectors = dict(zip(map(absolute, shard.readable), shard.vectors, strict=True))
    todo = unknown(listing, known, changes)
    for photo in read_facts(todo.paths, todo.roots, workers):
        vector: torch.Tensor = vectors[photo.path]
        if photo.error is None and photo.state[1] > made_ns:
            yield replace(photo, error=_LATER)
        else:
            yield replace(photo, vector=vector)


def unknown(listing: Listing, known: KnownPhotos, changes: IndexChanges) -> Listing:
    """Those of some files that are not known with their size and time; the others are counted."""
    same = known.are_unchanged(listing.paths, states_of(listing.paths))
    changes.unchanged += int(same.sum())
    kept = np.flatnonzero(~same).tolist()
    return Listing([listing.paths[i] for i in kept], [listing.roots[i] for i in kept])


def would_change(
    listing: Listing, known: KnownPhotos, writer: PhotoWriter, changes: IndexChanges
) -> None:
    """Count what adding files would do; each that is not known is read, and none encoded."""
    todo = unknown(listing, known, changes)
    photos = read_facts(todo.paths, todo.roots)
    while part := list(islice(photos, WRITTEN_AT_ONCE)):
        writer.count(part)


def _counted(
    photos: Iterator[ReadPhoto], total: int, progress: Progress
) -> Iterator[Sequence[ReadPhoto]]:
    """The photos, so many together as are written at once."""
    done = 0
    while True:
        part = list[ReadPhoto]()
        for photo in islice(photos, WRITTEN_AT_ONCE):
            done += 1
            part.append(photo)
            progress(done, total)
        if not part:
            return
        yield part
