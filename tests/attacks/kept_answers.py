"""Caches, their copies, and files of batches: good ones, and how a command reads them."""

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from cupl.embedding.text_cache import embed_texts
from cupl.generation.batch.requests import write_requests
from cupl.generation.cache.entries import Stored
from cupl.generation.cache.reader import CacheReader
from cupl.generation.cache.store import ResponseCache
from cupl.generation.cache.transfer import export_entries
from cupl.generation.plan import make_plan
from cupl.llm.protocol import Response
from tests.attacks.sample import Sample, put
from tests.batch_server import expired_line, openai_line, vllm_line
from tests.caches import fill, key
from tests.generation.batch.test_results import request
from tests.models import HandMadeEncoder
from tests.writing_commands import OLD

URL = "http://localhost:8000/v1"
TEXTS = [f"text {number}" for number in range(100)]


def cache(folder: Path) -> list[Sample]:
    fill(folder / "whole", 200)
    return [Sample("cache.db", (folder / "whole" / "cache.db").read_bytes())]


def fresh(folder: Path, name: str, data: bytes) -> Path:
    """A folder with a changed database alone."""
    shutil.rmtree(folder / "changed", ignore_errors=True)
    (folder / "changed").mkdir()
    put(folder / "changed", name, data)
    return folder / "changed"


def read_cache(folder: Path, name: str, data: bytes) -> None:
    """Right answers or a sentence, never wrong ones; an intact one is read to its end."""
    place = fresh(folder, name, data)
    answers = {key(i): f"Answer {i}: " + "words " * 40 for i in range(200)}
    with CacheReader(place) as reader:
        for entry in reader.entries():
            if isinstance(entry, Stored):
                assert isinstance(entry.entry, Response)
                assert entry.entry.text == answers.get(entry.key)
    with ResponseCache(place) as opened:
        for known, answer in opened.get_many([*answers]).items():
            assert isinstance(answer, Response)
            assert answer.text == answers[known]
        opened.put({key(-1): Response("new")})
        assert opened.get(key(-1)) == Response("new")


class Lengths(HandMadeEncoder):
    """The vector of a text is made of its length."""

    def __init__(self) -> None:
        super().__init__(fingerprint="f")
        self.dim = 20

    def encode_text(self, texts: Sequence[str]) -> torch.Tensor:
        return torch.stack([torch.arange(20.0) + len(text) / 7 for text in texts])


def embedded(folder: Path) -> list[Sample]:
    embed_texts(TEXTS, Lengths(), text_cache=folder / "whole")
    return [Sample("cache.db", (folder / "whole" / "cache.db").read_bytes())]


def read_embedded(folder: Path, name: str, data: bytes) -> None:
    found = embed_texts(TEXTS, Lengths(), text_cache=fresh(folder, name, data))
    assert torch.equal(found.vectors, Lengths().encode_text(TEXTS))
    assert found.tokens == Lengths().count_tokens(TEXTS)


def exports(folder: Path) -> list[Sample]:
    fill(folder / "whole", 50)
    with CacheReader(folder / "whole") as reader:
        export_entries(reader, folder / "e.jsonl.gz")
        export_entries(reader, folder / "e.jsonl")
    files = [folder / "e.jsonl.gz", folder / "e.jsonl", OLD / "answers.jsonl"]
    return [Sample(file.name, file.read_bytes()) for file in files]


def into_cache(read: Callable[[Path, ResponseCache], object]) -> Callable[..., object]:
    """Into one that stays: to make a database takes longer than to read most files."""

    def read_into(folder: Path, name: str, data: bytes) -> None:
        with ResponseCache(folder / "into") as opened:
            read(put(folder, name, data), opened)

    return read_into


def results(folder: Path) -> list[Sample]:
    requests = [request((i, i + 1)) for i in range(0, 10, 2)]
    made = [[shape(one) for one in requests] for shape in (openai_line, vllm_line, expired_line)]
    return [
        Sample("r.jsonl", "".join(json.dumps(x) + "\n" for x in lines).encode()) for lines in made
    ]


def requests(folder: Path) -> list[Sample]:
    plan = make_plan(["cat", "tree frog"], model="m", base_url=URL, samples=4)
    with ResponseCache(folder / "none") as empty:
        write_requests(plan, empty, folder / "requests.jsonl")
    return [Sample("requests.jsonl", (folder / "requests.jsonl").read_bytes())]
