"""An index in a Milvus or Zilliz cluster, through pymilvus."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pymilvus import DataType, MilvusClient, MilvusException

from cupl.errors import InputError, MissingFileError
from cupl.index.brute import brute_search
from cupl.index.cluster import ClusterAddress, parse_cluster
from cupl.index.cluster_faults import cluster_errors, deadlines
from cupl.index.metadata import METADATA_KEY, IndexMetadata, parse_metadata
from cupl.index.rows import COLUMNS, ID, SCORE, VECTOR, table_schema, vector_column, vector_matrix
from cupl.index.store import APPROXIMATE_FROM, StoreInfo
from cupl.index.where import Where

_CONNECT_SECONDS, _MOST_FOUND = 5, 16_384
_TRIES: dict[str, Any] = {"retry_times": 4}
"""pymilvus would go on for minutes where the cluster has gone."""
_MESSAGE_BYTES = 16 << 20  # a quarter of what servers take
_TEXT = {"datatype": DataType.VARCHAR, "max_length": 65_535}
_TYPES: dict[Any, dict[str, Any]] = {
    pa.string(): _TEXT,
    pa.int32(): {"datatype": DataType.INT32},
    pa.int64(): {"datatype": DataType.INT64},
    pa.float32(): {"datatype": DataType.FLOAT},
    pa.float64(): {"datatype": DataType.DOUBLE},
    pa.list_(pa.string()): _TEXT | {
        "datatype": DataType.ARRAY, "element_type": DataType.VARCHAR, "max_capacity": 4096,
    },
}  # fmt: skip
_NULLABLE = {"raw_path", "width", "height", "date", "latitude", "longitude", "label", "probability"}


class MilvusStore:
    """A collection of a cluster. What is written is seen by every read that begins after it."""

    def __init__(self, address: ClusterAddress, client: Any, metadata: IndexMetadata) -> None:
        self.place, self.metadata = address.place, metadata
        self._address, self._client, self._name = address, client, address.collection
        self._schema = table_schema(metadata.dim, metadata.numbers)

    def add(self, rows: Any, gone: Sequence[str] = ()) -> None:
        """See :class:`~cupl.index.store.PhotoStore`.

        A cluster takes messages of some size only: of rows that are more, those of the first stay
        if a later one fails, until they are added again. What is gone is removed after that.
        """
        size = rows.nbytes // max(1, len(rows)) + 4 * self.metadata.dim
        at_once = max(1, _MESSAGE_BYTES // size)
        with cluster_errors(self._address):
            for start in range(0, len(rows), at_once):
                part = rows.slice(start, at_once)
                records = part.drop_columns(VECTOR).to_pylist()
                for record, vector in zip(records, vector_matrix(part), strict=True):
                    record[VECTOR] = vector
                self._client.upsert(self._name, records, **_TRIES)
        self.delete(gone)

    def delete(self, ids: Sequence[str]) -> None:
        """See :class:`~cupl.index.store.PhotoStore`."""
        with cluster_errors(self._address):
            for start in range(0, len(ids), 1000):
                self._client.delete(self._name, ids=list(ids[start : start + 1000]), **_TRIES)

    def search(
        self,
        queries: npt.NDArray[np.float32],
        k: int,
        where: Where | None = None,
        *,
        exact: bool = False,
        vectors: bool = False,
    ) -> list[Any]:
        """See :class:`~cupl.index.store.PhotoStore`; a cluster finds at most 16,384 at once."""
        if k > _MOST_FOUND:
            raise InputError(f"a cluster finds {_MOST_FOUND:,} photos at most, not {k:,}",
                             arguments={"top_k": _MOST_FOUND})  # fmt: skip
        if exact and self.info().ann:
            return brute_search(self, queries, k, where, vectors=vectors)
        columns = [*COLUMNS, *([VECTOR] if vectors else [])]
        tables, at_once = [], max(1, min(1000, _MOST_FOUND // k))
        with cluster_errors(self._address):
            for start in range(0, len(queries), at_once):
                found = self._client.search(
                    self._name, list(np.asarray(queries[start : start + at_once], np.float32)),
                    filter=where.milvus if where else "", limit=k, output_fields=columns,
                    search_params={"params": {"ef": max(128, 2 * k)}}, **_TRIES,
                )  # fmt: skip
                for hits in found:
                    scores = pa.array([hit["distance"] for hit in hits], pa.float32())
                    table = self._table([hit["entity"] for hit in hits], columns)
                    tables.append(table.append_column(SCORE, scores))
        return tables

    def scan(self, columns: Sequence[str], where: Where | None = None) -> Iterator[Any]:
        """See :class:`~cupl.index.store.PhotoStore`."""
        with cluster_errors(self._address):
            rows = self._client.query_iterator(
                self._name, batch_size=1000 if VECTOR in columns else 10_000,
                filter=where.milvus if where else "", output_fields=list(columns), **_TRIES,
            )  # fmt: skip
            while records := rows.next():
                yield self._table(records, columns)

    def count(self, where: Where | None = None) -> int:
        """See :class:`~cupl.index.store.PhotoStore`."""
        with cluster_errors(self._address):
            (counted,) = self._client.query(
                self._name, filter=where.milvus if where else "", output_fields=["count(*)"],
                **_TRIES,
            )  # fmt: skip
            return int(counted["count(*)"])

    def info(self) -> StoreInfo:
        """See :class:`~cupl.index.store.PhotoStore`."""
        with cluster_errors(self._address):
            index = self._client.describe_index(self._name, VECTOR, **_TRIES) or {}
        kind = index.get("index_type")
        if kind in ("FLAT", "BRUTE_FORCE"):
            return StoreInfo(self.count(), None)
        return StoreInfo(self.count(), None, kind, int(index.get("pending_index_rows", 0)))

    def compact(self) -> None:
        """See :class:`~cupl.index.store.PhotoStore`; while it is indexed, searches fail."""
        info = self.info()
        with cluster_errors(self._address):
            self._client.flush(self._name)
            self._client.compact(self._name)
            if info.rows >= APPROXIMATE_FROM and info.ann is None:
                self._client.release_collection(self._name)
                self._client.drop_index(self._name, VECTOR)
                _build(self._client, self._name, "HNSW", {"M": 16, "efConstruction": 200})
            self._client.load_collection(self._name)

    def _table(self, records: list[Any], columns: Sequence[str]) -> Any:
        arrays = []
        for name in columns:
            values = [record[name] for record in records]
            if name == VECTOR:
                matrix = np.array(values, np.float32).reshape(len(values), self.metadata.dim)
                arrays.append(vector_column(matrix, self.metadata.numbers))
            else:
                arrays.append(pa.array(values, self._schema.field(name).type))
        return pa.table(arrays, pa.schema([self._schema.field(name) for name in columns]))


def open_milvus(place: str, make: IndexMetadata | None = None) -> MilvusStore:
    """Open an index, or make it; see :func:`~cupl.index.opening.open_store`."""
    address = parse_cluster(place)
    logging.getLogger("pymilvus").setLevel(logging.CRITICAL)  # its errors are told here
    with cluster_errors(address):
        client = MilvusClient(
            address.server, token=address.token, db_name=address.database, dedicated=True,
            timeout=_CONNECT_SECONDS,
            # Servers hang up on whom they get more pings from than one in five minutes.
            grpc_options={"grpc.service_config": deadlines(), "grpc.keepalive_time_ms": 300_000},
        )  # fmt: skip
        name = address.collection
        if not client.has_collection(name, **_TRIES):
            if make is None:
                raise MissingFileError(f"{address.place}: there is no index of photos")
            with suppress(MilvusException):  # another may have made it just now
                _make(client, name, make)
        described = client.describe_collection(name, **_TRIES)
        said = dict(described.get("properties") or {}).get(METADATA_KEY)
        metadata = parse_metadata(address.place, said)
        if {field["name"] for field in described["fields"]} != {*COLUMNS, VECTOR}:
            raise InputError(f"{address.place} has other columns than an index of photos")
        if not client.list_indexes(name, **_TRIES):
            _build(client, name, "FLAT", {})
        client.load_collection(name, **_TRIES)
        return MilvusStore(address, client, metadata)


def _make(client: Any, name: str, make: IndexMetadata) -> None:
    schema = MilvusClient.create_schema(enable_dynamic_field=False)
    for column in table_schema(make.dim, make.numbers):
        if column.name == VECTOR:
            schema.add_field(VECTOR, DataType.FLOAT_VECTOR, dim=make.dim)
        else:
            nullable = column.name in _NULLABLE
            schema.add_field(column.name, is_primary=column.name == ID, nullable=nullable,
                             **_TYPES[column.type])  # fmt: skip
    client.create_collection(
        name, schema=schema, properties={METADATA_KEY: make.model_dump_json()},
        consistency_level="Strong", **_TRIES,
    )  # fmt: skip


def _build(client: Any, name: str, kind: str, params: dict[str, int]) -> None:
    index = MilvusClient.prepare_index_params()
    index.add_index(VECTOR, index_type=kind, metric_type="COSINE", params=params)
    client.create_index(name, index)
