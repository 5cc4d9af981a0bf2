"""What classifying stored vectors costs: run ``python -m tests.benchmarks.bench_predict``.

50,000 image vectors as wide as CLIP's against 1,000 classes. Printed are the seconds, the memory
that the process grew by at its highest, in MB, and that of one matrix of all images with all
classes, which a result of ``predict_proba`` is.
"""

import json
import resource
import sys
import time
from collections.abc import Callable, Sized

import torch

from cupl.bank.labels import ClassLabel
from cupl.classification.classifier import ZeroShotClassifier
from cupl.embedding.class_vectors import ClassVectors
from cupl.embedding.provenance import Provenance

IMAGES, CLASSES, WIDTH = 50_000, 1_000, 512
_MAXRSS_BYTES = 1 if sys.platform == "darwin" else 1024


def made_classifier() -> ZeroShotClassifier:
    """Classes in random directions."""
    random = torch.Generator().manual_seed(0)
    matrix = torch.nn.functional.normalize(torch.randn(CLASSES, WIDTH, generator=random))
    provenance = Provenance(encoder="none", fingerprint="", logit_scale=100.0, pooling="mean")
    labels = [ClassLabel(f"class {number}") for number in range(CLASSES)]
    return ZeroShotClassifier(ClassVectors(labels, matrix, provenance))


def peak() -> float:
    """The most memory that this process ever held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _MAXRSS_BYTES / 1e6


def main() -> None:
    """Measure and print."""
    classifier = made_classifier()
    classifier.predict_vectors(torch.ones(1, WIDTH))  # what is loaded at first use is not counted
    vectors = torch.randn(IMAGES, WIDTH, generator=torch.Generator().manual_seed(1))
    uses: list[Callable[[torch.Tensor], Sized]] = [
        classifier.predict_vectors,
        classifier.predict_proba,
    ]
    for use in uses:
        before, began = peak(), time.perf_counter()
        number = len(use(vectors))
        took, grew = time.perf_counter() - began, peak() - before
        print(json.dumps({
            "what": use.__name__, "images": number, "classes": CLASSES, "seconds": round(took, 2),
            "grew_mb": round(grew), "one_matrix_mb": round(IMAGES * CLASSES * 4 / 1e6),
        }))  # fmt: skip


if __name__ == "__main__":
    main()
