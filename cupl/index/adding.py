"""Photos into an index: what is new or changed is encoded, and the rest skipped."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import closing
from itertools import islice

import torch

from cupl.embedding.image_cache import ImageCache
from cupl.embedding.image_stream import Encoded, encode_sources
from cupl.encoders.protocol import Encoder
from cupl.index.changes import IndexChanges
from cupl.index.photo_facts import PhotoFacts, photo_facts
from cupl.index.rows import PhotoRow, rows_table
from cupl.index.store import PhotoStore
from cupl.progress import Progress, ignore

_AT_ONCE = 1024
"""Photos that are written together: what a kill can cost."""


def add_photos(
    store: PhotoStore,
    paths: Sequence[str],
    encoder: Encoder,
    *,
    workers: int | None = None,
    image_cache: ImageCache = None,
    progress: Progress = ignore,
) -> IndexChanges:
    """Put photos into an index.

    Args:
        store: of the index.
        paths: of the photos.
        encoder: that of the index.
        workers: threads that read them; see :func:`~cupl.embedding.image_stream.encode_sources`.
        image_cache: see :data:`~cupl.embedding.image_cache.ImageCache`.
        progress: told how many are done, and of how many.

    """
    changes = IndexChanges()
    done = 0
    whole = [os.path.abspath(path) for path in paths]  # noqa: PTH100
    stream = encode_sources(whole, encoder, workers, image_cache, inspect=photo_facts)
    with closing(stream):
        while part := list(islice(stream, _AT_ONCE)):
            rows: list[PhotoRow] = []
            vectors: list[torch.Tensor] = []
            for one in part:
                done += 1
                progress(done, len(paths))
                if one.vector is None or one.path is None:
                    changes.fail(one.path or "", one.error or "")
                    continue
                rows.append(_row(one))
                vectors.append(one.vector)
            if rows:
                store.add(rows_table(rows, torch.stack(vectors).numpy(), store.metadata.numbers))
                changes.added += len(rows)
    return changes


def _row(one: Encoded) -> PhotoRow:
    path = str(one.path)
    status = os.stat(path)  # noqa: PTH116
    facts = one.facts if isinstance(one.facts, PhotoFacts) else PhotoFacts()
    return PhotoRow(
        path, one.digest or "", status.st_size, status.st_mtime_ns,
        facts.width, facts.height, facts.taken, facts.latitude, facts.longitude,
    )  # fmt: skip
