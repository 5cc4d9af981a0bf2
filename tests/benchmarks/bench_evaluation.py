"""How long judging takes: run ``python -m tests.benchmarks.bench_evaluation``.

With ``controls`` behind it: how long it takes to embed the prompts of a bank and of its controls by
random weights of ViT-B/32's sizes, against what it took before: each bank by itself, and products
by MKL. ``--bank FILE --classes N --rounds N`` say of what. They take turns, on one thread, and the
best time of the processor counts.

10,000 image vectors, a bank of 1,000 classes with ten prompts each, the usual controls. The second
time, as after an edit: prompts are embedded already. Printed are seconds of both, and what of the
second is one product of all images with all classes for each set of class vectors.
"""

import argparse
import json
import os
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import torch

from cupl.bank.model import PromptBank
from cupl.embedding.bank_encoding import encode_bank
from cupl.embedding.known_texts import know_texts
from cupl.encoders.loading import load_encoder
from cupl.evaluation.candidates import make_candidates
from cupl.evaluation.judging import judge_candidates, prompts_of
from cupl.evaluation.labelled import LabelledImages
from cupl.io.paths import prompts_dir
from tests.benchmarks.bench_encoding import own_cache, save_random_model
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


def judging() -> None:
    """Measure a whole evaluation and print."""
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


def controls(file: str | None, classes: int, rounds: int) -> None:
    """Measure the embedding of a bank and its controls, as it is and as it was; print a ratio."""
    torch.set_num_threads(1)
    bank = PromptBank.load(file or prompts_dir() / "banks" / "imagenet-mini.yaml")
    bank = bank.select(entry.label for entry in bank.classes[:classes])
    candidates = make_candidates([bank])
    with TemporaryDirectory() as folder:
        model = save_random_model(Path(folder), bank)
        now: Any = load_encoder(model, "cpu")
        with patch("cupl.encoders.transformers_dual.pack_linear"):
            before: Any = load_encoder(model, "cpu")

        def together() -> None:
            know_texts(prompts_of(candidates), now, text_cache=False)

        def apart(encoder: Any) -> None:
            for candidate in candidates:
                for one in candidate.banks:
                    encode_bank(one, encoder, text_cache=False)

        ways: dict[str, Callable[[], None]] = {
            "before": lambda: apart(before), "onednn": lambda: apart(now), "now": together,
        }  # fmt: skip
        took = {name: float("inf") for name in ways}
        nodes = dict.fromkeys(ways, 0)
        for name, way in [*ways.items()] * rounds:
            encoder = before if name == "before" else now
            with counted(encoder) as trees:
                began = time.process_time()
                way()
                took[name] = min(took[name], time.process_time() - began)
            nodes[name] = sum(trees)
    print(json.dumps({
        "classes": len(bank), "prompts": len(prompts_of(candidates)), "seconds": took,
        "tokens": nodes, "ratio": took["before"] / took["now"],
    }))  # fmt: skip


@contextmanager
def counted(encoder: Any) -> Iterator[list[int]]:
    """Tokens that are computed, a number a batch."""
    found: list[int] = []
    encode = encoder._encode_trees

    def noted(trees: Sequence[Any]) -> torch.Tensor:
        found.append(sum(len(tree.ids) for tree in trees))
        vectors: torch.Tensor = encode(trees)
        return vectors

    with patch.object(encoder, "_encode_trees", noted):
        yield found


def main() -> None:
    """Measure what is named."""
    parser = argparse.ArgumentParser()
    parser.add_argument("what", nargs="?", choices=["judging", "controls"], default="judging")
    parser.add_argument("--bank")
    parser.add_argument("--classes", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    if given.what == "judging":
        judging()
    else:
        controls(given.bank, given.classes, given.rounds)


if __name__ == "__main__":
    main()
