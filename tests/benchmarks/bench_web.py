"""How long an edit in the app takes until the photos in view have their labels.

``python -m tests.benchmarks.bench_web PHOTOS [--classes 1000] [--prompts 50] [--photos 1000]``:
a real server, the mini encoder and a folder of photos; the bank is made up. What is told is the
median and the slowest of so many edits, each of one prompt.
"""

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch

from cupl.bank.model import ClassPrompts, PromptBank
from cupl.embedding.bank_encoding import encode_bank
from cupl.encoders.loading import load_encoder
from cupl.encoders.protocol import Encoder
from cupl.evaluation.demo import PHOTOS
from cupl.web.workspace import Sources
from tests.benchmarks.reporting import report
from tests.web import serving
from tests.web.serving import Served, served

WORDS = (
    *("red", "green", "small", "large", "wooden", "striped", "long", "round", "dark", "shiny"),
    *("tail", "wings", "wheels", "leaves", "stone", "water", "handle", "roof", "fur", "edge"),
)


def made_up(classes: int, prompts: int) -> PromptBank:
    """A bank of so many classes, with other prompts each."""
    draw = random.Random(0)  # noqa: S311 (no secret)
    real = list(PHOTOS.values())
    names = [real[n] if n < len(real) else f"thing {n}" for n in range(classes)]
    return PromptBank(
        name="made-up",
        classes=[
            ClassPrompts(
                name=name,
                prompts={"": [f"A {name} with {' '.join(draw.choices(WORDS, k=6))}, seen {n}."
                              for n in range(prompts)]},
            )
            for name in names
        ],
    )  # fmt: skip


@dataclass
class Clock:
    """Milliseconds of one thing that is done again and again."""

    what: str
    times: list[float] = field(default_factory=list)

    def timed(self, work: Callable[[], Any]) -> Any:
        began = time.perf_counter()
        found = work()
        self.times.append(1000 * (time.perf_counter() - began))
        return found

    def tell(self) -> None:
        report(self.what, median_ms=statistics.median(self.times), worst_ms=max(self.times))


def edits(app: Served, number: int) -> None:
    """Edit a prompt, have the photos labelled, look at what the prompts of its class do."""
    editing, labelling, both = Clock("POST /api/bank/edit"), Clock("POST /api/relabel"), Clock("edit to labels")  # fmt: skip # noqa: E501
    looking, undoing = Clock("GET /api/bank/effects"), Clock("undo to labels")
    classes = len(app.good("/api/bank")["classes"])
    for n in range(number):
        revision, place = app.good("/api/bank")["revision"], n * 37 % classes
        body = {
            "revision": revision, "do": "change-prompt", "number": place, "prompt": n % 3,
            "text": f"A thing that nobody has described before, number {n} and {time.time_ns()}.",
        }  # fmt: skip

        def edit(body: dict[str, Any] = body) -> None:
            editing.timed(lambda: app.good("/api/bank/edit", body))
            labelling.timed(lambda: app.good("/api/relabel", {}))

        def undo(revision: int = revision) -> None:
            app.good("/api/bank/undo", {"revision": revision + 1})
            app.good("/api/relabel", {})

        both.timed(edit)
        looking.timed(partial(app.good, f"/api/bank/effects?class={place}"))
        if n % 2:
            undoing.timed(undo)
    for clock in (editing, labelling, both, looking, undoing):
        clock.tell()


def check(app: Served, encoder: Encoder, cache: Path) -> None:
    """The class vectors after all edits are those of the bank that was encoded at once."""
    from cupl.web.settings import ViewSettings

    assert app.space.editor is not None
    ours = app.space.views.classifier(ViewSettings())[0].vectors
    whole = encode_bank(app.space.editor.bank, encoder, text_cache=cache)
    difference = float((ours.matrix - whole.matrix).abs().max())
    assert ours.provenance == whole.provenance
    report("class vectors after all edits", largest_difference=difference)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--classes", type=int, default=100)
    parser.add_argument("--prompts", type=int, default=50)
    parser.add_argument("--photos", type=int, default=1000)
    parser.add_argument("--edits", type=int, default=20)
    asked = parser.parse_args()
    encoder = load_encoder("mini")
    with tempfile.TemporaryDirectory() as made:
        here = Path(made)
        (here / "photos").mkdir()
        for path in sorted(asked.folder.iterdir())[: asked.photos]:
            (here / "photos" / path.name).write_bytes(path.read_bytes())
        sources = Sources(
            lambda: encoder, here / "out", bank=made_up(asked.classes, asked.prompts),
            bank_path=here / "bank.yaml", photos=here / "photos", text_cache=here / "texts",
        )  # fmt: skip
        serving.PATIENCE = 3600.0
        began = time.perf_counter()
        with served(sources) as app:
            report("photos read and encoded", seconds=time.perf_counter() - began)
            first = Clock("first labels: all prompts embedded")
            found = first.timed(lambda: app.good("/api/relabel", {}))
            first.tell()
            report("photos labelled", number=float(len(found["labels"])))
            edits(app, asked.edits)
            check(app, encoder, here / "texts")
    report("torch threads", number=float(torch.get_num_threads()))


if __name__ == "__main__":
    main()
