"""What an index holds, in numbers."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow.compute as pc

from cupl.index.rows import VECTOR
from cupl.index.store import PhotoStore
from cupl.index.unusable import are_usable


@dataclass(frozen=True)
class IndexInfo:
    """What an index holds, and who made it.

    Attributes:
        photos: how many.
        bytes: on disk; None where the store does not say.
        encoder: of the vectors, by its name.
        revision: of the encoder, where it has one.
        fingerprint: of the encoder.
        dim: numbers in a vector.
        numbers: type of number that vectors are kept as.
        format: of the index.
        first: date of the oldest photo that has one.
        last: of the newest.
        dated: photos with a date.
        located: photos with a place.
        labelled: photos with a label.
        tagged: photos with any tag.
        ann: the approximate index that searches go by; None where they look at all vectors.
        unindexed: photos that are not in it yet.
        unusable: photos whose vectors are damaged; an update encodes them anew.

    """

    photos: int
    bytes: int | None
    encoder: str
    revision: str | None
    fingerprint: str
    dim: int
    numbers: str
    format: str
    first: str | None = None
    last: str | None = None
    dated: int = 0
    located: int = 0
    labelled: int = 0
    tagged: int = 0
    ann: str | None = None
    unindexed: int = 0
    unusable: int = 0


def summarize(store: PhotoStore) -> IndexInfo:
    """Count what an index holds, a batch of rows at a time."""
    held, metadata = store.info(), store.metadata
    made_by = metadata.provenance
    counts = dict.fromkeys(("dated", "located", "labelled", "tagged", "unusable"), 0)
    first: str | None = None
    last: str | None = None
    for part in filter(len, store.scan(["date", "latitude", "label", "tags", VECTOR])):
        dates = part.column("date")
        ends = pc.min_max(dates).as_py()
        first = min(filter(None, (first, ends["min"])), default=None)
        last = max(filter(None, (last, ends["max"])), default=None)
        counts["dated"] += len(dates) - dates.null_count
        counts["located"] += len(part) - part.column("latitude").null_count
        counts["labelled"] += len(part) - part.column("label").null_count
        tags = pc.fill_null(pc.list_value_length(part.column("tags")), 0)
        counts["tagged"] += len(part) - pc.sum(pc.equal(tags, 0)).as_py()
        counts["unusable"] += int((~are_usable(part)).sum())
    return IndexInfo(
        held.rows, held.bytes, made_by.encoder, made_by.revision, made_by.fingerprint, made_by.dim,
        metadata.numbers, metadata.format, first, last, **counts, ann=held.ann,
        unindexed=held.unindexed,
    )  # fmt: skip
