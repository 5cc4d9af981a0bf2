r"""Image vectors on disk: a directory of shards, of which one at a time is in memory.

    vectors-00000.safetensors   "vectors", float32 [readable images, dim], not normalised
    images-00000.parquet        a row an image, in order: path, path_bytes, row, error

``row`` is the image's row of ``vectors``, or null where ``error`` says why it has none. A name that
is not UTF-8 has its odd bytes spelled out in ``path`` (``\xff``) and stands as it is in
``path_bytes``, which is null for all others. Both files say under the key ``cupl`` what made them.

A shard is whole when its Parquet file is there: it is written last, with the sha256 of the other.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import pyarrow as pa
import torch
from pydantic import BaseModel, ConfigDict, Field, StrictStr
from safetensors import SafetensorError
from safetensors.torch import load, save

from cupl.embedding.image_tables import open_image_table, read_image_table, write_image_table
from cupl.embedding.revisions import another_revision
from cupl.embedding.vectors_file import MAX_DIM
from cupl.encoders.fingerprint import image_fingerprint
from cupl.encoders.protocol import EncoderIdentity
from cupl.errors import InputError
from cupl.io.atomic import write_atomically
from cupl.io.reasons import reason
from cupl.io.version import cupl_version

MAX_SHARD_SIZE = 100_000
_MAX_HEADER_BYTES = 2**20
_AGAIN = "; move both files of this shard away, and a run that resumes (cupl embed) makes it again"


class ImageProvenance(BaseModel):
    """Where image vectors come from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    encoder: StrictStr
    revision: StrictStr | None = None
    fingerprint: StrictStr
    """Of all that decides the vector of an image: a pair's is that of its image encoder."""
    precision: StrictStr
    """Type of number that the encoder computed with; the vectors are float32."""
    dim: Annotated[int, Field(ge=1, le=MAX_DIM)]
    cupl: StrictStr = "0"

    @classmethod
    def of(cls, encoder: EncoderIdentity) -> ImageProvenance:
        """What an encoder's vectors say of it."""
        return cls(
            encoder=encoder.id,
            revision=encoder.revision,
            fingerprint=image_fingerprint(encoder),
            precision=encoder.precision,
            dim=encoder.dim,
            cupl=cupl_version(),
        )

    def check_encoder(
        self, encoder: EncoderIdentity, again: str = "embed the images again into another directory"
    ) -> None:
        """Accept only an encoder that makes the same vectors; equal width proves nothing.

        Args:
            encoder: the one that is to be used with them.
            again: how to make them anew.

        Raises:
            InputError: the fingerprints differ, or the width in a file made by hand.

        """
        if (image_fingerprint(encoder), encoder.dim) == (self.fingerprint, self.dim):
            return
        raise another_revision(
            "image vectors", self.encoder, self.revision, encoder, again
        ) or InputError(
            f"these image vectors were made by {self}, not by {ImageProvenance.of(encoder)}: "
            f"use that encoder, or {again}"
        )

    def __str__(self) -> str:
        """The encoder, as an error names it; what a file says is cut short."""
        return (
            f"the encoder {self.encoder!r:.100} (fingerprint {self.fingerprint[:12]!r}, "
            f"{self.precision:.20}, {self.dim} wide)"
        )


class ShardMetadata(BaseModel):
    """What both files of a shard say. One JSON text: safetensors shuffles several."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["cupl-embeddings/1"] = "cupl-embeddings/1"
    shard: Annotated[int, Field(ge=0)]
    shard_size: Annotated[int, Field(ge=1, le=MAX_SHARD_SIZE)]
    provenance: ImageProvenance


@dataclass(frozen=True, eq=False)
class Shard:
    """Images that follow one another, and the vectors of the readable ones.

    Attributes:
        paths: every image, in order.
        errors: for each why it could not be read, or None.
        vectors: float32 ``[readable images, dim]``, not normalised.

    """

    paths: list[str]
    errors: list[str | None]
    vectors: torch.Tensor

    @property
    def readable(self) -> list[str]:
        """The path of each row of ``vectors``."""
        return [path for path, error in zip(self.paths, self.errors, strict=True) if error is None]


def images_file(directory: Path, number: int) -> Path:
    """Where the paths and errors of a shard are."""
    return directory / f"images-{number:05}.parquet"


def vectors_file(directory: Path, number: int) -> Path:
    """Where the vectors of a shard are."""
    return directory / f"vectors-{number:05}.safetensors"


def shard_numbers(directory: Path, kind: Literal["images", "vectors"]) -> list[int]:
    """Sorted numbers of the files of one kind; a directory that is not there has none.

    Raises:
        InputError: the directory cannot be listed.

    """
    file_of = images_file if kind == "images" else vectors_file
    try:
        names = set(os.listdir(directory))  # noqa: PTH208 (names, not paths)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise InputError(f"cannot list {directory}: {reason(error)}") from error
    found = (re.match(rf"{kind}-([0-9]{{5,9}})\.", name) for name in names)
    numbers = {int(match[1]) for match in found if match}
    return sorted(number for number in numbers if file_of(directory, number).name in names)


def write_shard(directory: Path, metadata: ShardMetadata, shard: Shard) -> None:
    """Write both files of a shard, each whole or not at all, the Parquet file last.

    Raises:
        MissingFileError: the directory does not exist.
        InputError: a file cannot be written, or one that cupl did not write is in the way.

    """
    images = images_file(directory, metadata.shard)
    vectors = vectors_file(directory, metadata.shard)
    _check_replaceable(vectors)
    text = metadata.model_dump_json()
    data = save({"vectors": shard.vectors.contiguous()}, {"cupl": text})
    keys = {"cupl": text, "sha256": hashlib.sha256(data).hexdigest()}
    table = io.BytesIO()
    write_image_table(shard.paths, shard.errors, keys, table)
    try:
        # The old table must not be seen beside new vectors.
        images.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"cannot write {images}: {reason(error)}") from error
    write_atomically(vectors, data)
    write_atomically(images, table.getvalue())


def read_shard(directory: Path, number: int) -> tuple[ShardMetadata, Shard]:
    """Read a shard and check all of it.

    Raises:
        InputError: it is damaged, or cupl did not write it.

    """
    with _opened_table(directory, number) as (metadata, table):
        paths, errors = read_image_table(table)
        digest = table.metadata.metadata.get(b"sha256", b"").decode()
    vectors = vectors_file(directory, number)
    try:
        matrix = _read_vectors(vectors, digest, errors.count(None), metadata.provenance.dim)
    except InputError as error:
        raise InputError(f"{vectors}: {error}{_AGAIN}") from error
    except OSError as error:
        raise InputError(f"{vectors}: {reason(error)}{_AGAIN}") from error
    return metadata, Shard(paths, errors, matrix)


def count_images(directory: Path, number: int) -> tuple[ShardMetadata, int]:
    """What a shard says of itself, and how many images it has: read from the end of its table.

    Raises:
        InputError: the table is damaged, or cupl did not write it.

    """
    with _opened_table(directory, number) as (metadata, table):
        return metadata, table.metadata.num_rows


def read_paths(directory: Path, number: int) -> tuple[ShardMetadata, list[str]]:
    """What a shard says of itself, and the paths of its images; no vector is read.

    Raises:
        InputError: the table is damaged, or cupl did not write it.

    """
    with _opened_table(directory, number) as (metadata, table):
        paths, _ = read_image_table(table)
        return metadata, paths


@contextlib.contextmanager
def _opened_table(directory: Path, number: int) -> Iterator[tuple[ShardMetadata, Any]]:
    """A Parquet file of which only the footer has been read and checked, and its metadata."""
    file = images_file(directory, number)
    try:
        _check_regular(file)
        with open_image_table(file) as table:
            metadata = _checked_footer(table)
            if metadata.shard != number:
                raise InputError(f"this is shard {metadata.shard}, under another name")
            yield metadata, table
    except InputError as error:
        raise InputError(f"{file}: {error}{_AGAIN}") from error
    except (ValueError, OSError, pa.ArrowException) as error:
        raise InputError(f"{file}: damaged, or not written by cupl{_AGAIN}") from error


def _checked_footer(table: Any) -> ShardMetadata:
    footer = table.metadata
    keys = footer.metadata or {}
    if b"cupl" not in keys:
        raise InputError("cupl did not write it")
    metadata = ShardMetadata.model_validate_json(keys[b"cupl"])
    if not 0 < footer.num_rows <= metadata.shard_size:
        raise InputError(
            f"{footer.num_rows:,} images in a shard of at most {metadata.shard_size:,}"
        )
    groups = (footer.row_group(number).num_rows for number in range(footer.num_row_groups))
    if sum(groups) != footer.num_rows:
        raise InputError("it does not say itself how many images it has")
    return metadata


def _read_vectors(file: Path, digest: str, rows: int, dim: int) -> torch.Tensor:
    _check_regular(file)
    with file.open("rb") as stream:
        data = stream.read(rows * dim * 4 + _MAX_HEADER_BYTES)
    if hashlib.sha256(data).hexdigest() != digest:
        raise InputError("damaged, or not the vectors of these images")
    try:
        matrix = load(data).get("vectors")
    except SafetensorError as error:
        raise InputError("not a whole safetensors file") from error
    if matrix is None or matrix.dtype != torch.float32 or matrix.shape != (rows, dim):
        raise InputError(f"needed are vectors of float32 [{rows}, {dim}]")
    return matrix


def _check_regular(file: Path) -> None:
    if not file.is_file():  # a pipe would wait for a writer
        raise InputError("this is no regular file" if os.path.lexists(file) else "it is missing")


def _check_replaceable(vectors: Path) -> None:
    """Whether these are vectors without a table, as a killed run leaves them, or nothing."""
    if not os.path.lexists(vectors):
        return
    try:
        _check_regular(vectors)
        # Not with safe_open, which wants a name that is UTF-8.
        with vectors.open("rb") as stream:
            size = int.from_bytes(stream.read(8), "little")
            header = json.loads(stream.read(min(size, _MAX_HEADER_BYTES)))
        ShardMetadata.model_validate_json(header["__metadata__"]["cupl"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(
            f"{vectors} is in the way and cupl did not write it: move it, or name another directory"
        ) from error
