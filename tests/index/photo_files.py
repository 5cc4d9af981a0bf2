"""Tiny photos whose vectors are their first pixel's colour, and an encoder that counts."""

import io
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from cupl.index.known import KnownPhotos
from cupl.index.photo_index import PhotoIndex
from cupl.index.rows import ID, VECTOR, paths_of, rows_of, vector_matrix
from tests.models import HandMadeEncoder


class ColourEncoder(HandMadeEncoder):
    """Its vectors are red, green, blue, and one."""

    def __init__(self, fingerprint: str = "colours") -> None:
        super().__init__(fingerprint=fingerprint)
        self.dim = 4
        self.encoded = 0

    def prepare(self, image: Image.Image) -> torch.Tensor:
        red, green, blue = image.tobytes()[:3]
        return torch.tensor([red, green, blue, 1])

    def encode_prepared(self, images: torch.Tensor) -> torch.Tensor:
        self.encoded += len(images)
        return images.float()

    def encode_text(self, texts: Sequence[str]) -> torch.Tensor:
        return torch.ones(len(texts), 4)


def picture(number: int) -> bytes:
    """A photo of one pixel; another number is another content of the same size."""
    pixel = np.array([[[number % 251, number // 251 % 251, number // 63001 % 251]]], np.uint8)
    content = io.BytesIO()
    Image.fromarray(pixel).save(content, "PPM")
    return content.getvalue()


def put(path: Path, number: int, *, at: float | None = None) -> None:
    """Write a photo, with a time of its own where one is given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(picture(number))
    if at is not None:
        os.utime(path, (at, at))


def opened(place: Path | str, encoder: ColourEncoder | None = None) -> PhotoIndex:
    return PhotoIndex.open(place, encoder or ColourEncoder())


def content_of(index: PhotoIndex) -> dict[str, tuple[object, ...]]:
    """What an index holds, by path: all but labels and tags."""
    return dict(_rows(index))


def _rows(index: PhotoIndex) -> Iterator[tuple[str, tuple[object, ...]]]:
    from cupl.index.rows import COLUMNS

    for table in index.store.scan([*COLUMNS, VECTOR]):
        keys = table.column(ID).to_pylist()
        for key, row, vector in zip(keys, rows_of(table), vector_matrix(table), strict=True):
            assert key == row.id
            facts = (row.sha256, row.size, row.mtime_ns, row.width, row.height, row.root)
            yield row.path, (*facts, vector.tobytes())


def known(index: PhotoIndex) -> KnownPhotos:
    return KnownPhotos(index.store)


def vectors_of(index: PhotoIndex) -> dict[str, bytes]:
    """The vectors of an index, by path, as float16."""
    return {
        path: row.astype(np.float16).tobytes()
        for table in index.store.scan(["path", "raw_path", VECTOR])
        for path, row in zip(paths_of(table), vector_matrix(table), strict=True)
    }


def damage_vector(index: PhotoIndex, path: str, wrong: int) -> None:
    """Overwrite every byte of a photo's vector in the files of an index."""
    vector = vectors_of(index)[path]
    files = [file for file in Path(index.store.place).rglob("*.lance") if file.is_file()]
    for file in files:
        file.write_bytes(file.read_bytes().replace(vector, bytes([wrong]) * len(vector)))
