"""An index in a folder or an object store, kept by LanceDB."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cupl.embedding.image_sources import url_scheme
from cupl.errors import InputError, MissingFileError
from cupl.index.brute import brute_search
from cupl.index.lance_errors import is_conflict, is_missing_file, lance_explained
from cupl.index.lancedb_import import import_lancedb
from cupl.index.metadata import METADATA_KEY, IndexMetadata, parse_metadata
from cupl.index.object_stores import OPTIONS
from cupl.index.rows import COLUMNS, ID, SCORE, VECTOR, table_schema
from cupl.index.store import APPROXIMATE_FROM, StoreInfo
from cupl.index.where import Where, where_in
from cupl.io.file_kinds import is_index
from cupl.io.locks import taking_turns
from cupl.io.terminal import printable

_Read = TypeVar("_Read")
_TABLE = "photos"
_AT_ONCE = 1000
"""Keys in one condition."""
_KEY = {"lance-schema:unenforced-primary-key": "true"}
"""Of a column by whose values Lance notices that two programs add the same row at once."""
_TRIES = 6
_AT_EACH_READ = timedelta(0)
"""When it is looked whether others have written."""
_SCANNED = 8192
"""Rows of a scan that are read at once."""
_FEW = 4
"""Queries that LanceDB answers one by one as quickly as all in one pass."""
_PROBES, _PROBES_WHERE = 20, 60
"""Partitions of the approximate index that are looked at, of some hundreds; more where only some
of the photos in them count."""
_KEPT_IN_OBJECT_STORES = timedelta(hours=1)
"""What is replaced there stays so long for those who write without taking turns."""
_NONE_KEPT = timedelta(milliseconds=1)
"""With 0 LanceDB warns of readers that fail; ours read again."""


class LanceStore:
    """The table ``photos`` of a LanceDB database."""

    def __init__(self, place: str, table: Any, metadata: IndexMetadata) -> None:
        self.place, self.metadata, self._table = place, metadata, table

    def add(self, rows: Any, gone: Sequence[str] = ()) -> None:
        """See :class:`~cupl.index.store.PhotoStore`."""

        def merge() -> None:
            merge = self._table.merge_insert(ID)
            merge = merge.when_matched_update_all().when_not_matched_insert_all()
            if gone:
                merge = merge.when_not_matched_by_source_delete(where_in(ID, gone).lance)
            merge.execute(rows)

        self._write(merge)

    def delete(self, ids: Sequence[str]) -> None:
        """See :class:`~cupl.index.store.PhotoStore`."""
        for start in range(0, len(ids), _AT_ONCE):
            gone = where_in(ID, ids[start : start + _AT_ONCE]).lance
            self._write(lambda gone=gone: self._table.delete(gone))  # type: ignore[misc]

    def search(
        self,
        queries: npt.NDArray[np.float32],
        k: int,
        where: Where | None = None,
        *,
        exact: bool = False,
        vectors: bool = False,
    ) -> list[Any]:
        """See :class:`~cupl.index.store.PhotoStore`."""

        def found() -> list[Any]:
            if len(queries) > _FEW and (exact or self._ann() is None):
                return brute_search(self, queries, k, where, vectors=vectors)
            return [self._nearest(query, k, where, exact, vectors) for query in queries]

        return self._read(found)

    def _nearest(
        self,
        query: npt.NDArray[np.float32],
        k: int,
        where: Where | None,
        exact: bool,
        vectors: bool,
    ) -> Any:
        wanted = [*COLUMNS, *([VECTOR] if vectors else []), "_distance"]
        search = self._table.search(query).distance_type("cosine").select(wanted).limit(k)
        if where is not None:
            search = search.where(where.lance)
        if exact:
            search = search.bypass_vector_index()
        else:  # of no effect where there is no approximate index
            probes = _PROBES if where is None else _PROBES_WHERE
            search = search.minimum_nprobes(probes).maximum_nprobes(0).refine_factor(2)
        found = search.to_arrow()
        scores = pa.array(1 - found.column("_distance").to_numpy(), pa.float32())
        return found.drop_columns("_distance").append_column(SCORE, scores)

    def scan(self, columns: Sequence[str], where: Where | None = None) -> Iterator[Any]:
        """See :class:`~cupl.index.store.PhotoStore`."""
        with lance_explained(self.place):
            begun = self._table.version
            search = self._table.search().select(list(columns))
            if where is not None:
                search = search.where(where.lance)
            try:
                for batch in search.to_batches(_SCANNED):
                    yield pa.Table.from_batches([batch])
            except (OSError, RuntimeError, ValueError) as error:
                self._table.checkout_latest()
                if is_missing_file(error) and self._table.version != begun:
                    raise InputError(
                        f"the index {printable(self.place):.200} was compacted by another program "
                        "while it was read: run the same again"
                    ) from error
                raise

    def count(self, where: Where | None = None) -> int:
        """See :class:`~cupl.index.store.PhotoStore`."""
        condition = None if where is None else where.lance
        return int(self._read(lambda: self._table.count_rows(condition)))

    def info(self) -> StoreInfo:
        """See :class:`~cupl.index.store.PhotoStore`."""
        with lance_explained(self.place):
            size = None if url_scheme(self.place) else _bytes_in(Path(self.place))
            ann = self._ann()
            if ann is None:
                return StoreInfo(self.count(), size)
            return StoreInfo(self.count(), size, ann.index_type, ann.num_unindexed_rows)

    def compact(self) -> None:
        """See :class:`~cupl.index.store.PhotoStore`."""
        self._write(self._compact)

    def _compact(self) -> None:
        from lancedb.index import BTree, IvfSq

        if self._table.count_rows() >= APPROXIMATE_FROM:
            indexed = {name for index in self._table.list_indices() for name in index.columns}
            if ID not in indexed:
                self._table.create_index(ID, config=BTree())
            if VECTOR not in indexed:
                self._table.create_index(VECTOR, config=IvfSq(distance_type="cosine"))
        if url_scheme(self.place):
            self._table.optimize(cleanup_older_than=_KEPT_IN_OBJECT_STORES)
            return
        for _ in range(2):  # of the first the version before its last is too young to go
            self._table.optimize(cleanup_older_than=_NONE_KEPT)

    def _ann(self) -> Any:
        """The statistics of the approximate index; None where there is none."""
        for index in self._table.list_indices():
            if index.columns == [VECTOR]:
                return self._table.index_stats(index.name)
        return None

    def _read(self, work: Callable[[], _Read]) -> _Read:
        """What is read; again from the newest version where another program has compacted."""
        with lance_explained(self.place):
            for _ in range(_TRIES - 1):
                try:
                    with lance_explained(self.place):
                        return work()
                except InputError as error:
                    if not is_missing_file(error.__cause__):
                        raise
                    self._table.checkout_latest()
            return work()

    def _write(self, change: Callable[[], object]) -> None:
        """Change the table, after all others that are about to; again where one came between."""
        with lance_explained(self.place), _turn(self.place):
            for again in range(_TRIES):
                try:
                    self._table.checkout_latest()
                    change()
                    return
                except (OSError, RuntimeError, ValueError) as error:
                    if again == _TRIES - 1 or not is_conflict(error):
                        raise
                    time.sleep(random.random() * 2**again / 10)  # noqa: S311


def open_lance(place: str, make: IndexMetadata | None = None) -> LanceStore:
    """Open an index, or make it; see :func:`~cupl.index.opening.open_store`."""
    import_lancedb()
    import lancedb

    with lance_explained(place):
        options = OPTIONS if url_scheme(place) else None
        database = lancedb.connect(
            place, read_consistency_interval=_AT_EACH_READ, storage_options=options
        )
        if _is_made(place, database):
            table = database.open_table(_TABLE)
        elif make is None:
            raise MissingFileError(f"{printable(place)}: there is no index of photos")
        else:
            table = _made(place, database, make)
        said = (table.schema.metadata or {}).get(METADATA_KEY.encode())
        metadata = parse_metadata(place, said)
        if not table.schema.equals(table_schema(metadata.dim, metadata.numbers)):
            raise InputError(f"{place} has other columns than an index of photos")
        return LanceStore(place, table, metadata)


def _is_made(place: str, database: Any) -> bool:
    if url_scheme(place):
        return _TABLE in database.list_tables().tables
    return is_index(place)  # not by its name alone: a run that was stopped may have left that


def _made(place: str, database: Any, make: IndexMetadata) -> Any:
    """The table, made unless another program has just done it."""
    if not url_scheme(place):
        Path(place).mkdir(exist_ok=True)
    with _turn(place):
        if _is_made(place, database):
            return database.open_table(_TABLE)
        text = make.model_dump_json()
        schema = table_schema(make.dim, make.numbers).with_metadata({METADATA_KEY: text})
        schema = schema.set(0, schema.field(ID).with_metadata(_KEY))
        return database.create_table(_TABLE, schema=schema, exist_ok=True)


def _turn(place: str) -> AbstractContextManager[None]:
    return nullcontext() if url_scheme(place) else taking_turns(Path(place))


def _bytes_in(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
