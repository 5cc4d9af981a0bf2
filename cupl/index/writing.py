"""Photos that were read, into an index: new ones, changed ones, copies, and what was moved."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import torch

from cupl.index.changes import IndexChanges
from cupl.index.gone import GoneFiles
from cupl.index.known import KnownPhotos
from cupl.index.reading import PhotoReader, ReadPhoto
from cupl.index.rows import (
    COLUMNS,
    ID,
    VECTOR,
    PhotoRow,
    path_id,
    paths_of,
    rows_elsewhere,
    rows_table,
    table_schema,
)
from cupl.index.store import PhotoStore
from cupl.index.unusable import usable_rows
from cupl.index.where import where_in


@dataclass(frozen=True, slots=True)
class _Donor:
    """A row with the content that a photo has."""

    place: int
    key: str
    path: str
    root: int


class PhotoWriter:
    """Writes photos into an index, those that are given at once whole or not at all.

    A photo whose content the index has gets the vector of that row, its label and its tags; where
    the file of that row is gone, it has moved, and the row goes.

    Args:
        store: of the index.
        known: what it had, and is told what it has.
        changes: where all is counted.

    Attributes:
        would_move: keys of rows that :meth:`count` found to have moved.

    """

    def __init__(self, store: PhotoStore, known: KnownPhotos, changes: IndexChanges) -> None:
        self._store, self._known, self._changes = store, known, changes
        self._gone = GoneFiles()
        self.would_move = set[str]()

    def write(self, photos: Iterable[ReadPhoto], reader: PhotoReader | None = None) -> None:
        """Write photos of different paths.

        Args:
            photos: as they were read.
            reader: encodes those whose content is known no longer; None where all have vectors.

        """
        fresh, contents, without = list[ReadPhoto](), dict[str, torch.Tensor](), list[ReadPhoto]()
        for photo in photos:
            if photo.error is not None:
                self._changes.fail(photo.path, photo.error)
            elif photo.vector is None or self._known.may_have(photo.digest):
                without.append(photo)
            else:
                contents[photo.digest] = photo.vector
                fresh.append(photo)
        copies, others, gone = self._copies(without, contents)
        for photo in others:
            read = photo
            if photo.vector is None and photo.digest not in contents and reader is not None:
                # Somebody has removed it in the meantime, or its copy could not be encoded.
                (read,) = reader.encode([photo.path], [photo.root])
            if read.error is not None:
                self._changes.fail(read.path, read.error)
                continue
            if read.vector is not None:
                contents.setdefault(read.digest, read.vector)
            fresh.append(read)
        self._put(fresh, contents, copies, gone)

    def count(self, photos: Iterable[ReadPhoto]) -> None:
        """Count what :meth:`write` would do, and do nothing."""
        fresh, without = list[ReadPhoto](), list[ReadPhoto]()
        for photo in photos:
            if photo.error is not None:
                self._changes.fail(photo.path, photo.error)
            else:
                (without if self._known.may_have(photo.digest) else fresh).append(photo)
        _, others, moved = self._copies(without, {})
        self.would_move.update(moved)
        self._count_fresh([*fresh, *others])

    def _put(
        self,
        fresh: Sequence[ReadPhoto],
        contents: dict[str, torch.Tensor],
        copies: Any,
        gone: Sequence[str],
    ) -> None:
        tables = [] if copies is None else [copies]
        if fresh:
            vectors = torch.stack([contents[photo.digest] for photo in fresh]).numpy()
            rows = list(map(_row, fresh))
            tables.append(rows_table(rows, vectors, self._store.metadata.numbers))
        if not tables:
            return
        self._store.add(pa.concat_tables(tables), gone)
        self._count_fresh(fresh)
        self._known.learn(photo.digest for photo in fresh)

    def _count_fresh(self, photos: Sequence[ReadPhoto]) -> None:
        changed = int(self._known.are_known([photo.path for photo in photos]).sum())
        self._changes.changed += changed
        self._changes.added += len(photos) - changed

    def _copies(
        self, photos: Sequence[ReadPhoto], contents: dict[str, torch.Tensor]
    ) -> tuple[Any, list[ReadPhoto], list[str]]:
        """Rows for photos whose content the index has.

        Returns:
            A table of them, or None; the photos for which there is none; keys of rows to remove.

        """
        asked = sorted({photo.digest for photo in photos if photo.digest not in contents})
        if not asked:
            return None, list(photos), []
        table, donors = self._rows_with(asked)
        chosen, matched, others = list[_Donor](), list[ReadPhoto](), list[ReadPhoto]()
        moved = set[str]()
        for photo in photos:
            if found := donors.get(photo.digest):
                chosen.append(self._chosen(photo, found, moved))
                matched.append(photo)
            else:
                others.append(photo)
        if not matched:
            return None, others, []
        self._count(matched, chosen, moved)
        copies = rows_elsewhere(
            table.take([donor.place for donor in chosen]),
            [photo.path for photo in matched], [photo.root for photo in matched],
            [photo.state[1] for photo in matched],
        )  # fmt: skip
        return copies, others, sorted(moved)

    def _rows_with(self, digests: Sequence[str]) -> tuple[Any, dict[str, list[_Donor]]]:
        """All rows with some contents, but damaged ones, and where those of each content are."""
        wanted = [*COLUMNS, VECTOR]
        metadata = self._store.metadata
        schema = table_schema(metadata.dim, metadata.numbers)
        parts = map(usable_rows, self._store.scan(wanted, where_in("sha256", digests)))
        table = pa.concat_tables(
            [
                schema.empty_table(),
                *(part.select(wanted).cast(schema) for part in parts),
            ]
        )
        keys, contents, roots = (table.column(c).to_pylist() for c in (ID, "sha256", "root"))
        donors: dict[str, list[_Donor]] = {}
        for place, path in enumerate(paths_of(table)):
            one = _Donor(place, keys[place], path, roots[place])
            donors.setdefault(contents[place], []).append(one)
        return table, donors

    def _chosen(self, photo: ReadPhoto, donors: Sequence[_Donor], moved: set[str]) -> _Donor:
        """The row that a photo takes over: its own, that of one that is gone, or any."""
        own = path_id(photo.path)
        for donor in donors:
            if donor.key == own:
                return donor
        for donor in donors:
            if donor.key not in moved and self._gone(donor.path, donor.root):
                moved.add(donor.key)
                return donor
        return donors[0]

    def _count(
        self, photos: Sequence[ReadPhoto], chosen: Sequence[_Donor], moved: set[str]
    ) -> None:
        known = self._known.are_known([photo.path for photo in photos]).tolist()
        followed = set[str]()
        for photo, donor, was_known in zip(photos, chosen, known, strict=True):
            if donor.key == path_id(photo.path):
                self._changes.unchanged += 1
            elif donor.key in moved - followed:
                followed.add(donor.key)
                self._changes.moved += 1
            elif was_known:
                self._changes.changed += 1
            else:
                self._changes.added += 1


def _row(photo: ReadPhoto) -> PhotoRow:
    (size, mtime_ns), facts = photo.state, photo.facts
    return PhotoRow(
        photo.path, photo.digest, size, mtime_ns, facts.width, facts.height, photo.root,
        facts.taken, facts.latitude, facts.longitude,
    )  # fmt: skip
