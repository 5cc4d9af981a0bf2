"""What the tests of ``cupl evaluate`` put on disk and read back."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from cupl.embedding.image_shards import ImageProvenance, Shard, ShardMetadata, write_shard
from cupl.encoders.loading import load_encoder
from tests.models import draw

ANIMALS = {
    "cat": ["A cat is small.", "a cat with the tree"],
    "dog": ["A dog.", "a large dog"],
    "tree frog": ["A tree frog.", "a small frog", "the frog has a tree"],
}


def add_images(folder: Path, number: int, seed: int = 0) -> None:
    folder.mkdir(parents=True)
    for i in range(number):
        draw(8, 8, 100 * seed + i).save(folder / f"{i}.png")


def found(directory: str | Path = "out") -> dict[str, Any]:
    content: dict[str, Any] = json.loads((Path(directory) / "evaluation.json").read_bytes())
    return content


def files_in(directory: str | Path) -> dict[str, bytes]:
    paths = Path(directory).rglob("*")
    return {str(path.relative_to(directory)): path.read_bytes() for path in paths if path.is_file()}


def save_vectors(directory: Path, clip: Path, paths: Sequence[str], vectors: torch.Tensor) -> None:
    directory.mkdir()
    provenance = ImageProvenance.of(load_encoder(str(clip)))
    metadata = ShardMetadata(shard=0, shard_size=len(paths), provenance=provenance)
    write_shard(directory, metadata, Shard([*paths], [None] * len(paths), vectors))
