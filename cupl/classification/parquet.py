"""Predictions as a Parquet file, in memory that does not grow with images or classes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import pyarrow as pa
from pyarrow.parquet import ParquetWriter, read_schema

from cupl.classification.ranked import ranked
from cupl.io.text import name_as_text

if TYPE_CHECKING:
    from cupl.bank.labels import ClassLabel
    from cupl.classification.prediction import Prediction, Score

ROW_GROUP = 10_000
"""Images in one row group at most."""
CELLS = 2**20
"""Classes of all images in one row group, unless one image alone has more: 12 MB of numbers."""

_COLUMNS = ["path", "label", "id", "score", "probability", "error", "top"]
_TEXTS = pa.dictionary(pa.int32(), pa.string())
_SCORE = pa.struct(
    {"label": _TEXTS, "id": _TEXTS, "score": pa.float32(), "probability": pa.float32()}
)
_SCORES = pa.list_(_SCORE)


def write_parquet(
    predictions: Iterable[Prediction], file: BinaryIO, more: Collection[str] = ()
) -> None:
    r"""The columns of the JSON lines, in row groups of so many images that their cells are bounded.

    Parquet's text is UTF-8: a file name that is not has its odd bytes spelled out, as ``\xff``.

    Args:
        predictions: read once.
        file: written to.
        more: of ``rejected`` and ``labels`` those that are wanted.

    """
    numbers = {"score": pa.float32(), "probability": pa.float32()}
    kinds = {"path": pa.string(), "label": pa.string(), "id": pa.string(), **numbers}
    kinds |= {"error": pa.string(), "top": _SCORES}
    last = {"rejected": pa.string(), "labels": _SCORES}
    schema = pa.schema(kinds | {name: kind for name, kind in last.items() if name in more})
    # Without Arrow's own schema in it the file says text, however the text was handed over.
    with ParquetWriter(file, schema, store_schema=False) as writer:
        for group in _groups(predictions):
            table = pa.table([_column(group, name) for name in schema.names], schema=schema)
            writer.write_table(table, row_group_size=ROW_GROUP)


def is_predictions(path: Path) -> bool:
    """Whether a Parquet file is one of these."""
    return begins_with(path, _COLUMNS)


def begins_with(path: Path, columns: list[str]) -> bool:
    """Whether the first columns of a Parquet file are these."""
    try:
        names: list[str] = read_schema(path).names
    except (OSError, pa.ArrowException):
        return False
    return names[: len(columns)] == columns


def _groups(predictions: Iterable[Prediction]) -> Iterator[list[Prediction]]:
    group: list[Prediction] = []
    cells = 0
    for prediction in predictions:
        more = len(prediction.top) + len(prediction.labels)
        if group and (cells + more > CELLS or len(group) == ROW_GROUP):
            yield group
            group, cells = [], 0
        group.append(prediction)
        cells += more
    if group:
        yield group


def _column(group: Sequence[Prediction], name: str) -> pa.Array[Any]:
    values = [getattr(prediction, name) for prediction in group]
    if name in ("top", "labels"):
        return _lists(values)
    if name == "path":
        values = [path and name_as_text(path) for path in values]
    return pa.array(values, pa.float32() if name in ("score", "probability") else pa.string())


def _lists(lists: Sequence[Sequence[Score]]) -> pa.Array[Any]:
    """Classes of each image, made of arrays without an object for a cell."""
    rows = [ranked(one) for one in lists]
    labels: list[ClassLabel] = []  # of all lists
    starts: dict[int, int] = {}  # where each list of them begins
    for row in rows:
        if id(row.labels) not in starts:
            starts[id(row.labels)] = len(labels)
            labels += row.labels
    offsets = np.cumsum([0, *map(len, rows)], dtype=np.int32)
    if not offsets[-1]:
        return pa.array([[] for _ in rows], _SCORES)
    order = np.concatenate([row.order + starts[id(row.labels)] for row in rows])
    numbers = [
        pa.array(np.concatenate([getattr(row, name) for row in rows]).astype(np.float32))
        for name in ("scores", "probabilities")
    ]
    names = _chosen([label.name for label in labels], order)
    ids = _chosen([label.id for label in labels], order)
    columns = pa.StructArray.from_arrays([names, ids, *numbers], fields=list(_SCORE))
    return pa.ListArray.from_arrays(pa.array(offsets), columns, type=_SCORES)


def _chosen(texts: Sequence[str | None], order: Any) -> pa.Array[Any]:
    """Some of the texts by their numbers; no text stands in the dictionary twice."""
    encoded = pa.array(texts, pa.string()).dictionary_encode()
    places = encoded.indices.fill_null(0).to_numpy()[order]
    missing = encoded.indices.is_null().to_numpy(zero_copy_only=False)[order]
    return pa.DictionaryArray.from_arrays(pa.array(places, mask=missing), encoded.dictionary)
