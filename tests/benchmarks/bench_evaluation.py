"""How long judging takes: run ``python -m tests.benchmarks.bench_evaluation``.

10,000 image vectors, a bank of 1,000 classes with ten prompts each, the usual controls. The second
time, as after an edit: prompts are embedded already. Printed are seconds of both, and what of the
second is one product of all images with all classes for each set of class vectors.
"""

import json
import os
import time
import zlib
from collections.abc import Sequence

import torch

from cupl.bank.model import PromptBank
from cupl.evaluation.candidates import make_candidates
from cupl.evaluation.judging import judge_candidates
from cupl.evaluation.labelled import LabelledImages
from tests.benchmarks.bench_encoding import own_cache
from tests.evaluation.planted import PlantedEncoder, planted_bank

IMAGES, CLASSES, WIDTH, SETS = 10_000, 1_000, 512, 8


class Directions(PlantedEncoder):
    """Texts near a random direction of the class they name: as wide as CLIP, and quick."""

    def __init__(self) -> None:
        super().__init__(CLASSES)
        self.dim = WIDTH
        self.directions = torch.randn(CLASSES, WIDTH, generator=torch.Generator().manual_seed(0))

    def encode_text(self, texts: Sequence[str]) -> torch.Tensor:
        numbers = [int(text.split("class ", 1)[1].split()[0].strip(".,?")) for text in texts]
        generator = torch.Generator().manual_seed(zlib.crc32(texts[0].encode()))
        return self.directions[numbers] + torch.randn(len(texts), WIDTH, generator=generator)


def world() -> tuple[Directions, PromptBank, LabelledImages]:
    """Images near their class, so that about half are right."""
    encoder = Directions()
    bank = planted_bank(
        CLASSES,
        {f"What about {{}}, {part}?": [f"A {{}} , {part} {i}." for i in range(5)] for part in "ab"},
    )
    targets = torch.arange(IMAGES) % CLASSES
    noise = torch.randn(IMAGES, WIDTH, generator=torch.Generator().manual_seed(1))
    vectors = encoder.directions[targets] + 6 * noise
    return encoder, bank, LabelledImages([str(i) for i in range(IMAGES)], targets.tolist(), vectors)


def main() -> None:
    """Measure and print."""
    torch.set_num_threads(os.cpu_count() or 1)  # the models of the tests leave them one
    encoder, bank, data = world()
    took = []
    with own_cache():
        for _ in range(2):
            began = time.perf_counter()
            found = judge_candidates(data, make_candidates([bank]), encoder).evaluation
            took.append(time.perf_counter() - began)
    assert data.vectors is not None
    began = time.perf_counter()
    for _ in range(SETS):
        data.vectors @ encoder.directions.T
    products = time.perf_counter() - began
    print(json.dumps({
        "images": IMAGES, "classes": CLASSES, "first_s": took[0], "again_s": took[1],
        "products_s": products, "top1": {one.name: one.top1.value for one in found.candidates},
    }))  # fmt: skip


if __name__ == "__main__":
    main()
