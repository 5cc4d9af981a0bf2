"""What the pooling ``top`` costs and wins: ``python -m tests.benchmarks.bench_top [FILE.npz ...]``.

First the time of ``scores`` with ``top`` as times that with ``normalized-mean``, for random classes
of equally and of differently many prompts, and the memory that the process grew by. Then, for each
file of ``images`` [n, d], ``texts`` [templates, classes, d] and ``classes`` [n], the accuracy of
both, and of other shares of the mean (0.25 is what ``top`` has) and numbers of prompts (4).
"""

import argparse
import resource
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from cupl.bank.labels import ClassLabel
from cupl.classification.classifier import ZeroShotClassifier
from cupl.embedding.class_vectors import ClassVectors
from cupl.embedding.parts import TOP_PROMPTS, TOP_SHARE, top_parts
from cupl.embedding.pooling import pool
from cupl.embedding.provenance import Provenance

SIZES = [(20_000, 20, 50), (5_000, 1_000, 10), (1_000, 1_000, 50)]
"""Images, classes, prompts a class."""
SHARES, NUMBERS = (0.0, 0.25, 0.5, 0.75), (1, 2, 4, 8, 16)
WIDTH, ROUNDS = 512, 3
_MAXRSS_BYTES = 1 if sys.platform == "darwin" else 1024


def made_of(prompts: torch.Tensor, sizes: list[int], pooling: str) -> ClassVectors:
    """Class vectors of prompt vectors ``[prompts, dim]``, so many a class."""
    labels = [ClassLabel(f"class {number}") for number in range(len(sizes))]
    provenance = Provenance(encoder="none", fingerprint="", logit_scale=100.0, pooling=pooling)
    parts = top_parts([(prompts, sizes)]) if pooling == "top" else None
    return ClassVectors(labels, pool(prompts, sizes, pooling), provenance, parts=parts)


def seconds(images: torch.Tensor, vectors: ClassVectors) -> float:
    """Of the fastest of some rounds."""
    classifier, taken = ZeroShotClassifier(vectors), []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        classifier.scores(images)
        taken.append(time.perf_counter() - began)
    return min(taken)


def cost(images: int, classes: int, prompts: int, *, ragged: bool) -> str:
    """A row of the first table."""
    random = torch.Generator().manual_seed(0)
    sizes = torch.randint(1, 2 * prompts, (classes,), generator=random).tolist()
    sizes = sizes if ragged else [prompts] * classes
    texts = torch.randn(sum(sizes), WIDTH, generator=random)
    rows = torch.randn(images, WIDTH, generator=random)
    plain = seconds(rows, made_of(texts, sizes, "normalized-mean"))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    top = seconds(rows, made_of(texts, sizes, "top"))
    grew = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * _MAXRSS_BYTES / 1e6
    kind = "1 to 2 x" if ragged else "each"
    return (
        f"{images:,} images, {classes:,} classes, {prompts} prompts {kind}: {plain:.2f} s and "
        f"{top:.2f} s with top, {top / plain:.0f} times; grew by {grew:.0f} MB"
    )


def gain(path: Path) -> None:
    """Print the accuracies on a file."""
    content = np.load(path)
    images = torch.from_numpy(content["images"].astype(np.float32))
    texts = torch.from_numpy(content["texts"].astype(np.float32)).transpose(0, 1)
    targets = content["classes"].astype(np.int64)
    sizes = [texts.shape[1]] * len(texts)

    def accuracy(vectors: ClassVectors) -> float:
        found = ZeroShotClassifier(vectors).scores(images).argmax(axis=1)
        return 100 * float((found == targets).mean())

    prompts = texts.reshape(-1, texts.shape[2])
    plain, top = (made_of(prompts, sizes, pooling) for pooling in ("normalized-mean", "top"))
    print(f"{path.name}: normalized-mean {accuracy(plain):.1f}, top {accuracy(top):.1f}")
    print(f"  share of the mean       {'  '.join(f'{share:4}' for share in SHARES)}")
    assert top.parts is not None
    for most in NUMBERS:
        found = [
            accuracy(replace(top, parts=replace(top.parts, share=share, most=most)))
            for share in SHARES
        ]
        print(f"  {most:2} closest prompts      {'  '.join(f'{one:.1f}' for one in found)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", type=Path)
    files = parser.parse_args().files
    torch.set_num_threads(1)
    for images, classes, prompts in SIZES:
        for ragged in (False, True):
            print(cost(images, classes, prompts, ragged=ragged), flush=True)
    print(f"top: {TOP_SHARE} of the mean, the {TOP_PROMPTS} closest prompts")
    for path in files:
        gain(path)


if __name__ == "__main__":
    main()
