"""An index in a folder or an object store, kept by LanceDB."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lancedb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cupl.embedding.image_sources import url_scheme
from cupl.errors import InputError, MissingFileError
from cupl.index.metadata import METADATA_KEY, IndexMetadata, parse_metadata
from cupl.index.rows import COLUMNS, ID, SCORE, VECTOR, table_schema
from cupl.index.store import StoreInfo
from cupl.index.where import Where, where_in
from cupl.io.reasons import reason

_TABLE = "photos"
_AT_ONCE = 1000
"""Keys in one condition."""


class LanceStore:
    """The table ``photos`` of a LanceDB database."""

    def __init__(self, place: str, table: Any, metadata: IndexMetadata) -> None:
        self.place, self.metadata, self._table = place, metadata, table

    def add(self, rows: Any) -> None:
        """See :class:`~cupl.index.store.PhotoStore`."""
        with _explained(self.place):
            merge = self._table.merge_insert(ID)
            merge.when_matched_update_all().when_not_matched_insert_all().execute(rows)

    def delete(self, ids: Sequence[str]) -> None:
        """See :class:`~cupl.index.store.PhotoStore`."""
        with _explained(self.place):
            for start in range(0, len(ids), _AT_ONCE):
                self._table.delete(where_in(ID, ids[start : start + _AT_ONCE]).lance)

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
        with _explained(self.place):
            return [self._nearest(query, k, where, exact, vectors) for query in queries]

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
        found = search.to_arrow()
        scores = pa.array(1 - found.column("_distance").to_numpy(), pa.float32())
        return found.drop_columns("_distance").append_column(SCORE, scores)

    def scan(self, columns: Sequence[str], where: Where | None = None) -> Iterator[Any]:
        """See :class:`~cupl.index.store.PhotoStore`."""
        with _explained(self.place):
            search = self._table.search().select(list(columns))
            if where is not None:
                search = search.where(where.lance)
            for batch in search.to_batches():
                yield pa.Table.from_batches([batch])

    def count(self, where: Where | None = None) -> int:
        """See :class:`~cupl.index.store.PhotoStore`."""
        with _explained(self.place):
            return int(self._table.count_rows(None if where is None else where.lance))

    def info(self) -> StoreInfo:
        """See :class:`~cupl.index.store.PhotoStore`."""
        with _explained(self.place):
            size = None if url_scheme(self.place) else _bytes_in(Path(self.place))
            return StoreInfo(self.count(), size)

    def compact(self) -> None:
        """See :class:`~cupl.index.store.PhotoStore`."""
        with _explained(self.place):
            self._table.optimize()


def open_lance(place: str, make: IndexMetadata | None = None) -> LanceStore:
    """Open an index, or make it; see :func:`~cupl.index.opening.open_store`."""
    with _explained(place):
        if not url_scheme(place):
            _check_folder(Path(place), make is not None)
        database = lancedb.connect(place)
        if _TABLE in database.list_tables().tables:
            table = database.open_table(_TABLE)
        elif make is None:
            raise MissingFileError(f"{place}: there is no index of photos")
        else:
            text = make.model_dump_json()
            schema = table_schema(make.dim, make.numbers).with_metadata({METADATA_KEY: text})
            table = database.create_table(_TABLE, schema=schema, exist_ok=True)
        said = (table.schema.metadata or {}).get(METADATA_KEY.encode())
        metadata = parse_metadata(place, said)
        if not table.schema.equals(table_schema(metadata.dim, metadata.numbers)):
            raise InputError(f"{place} has other columns than an index of photos")
        return LanceStore(place, table, metadata)


def _check_folder(folder: Path, make: bool) -> None:
    """LanceDB would make what it is asked to read, and write beside anything."""
    if not os.path.lexists(folder):
        if not make:
            raise MissingFileError(f"{folder}: there is no such index")
    elif not folder.is_dir():
        raise InputError(f"{folder} is a file, and an index is a folder")
    elif not (folder / f"{_TABLE}.lance").is_dir() and any(folder.iterdir()):
        raise InputError(f"{folder} holds something else than an index of photos: name another")


@contextmanager
def _explained(place: str) -> Iterator[None]:
    """What LanceDB raises, in a sentence."""
    try:
        yield
    except OSError as error:
        if isinstance(error, MissingFileError):
            raise
        raise InputError(f"{place}: {reason(error)}") from error
    except InputError:
        raise
    except (ValueError, RuntimeError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"the index {place} cannot be used: {first[:300]}") from error


def _bytes_in(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
