"""Image vectors that were made elsewhere, read as what ``cupl embed`` wrote."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch

from cupl.embedding.array_files import ARRAY_ENDINGS, ROWS, Blocks, StoredArray, open_arrays
from cupl.embedding.array_roles import labels_in, paths_in, vectors_in
from cupl.embedding.class_vectors import ClassVectors
from cupl.embedding.image_shards import ImageProvenance, Shard
from cupl.embedding.normalize import has_direction
from cupl.embedding.provenance import ELSEWHERE
from cupl.embedding.stored_vectors import Embeddings
from cupl.encoders.loading import named_encoder
from cupl.encoders.protocol import Encoder
from cupl.errors import InputError
from cupl.io.terminal import printable
from cupl.io.version import cupl_version

Maker: TypeAlias = Encoder | ImageProvenance | ClassVectors | str | os.PathLike[str]
"""Who made vectors: an encoder or its name, or the one that made other vectors."""
UNKNOWN_PRECISION = "unknown"
"""What the encoder computed with, of which no file says anything."""
_NO_VECTOR = "its vector is missing, of another width, zero or not finite"
_NUMBERED = re.compile(r"(?P<what>\w+?)_(?P<number>\d+)")


@dataclass(frozen=True, eq=False)
class VectorFile:
    """One file of image vectors.

    Attributes:
        path: of the file.
        vectors: float numbers ``[images, dim]``.
        names: a path or id of each row, where there are any, and the file that they are in.
        labels: likewise.
        first: how many rows the files before it have.

    """

    path: Path
    vectors: StoredArray
    names: tuple[Path, StoredArray] | None
    labels: tuple[Path, StoredArray] | None
    first: int = 0

    @cached_property
    def rows(self) -> Blocks:
        """Its vectors."""
        return Blocks(self.path, self.vectors)

    @cached_property
    def named(self) -> Blocks | None:
        """Its paths."""
        return None if self.names is None else Blocks(*self.names)

    @property
    def shards(self) -> int:
        """Blocks of rows."""
        return -(-len(self.vectors) // ROWS)

    def size_of(self, number: int) -> int:
        """Rows of a block."""
        return min(ROWS, len(self.vectors) - number * ROWS)

    def paths(self, number: int) -> list[str]:
        """The names of a block; the number of the row where there is none."""
        size, start = self.size_of(number), self.first + number * ROWS
        given = [None] * size if self.named is None else list(self.named[number])
        paths = [
            str(start + row) if one is None or one == "" else str(one)
            for row, one in enumerate(given)
        ]
        if any("\0" in one for one in paths):
            raise InputError(f"{self.path}: a path with a NUL, which no file has")
        return paths

    def shard(self, number: int) -> Shard:
        """The vectors of a block, those left out that have no direction."""
        with np.errstate(over="ignore", invalid="ignore"):
            rows = torch.from_numpy(np.asarray(self.rows[number]).astype(np.float32, order="C"))
        good = has_direction(rows)
        errors = [None if one else _NO_VECTOR for one in good.tolist()]
        return Shard(self.paths(number), errors, rows if good.all() else rows[good])


@dataclass(frozen=True)
class ForeignEmbeddings(Embeddings):
    """Image vectors in files of other programs; nothing in them says which encoder made them.

    Attributes:
        files: in order; ``directory`` is the first.

    """

    files: tuple[VectorFile, ...] = field(default=(), repr=False)

    @property
    def has_files(self) -> bool:
        """Whether all rows are named by what may be a path."""
        return all(one.names is not None and one.names[1].kind == "text" for one in self.files)

    def size_of(self, number: int) -> int:
        """How many rows a shard has."""
        file, block = self._place(number)
        return file.size_of(block)

    def shard(self, number: int) -> Shard:
        """Read one of the shards; a row without a direction is an image that cannot be read.

        Raises:
            InputError: a file is damaged, or has changed.

        """
        file, block = self._place(number)
        return file.shard(block)

    def paths(self) -> Iterator[list[str]]:
        """The paths of each shard, or the numbers of its rows."""
        for file in self.files:
            yield from map(file.paths, range(file.shards))

    def labels(self) -> list[str] | None:
        """The label of each row, where the files have them; empty where one has none."""
        if any(file.labels is None for file in self.files):
            return None
        return [
            "" if label is None else str(label)
            for file in self.files if file.labels is not None
            for blocks in [Blocks(*file.labels)]
            for number in range(file.shards)
            for label in blocks[number]
        ]  # fmt: skip

    def made_ns(self, number: int) -> int:
        """When the file of a shard was written, in nanoseconds."""
        return self._place(number)[0].path.stat().st_mtime_ns

    def _place(self, number: int) -> tuple[VectorFile, int]:
        for file in self.files:
            if number < file.shards:
                return file, number
            number -= file.shards
        raise IndexError(number)


def is_vector_file(source: str | os.PathLike[str]) -> bool:
    """Whether a name is that of a file of vectors, by its ending; the file has to be there."""
    name = os.fspath(source)
    return name.lower().endswith(ARRAY_ENDINGS) and not os.path.isdir(name)  # noqa: PTH112


def open_vector_files(
    sources: Sequence[str | os.PathLike[str]], made_by: ImageProvenance | None
) -> ForeignEmbeddings:
    """Open files of image vectors that somebody says were made by an encoder.

    Args:
        sources: ``.npy``, ``.npz``, ``.parquet`` or ``.safetensors``; several are taken together.
        made_by: the encoder; equal width proves nothing, but another width disproves it. None
            where whoever asks finds that out.

    Raises:
        MissingFileError: one is not there.
        InputError: one holds no vectors, several that may be meant, or of another width.

    """
    files, first = list[VectorFile](), 0
    for source in sources:
        file = _opened(Path(source), first)
        width = file.vectors.shape[1] or 0
        made_by = made_by or _nobody(width)
        if width != made_by.dim:
            raise InputError(
                f"the vectors in {printable(str(file.path))} are {width:,} wide, and those of "
                f"{made_by.encoder!r:.100} {made_by.dim:,}: name the encoder that made them",
                arguments={"encoder": ...},
            )
        files.append(file)
        first += len(file.vectors)
    shards = sum(file.shards for file in files)
    assert made_by is not None  # noqa: S101 (there is a file)
    return ForeignEmbeddings(files[0].path, made_by, shards, tuple(files))


def _opened(path: Path, first: int) -> VectorFile:
    arrays = open_arrays(path)
    vectors = vectors_in(path, arrays, "images")
    beside, others = path, arrays
    if path.suffix.lower() == ".npy" and (table := _metadata_of(path)) is not None:
        beside, others = table, open_arrays(table)
    names, labels = paths_in(beside, others, vectors), labels_in(beside, others, vectors)
    return VectorFile(
        path,
        vectors,
        None if names is None else (beside, names),
        None if labels is None else (beside, labels),
        first,
    )


def _metadata_of(path: Path) -> Path | None:
    """``metadata_0.parquet`` of ``img_emb_0.npy``, as clip-retrieval lays them out."""
    match = _NUMBERED.fullmatch(path.stem)
    if match is None:
        return None
    name = f"metadata_{match['number']}.parquet"
    for folder in (path.parent, path.parent.parent / "metadata"):
        if (folder / name).is_file():
            return folder / name
    return None


def _nobody(width: int) -> ImageProvenance:
    return ImageProvenance(
        encoder="unknown", fingerprint=ELSEWHERE, precision=UNKNOWN_PRECISION, dim=width
    )


def said_maker(file: str | os.PathLike[str], encoder: Maker | None) -> ImageProvenance:
    """Where vectors come from that nothing is known of but what somebody says.

    Args:
        file: for the message.
        encoder: that is said to have made them.

    Raises:
        InputError: none is named.
        CuplError: it cannot be loaded.

    """
    if encoder is None:
        raise InputError(
            f"{printable(os.fspath(file))} says nothing of the encoder that made its vectors: "
            "name it",
            arguments={"encoder": ...},
        )
    if isinstance(encoder, ImageProvenance):
        made_by = encoder
    elif isinstance(encoder, ClassVectors):
        known = encoder.provenance
        made_by = ImageProvenance(
            encoder=known.encoder,
            revision=known.revision,
            fingerprint=known.fingerprint,
            precision=UNKNOWN_PRECISION,
            dim=encoder.matrix.shape[1],
            cupl=cupl_version(),
        )
    else:
        made_by = ImageProvenance.of(named_encoder(encoder))
    return made_by.model_copy(update={"precision": UNKNOWN_PRECISION})
