"""What adapting to photos costs: run ``python -m tests.benchmarks.bench_adaptation_speed``.

100,000 image vectors as wide as CLIP's in 1,000 classes, with a gap between photos and texts. They
are a tensor, or shards on disk as ``cupl embed`` writes them. Printed are the seconds, the memory
that the process grew by at its highest, in MB, and beside them those of classifying the same
vectors once. Compare seconds of the processor: others may use it. Each way has its own process.
"""

import json
import os
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch.nn.functional import normalize

from cupl.adaptation.photos import adapt_to_photos
from cupl.classification.classifier import ZeroShotClassifier
from cupl.embedding.class_vectors import ClassVectors
from cupl.embedding.image_shards import ImageProvenance, Shard, ShardMetadata, write_shard
from cupl.embedding.image_vectors import load_embeddings
from cupl.io.version import cupl_version
from tests.benchmarks.bench_predict import peak

IMAGES, CLASSES, WIDTH, SHARD = 100_000, 1_000, 512, 10_000
WAYS = ("classify", "adapt, tensor", "adapt, shards")
_ENCODER, _FINGERPRINT = "made", "0" * 64


def made_classes() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Directions of the classes, that in which photos are shifted, and class vectors.

    Class vectors know the classes roughly, and are shifted the other way.
    """
    random = torch.Generator().manual_seed(0)
    places = normalize(torch.randn(CLASSES, WIDTH, generator=random))
    noise = torch.randn(CLASSES, WIDTH, generator=random) / WIDTH**0.5
    shift = normalize(torch.randn(1, WIDTH, generator=random))
    return places, shift, normalize(normalize(places + 2.5 * noise) - 2 * shift)


def made_photos() -> Iterator[torch.Tensor]:
    """Shards of image vectors: around their class, and all of them shifted."""
    places, shift, _ = made_classes()
    for start in range(0, IMAGES, SHARD):
        random = torch.Generator().manual_seed(1 + start)
        classes = torch.randint(CLASSES, (SHARD,), generator=random)
        noise = torch.randn(SHARD, WIDTH, generator=random) / WIDTH**0.5
        yield normalize(0.4 * places[classes] + shift + 0.5 * noise)


def in_memory() -> torch.Tensor:
    """All of them, without a copy, which would count as what the process held."""
    photos = torch.empty(IMAGES, WIDTH)
    for rows, made in zip(torch.split(photos, SHARD), made_photos(), strict=True):
        rows.copy_(made)
    return photos


def class_vectors() -> ClassVectors:
    """As of an encoder whose image vectors are on disk."""
    *_, matrix = made_classes()
    made = ClassVectors.from_arrays([f"class {k}" for k in range(CLASSES)], matrix)
    named = {"encoder": _ENCODER, "fingerprint": _FINGERPRINT}
    return ClassVectors(made.labels, made.matrix, made.provenance.model_copy(update=named))


def write_photos(folder: Path) -> None:
    """One shard in memory at a time."""
    made_by = ImageProvenance(
        encoder=_ENCODER, fingerprint=_FINGERPRINT, precision="float32", dim=WIDTH,
        cupl=cupl_version(),
    )  # fmt: skip
    for number, vectors in enumerate(made_photos()):
        metadata = ShardMetadata(shard=number, shard_size=SHARD, provenance=made_by)
        paths = [f"{number * SHARD + i}.jpg" for i in range(SHARD)]
        write_shard(folder, metadata, Shard(paths, [None] * SHARD, vectors))


def measure(way: str, folder: Path) -> dict[str, Any]:
    """Seconds and memory of one way, in this process."""
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1)))
    vectors = class_vectors()
    classifier = ZeroShotClassifier(vectors)
    classifier.predict_vectors(torch.ones(1, WIDTH))  # what is loaded at first use does not count
    photos = load_embeddings(folder) if way == "adapt, shards" else in_memory()
    before, began, worked = peak(), time.perf_counter(), time.process_time()
    said = list[str]()
    if isinstance(photos, torch.Tensor) and way == "classify":
        classifier.predict_vectors(photos)
    else:
        said = str(adapt_to_photos(vectors, photos)[1]).splitlines()
    took, worked = time.perf_counter() - began, time.process_time() - worked
    return {
        "what": way, "seconds": took, "cpu_s": worked, "grew_mb": round(peak() - before),
        "said": said[:2],
    }  # fmt: skip


def main() -> None:
    """Measure and print."""
    sizes = {"images": IMAGES, "classes": CLASSES, "vectors_mb": round(IMAGES * WIDTH * 4 / 1e6)}
    once = None
    with TemporaryDirectory() as folder:
        write_photos(Path(folder))
        for way in WAYS:
            with ProcessPoolExecutor(1, get_context("spawn")) as alone:
                found = alone.submit(measure, way, Path(folder)).result()
            once = once or found["cpu_s"]
            found |= {"times_classify": found["cpu_s"] / once}
            found = {k: round(x, 1) if isinstance(x, float) else x for k, x in found.items()}
            print(json.dumps({**found, **sizes}), flush=True)


if __name__ == "__main__":
    main()
