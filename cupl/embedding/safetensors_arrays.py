"""Tensors of a safetensors file, and the lists of texts that it says beside them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from safetensors import safe_open

from cupl.embedding.array_files import ROWS, Kind, NotReadError, StoredArray
from cupl.io.json import parse_json

_REAL = {"F64", "F32", "F16", "BF16"}
_WHOLE = {"I8", "I16", "I32", "I64", "U8", "U16", "U32", "U64"}


def open_safetensors(path: Path) -> Iterator[StoredArray]:
    """The tensors of a file, and each text of its metadata that is a JSON list of texts."""
    with safe_open(path, framework="pt") as file:
        for name in file.keys():  # noqa: SIM118 (it is no mapping)
            tensor = file.get_slice(name)
            kind, shape = tensor.get_dtype(), tuple(tensor.get_shape())
            held: Kind = "real" if kind in _REAL else "whole" if kind in _WHOLE else "other"
            yield StoredArray(name, shape, held, kind, partial(_blocks, path, name))
        said = file.metadata() or {}
    if "cupl" in said:
        raise NotReadError(
            "cupl wrote it: class vectors are named as vectors, and of shards of cupl embed the "
            "folder"
        )
    for name, text in said.items():
        if (texts := _texts(text)) is not None:
            listed = partial(_listed, texts)
            yield StoredArray(name, (len(texts),), "text", "JSON", listed)


def _blocks(path: Path, name: str, number: int) -> Iterator[Any]:
    with safe_open(path, framework="pt") as file:
        rows = file.get_slice(name)
        length = rows.get_shape()[0]
        for start in range(number * ROWS, length, ROWS):
            block = rows[start : min(start + ROWS, length)]
            yield (block.double() if block.is_floating_point() else block).numpy()


def _listed(texts: list[str], number: int) -> Iterator[Any]:
    for start in range(number * ROWS, len(texts), ROWS):
        yield texts[start : start + ROWS]


def _texts(text: str) -> list[str] | None:
    if not text.lstrip().startswith("["):
        return None
    try:
        found = parse_json(text)
    except (ValueError, RecursionError):
        return None
    whole = isinstance(found, list) and all(isinstance(one, str | int) for one in found)
    return list(map(str, found)) if whole else None
