"""What writing predictions costs beside making them: ``python -m tests.benchmarks.bench_classify``.

For more and more classes to name: the seconds of a run into a file of each format, as times the
floor (one product, one softmax and one sort of each batch), and what the process grew by at its
highest. Each run has a process of its own; nothing is encoded.
"""

import json
import multiprocessing
import resource
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch.nn.functional import normalize

from cupl.bank.labels import ClassLabel
from cupl.classification.classifier import ZeroShotClassifier
from cupl.classification.writers import write_predictions
from cupl.embedding.class_vectors import ClassVectors
from cupl.embedding.provenance import Provenance

WIDTH, BATCH = 512, 64
SIZES = [(5_000, 1_000, 5), (500, 1_000, 1_000), (2_000, 1_000, 1_000), (100, 20_000, 20_000)]
"""Images, classes, and how many of these are named."""
_MAXRSS_BYTES = 1 if sys.platform == "darwin" else 1024


def peak() -> float:
    """The most memory that this process ever held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _MAXRSS_BYTES / 1e6


def measure(images: int, classes: int, named: int, format: str) -> dict[str, object]:
    """Classify random vectors into a file."""
    random = torch.Generator().manual_seed(0)
    matrix = normalize(torch.randn(classes, WIDTH, generator=random))
    provenance = Provenance(encoder="none", fingerprint="", logit_scale=100.0, pooling="mean")
    labels = [ClassLabel(f"class {number}", f"n{number}") for number in range(classes)]
    classifier = ZeroShotClassifier(ClassVectors(labels, matrix, provenance))
    batches = normalize(torch.randn(images, WIDTH, generator=random)).split(BATCH)  # type: ignore[no-untyped-call]
    with TemporaryDirectory() as folder:
        target = Path(folder, "out")
        write_predictions(classifier.predict_vectors(batches[0][:1], named), named, format, target)
        before, began = peak(), time.perf_counter()
        predictions = (one for batch in batches for one in classifier.predict_vectors(batch, named))
        write_predictions(predictions, named, format, target)
        took, grew = time.perf_counter() - began, peak() - before
    began = time.perf_counter()
    for batch in batches:
        scores = batch @ matrix.T
        (100 * scores).softmax(dim=1)
        scores.sort(dim=1, descending=True) if named == classes else scores.topk(named)
    floor = time.perf_counter() - began
    return {
        "images": images, "classes": classes, "named": named, "format": format,
        "seconds": round(took, 2), "times_the_floor": round(took / floor, 1),
        "us_a_cell": round(1e6 * took / images / named, 2), "grew_mb": round(grew),
    }  # fmt: skip


def main() -> None:
    """Measure and print."""
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        for size in SIZES:
            for format in ("parquet", "csv", "jsonl"):
                print(json.dumps(pool.apply(measure, (*size, format))), flush=True)


if __name__ == "__main__":
    main()
