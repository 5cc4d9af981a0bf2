"""How long a bank of 1,000 classes and 30,000 prompts takes to load, and to check.

Run ``python -m tests.benchmarks.bench_bank`` in the root of a checkout.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import yaml

from cupl.bank.lint import check_bank
from cupl.bank.model import ClassPrompts, PromptBank

CLASSES, QUESTIONS, SAMPLES = 1000, 3, 10


def make_bank() -> PromptBank:
    """Prompts of the usual length, no two alike."""
    entries = [
        ClassPrompts(
            name=f"thing {c}",
            prompts={
                f"Question {q} about thing {c}?": [
                    f"A thing {c} is a medium-sized animal of kind {q}, with {s} stripes on its "
                    f"back, {c * s} spots on its sides and a long, bushy tail."
                    for s in range(SAMPLES)
                ]
                for q in range(QUESTIONS)
            },
        )
        for c in range(CLASSES)
    ]
    return PromptBank(name="benchmark", classes=entries)


def best_of(number: int, work: Callable[[], object]) -> float:
    """Shortest of a number of runs, in seconds."""
    times = []
    for _ in range(number):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    """Print the figures."""
    bank = make_bank()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bank.yaml"
        save = best_of(3, lambda: bank.save(path))
        load = best_of(5, lambda: PromptBank.load(path))
        text = path.read_text()
    plain = best_of(1, lambda: yaml.safe_load(text))
    check = best_of(1, lambda: check_bank(bank))
    print(
        f"{CLASSES:,} classes, {CLASSES * QUESTIONS * SAMPLES:,} prompts, {len(text):,} characters"
    )
    print(f"load {load:.2f} s; yaml.safe_load alone, in Python: {plain:.2f} s, {plain / load:.0f}x")
    print(f"save {save:.2f} s; check {check:.2f} s")


if __name__ == "__main__":
    main()
