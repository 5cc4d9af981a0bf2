"""Every command that writes, on small data: for kills, full disks and odd places."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cupl.classification.classifier import ZeroShotClassifier
from cupl.description.captions import caption_images
from cupl.description.describing import describe_images
from cupl.embedding.bank_encoding import encode_bank
from cupl.encoders.loading import load_encoder
from cupl.generation.cache.store import ResponseCache
from cupl.generation.cache.transfer import import_entries
from cupl.index.photo_index import PhotoIndex
from cupl.llm.protocol import Request, Response
from tests.batch_server import openai_line
from tests.generation.batch.test_results import request
from tests.models import bank_of, draw, save_clip

OLD = Path(__file__).parent / "compatibility" / "v0.1"
PROMPTS = {
    "cat": ["A cat.", "A small cat.", "The cat."],
    "dog": ["A dog.", "A large dog.", "The dog."],
    "frog": ["A frog.", "A small frog with a tree.", "The frog has a tree."],
}


@dataclass(frozen=True)
class WritingCommand:
    """A command line without its output."""

    words: Sequence[str]
    output: str
    """A good name for it."""
    again: Sequence[str] = ()
    """What to add to go on after a kill."""
    old: bool = True
    """Whether something else may lie in its place."""
    option: Sequence[str] = ("-o",)
    works: bool = True
    """Whether long or paid work comes before the writing."""


_MODEL = ("--encoder", "model", "--embedding-cache", "none")
_CLASSIFY = ("classify", "photos", "--vectors", "v.safetensors", "--encoder", "model",
             "--batch-size", "2")  # fmt: skip
_PRUNE = ("bank", "prune", "bank.yaml", "--by", "redundancy", "--threshold", "0.5", "--keep", "1",
          *_MODEL)  # fmt: skip
_FILTER = ("filter", "photos", "--block-name", "cat", "--allow-name", "dog", *_MODEL,
           "--batch-size", "2")  # fmt: skip
_ASK = ("-c", "cat", "-c", "dog", "--model", "m", "--samples", "20", "--cache", "cache")
_SEEN = ("--model", "m", "--cache", "seen", "--offline")
_SEARCH = ("search", "cat", "--index", "photos.lance", *_MODEL)
COMMANDS = {
    "embed": WritingCommand(
        ("embed", "photos", "--encoder", "model", "--shard-size", "2", "--batch-size", "2"),
        "out", ("--resume",), old=False,
    ),
    "classify csv": WritingCommand(_CLASSIFY, "out.csv", ("--resume",)),
    "classify jsonl": WritingCommand(_CLASSIFY, "out.jsonl"),
    "classify parquet": WritingCommand(_CLASSIFY, "out.parquet", ("--resume",)),
    "classify report": WritingCommand(_CLASSIFY, "out.html", option=("--report",)),
    "encode": WritingCommand(("encode", "bank.yaml", *_MODEL), "out.safetensors"),
    "adapt": WritingCommand(
        ("adapt", "v.safetensors", "--examples", "photos"), "out.safetensors"
    ),
    "label": WritingCommand(
        ("label", "photos", "--vectors", "v.safetensors", *_MODEL, "--sample", "16"), "out.csv",
        old=False,
    ),
    "filter": WritingCommand(_FILTER, "out.csv"),
    "filter review": WritingCommand(_FILTER, "out.html", option=("--review",)),
    "sort": WritingCommand(
        ("sort", "photos", "--vectors", "v.safetensors", *_MODEL), "out", old=False
    ),
    "search": WritingCommand(_SEARCH, "out.csv"),
    "search jsonl": WritingCommand(_SEARCH, "out.jsonl", works=False),
    "search parquet": WritingCommand(_SEARCH, "out.parquet", works=False),
    "search sheet": WritingCommand(_SEARCH, "out.html", option=("--sheet",)),
    "duplicates": WritingCommand(
        ("duplicates", "--index", "photos.lance"), "out.csv", works=False
    ),
    "tag": WritingCommand(
        ("tag", "photos", "--vectors", "v.safetensors", *_MODEL, "--top", "1"), "out.csv"
    ),
    "evaluate": WritingCommand(
        ("evaluate", "photos", "--bank", "bank.yaml", "--controls", "names", *_MODEL), "out"
    ),
    "prune": WritingCommand(_PRUNE, "out.yaml"),
    "prune list": WritingCommand((*_PRUNE, "-o", "pruned.yaml"), "out.csv", option=("--list",)),
    "bank import": WritingCommand(("bank", "import", "prompts.json"), "out.yaml", works=False),
    "bank select": WritingCommand(
        ("bank", "select", "bank.yaml", "--classes", "dog,cat"), "out.yaml", works=False
    ),
    "bank merge": WritingCommand(
        ("bank", "merge", "bank.yaml", "bank.yaml"), "out.yaml", works=False
    ),
    "batch export": WritingCommand(("batch", "export", *_ASK), "out.jsonl", works=False),
    "describe": WritingCommand(("describe", "photos", *_SEEN), "out.yaml"),
    "describe captions": WritingCommand(
        ("describe", "photos", *_SEEN), "out.csv", option=("--captions",)
    ),
    "describe export": WritingCommand(
        ("describe", "photos", "--model", "m"), "out.jsonl", option=("--export-requests",),
    ),
    "cache export": WritingCommand(
        ("cache", "export", "--cache", "cache"), "out.jsonl.gz", old=False, option=(), works=False
    ),
    "cache import": WritingCommand(
        ("cache", "import", "answers.jsonl"), "out", old=False, option=("--cache",), works=False
    ),
    "batch import": WritingCommand(
        ("batch", "import", "results.jsonl"), "out", old=False, option=("--cache",), works=False
    ),
}  # fmt: skip


def words_of(command: WritingCommand, output: str, *more: str) -> list[str]:
    """The command line."""
    return [*command.words, *command.option, output, *more]


class _Seeing:
    """Says of every image the same in other words."""

    async def complete(self, request: Request, n: int) -> list[Response]:
        mark = request.digest[:20]
        return [Response(f"A picture of {mark} and {number} dots.") for number in range(n)]


def make_work(folder: Path) -> Path:
    """What the commands read."""
    save_clip(folder / "model")
    bank = bank_of(PROMPTS)
    bank.save(folder / "bank.yaml")
    encoder = load_encoder(folder / "model")
    ZeroShotClassifier(encode_bank(bank, encoder, text_cache=False), encoder).save(
        folder / "v.safetensors"
    )
    for number in range(6):
        path = folder / "photos" / ("cat", "dog", "frog")[number % 3] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        draw(40, 30, seed=number).save(path)
    index = PhotoIndex.open(folder / "photos.lance", encoder)
    index.add(folder / "photos", image_cache=False)
    (folder / "prompts.json").write_text(json.dumps(PROMPTS))
    (folder / "answers.jsonl").write_bytes((OLD / "answers.jsonl").read_bytes())
    with ResponseCache(folder / "cache") as cache:
        import_entries(folder / "answers.jsonl", cache)
    seen: Any = {"model": "m", "cache": folder / "seen", "llm": _Seeing()}
    describe_images(folder / "photos", **seen)
    caption_images(folder / "photos", **seen)
    lines = [json.dumps(openai_line(request((number,)))) + "\n" for number in range(50)]
    (folder / "results.jsonl").write_text("".join(lines))
    return folder
