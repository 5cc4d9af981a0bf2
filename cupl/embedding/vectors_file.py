"""The file of class vectors: matrices as safetensors, and one JSON text on what they are."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, StrictStr
from safetensors.torch import load, save

from cupl.bank.labels import ClassLabel
from cupl.embedding.provenance import Provenance
from cupl.errors import InputError
from cupl.io.file_kinds import CLASS_VECTORS
from cupl.io.json import check_brackets, parse_json
from cupl.io.replacing import of_kind, open_replacing
from cupl.io.text import MAX_TEXT_BYTES

MAX_DIM = 2**16
"""Numbers in a vector."""
_MOST_MATRICES = 8
"""In one file, each of at most so many numbers as vectors of its classes can have."""
VECTORS, PARTS = "vectors", "parts."
"""A name, and what the names of the parts of classes begin with."""
_MOST_PARTS = 1000
"""Times as many numbers as vectors of the classes can have."""


class VectorsMetadata(BaseModel):
    """What the file says beside the matrices. One JSON text: safetensors shuffles several."""

    model_config = ConfigDict(extra="forbid")

    format: Literal["cupl-vectors/1"] = "cupl-vectors/1"
    labels: list[ClassLabel]
    provenance: Provenance
    sha256: StrictStr | None = None
    """Of this text, with nothing in this place, and the matrices; 0.1.0 wrote none."""


def write_vectors(
    path: Path,
    labels: list[ClassLabel],
    provenance: Provenance,
    tensors: Mapping[str, torch.Tensor],
) -> None:
    """Write a file whole or not at all; equal content gives equal bytes.

    What is no class vectors is not replaced but kept as ``PATH.old``.

    Args:
        path: the file.
        labels: the classes.
        provenance: where the vectors come from.
        tensors: by name; among them ``vectors``.

    """
    whole = {name: values.contiguous().cpu() for name, values in tensors.items()}
    metadata = VectorsMetadata(labels=labels, provenance=provenance, sha256="")
    plain = save(whole)
    numbers = plain[8 + int.from_bytes(plain[:8], "little") :]
    metadata.sha256 = _digest(metadata.model_dump_json(), numbers)
    with open_replacing(path, of_kind(CLASS_VECTORS)) as file:
        file.write(save(whole, {"cupl": metadata.model_dump_json()}))


def read_vectors(path: Path) -> tuple[VectorsMetadata, dict[str, torch.Tensor]]:
    """What is in a file; no more is read than vectors of its classes take.

    Raises:
        InputError: cupl did not write it, or something has changed in it.
        OSError, ValueError: it cannot be read, or is no safetensors file.

    """
    if not path.is_file():  # a pipe would wait for a writer
        raise OSError("no regular file")
    with path.open("rb") as file:
        begin = file.read(8)
        size = int.from_bytes(begin, "little")
        if size > MAX_TEXT_BYTES:
            raise ValueError("it does not begin with its header")
        begin += file.read(size)
        header = parse_json(begin[8:])
        header = header if isinstance(header, dict) else {}
        text = (header.get("__metadata__") or {}).get("cupl")
        if text is None or VECTORS not in header:
            raise InputError("cupl did not write them")
        check_brackets(text)
        metadata = VectorsMetadata.model_validate_json(text)
        matrices = min(len(header) - 1, _MOST_MATRICES)
        matrices += _MOST_PARTS * any(name.startswith(PARTS) for name in header)
        most = max(len(metadata.labels), 1) * MAX_DIM * 4 * matrices
        if path.stat().st_size - len(begin) > most:
            raise InputError(f"larger than vectors of {len(metadata.labels):,} classes can be")
        numbers = file.read(most)
    found = metadata.sha256
    tensors = load(begin + numbers)
    if found is not None and _digest(text.replace(found, "", 1), numbers) != found:
        raise InputError("they are damaged (another checksum): encode the bank again")
    return metadata, tensors


def _digest(text: str, numbers: bytes) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass") + numbers).hexdigest()
