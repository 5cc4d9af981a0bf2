"""Files that cupl 0.1.0 wrote before its rooms were laid out: they load, and give the same."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from cupl.bank.model import PromptBank
from cupl.classification.classifier import ZeroShotClassifier
from cupl.classification.decision import DecisionRule
from cupl.classification.resumable import classify_to_file
from cupl.embedding.bank_encoding import encode_bank
from cupl.embedding.class_vectors import ClassVectors
from cupl.embedding.image_runs import embed_images
from cupl.embedding.image_vectors import load_embeddings
from cupl.evaluation.schema import Evaluation
from cupl.generation.batch.requests import write_requests
from cupl.generation.cache.reader import CacheReader
from cupl.generation.cache.store import ResponseCache
from cupl.generation.cache.transfer import export_entries, import_entries
from cupl.generation.pipeline import generate
from cupl.generation.plan import make_plan
from cupl.llm.protocol import Sampling
from tests.models import HandMadeEncoder

OLD = Path(__file__).parent / "v0.1"
CLASSES = ["tree frog", "newt", "abacus {odd}"]
SAMPLING = Sampling(temperature=0.7, max_tokens=40, stop=("\n",))
SERVER: dict[str, Any] = {"model": "m-1", "base_url": "http://localhost:8000/v1"}
TEXTS = {
    "A cat is small.": (3.0, 1.0, 0.5, 0.0),
    "A cat has fur.": (2.0, 0.1, 0.0, 0.3),
    "A cat purrs.": (5.0, -1.0, 0.2, 0.1),
    "The Norwegian one.": (0.1, 2.0, 0.0, 0.7),
    "A dog barks.": (0.2, 0.1, 4.0, -0.3),
    "a photo of a cat.": (1.0, 0.2, 0.1, 0.1),
    "a photo of a no.": (0.0, 1.0, 0.1, 0.1),
    "a photo of a dog.": (0.3, 0.1, 1.0, 0.0),
}
PIXELS = {
    (10, 0, 0): (1.0, 0.3, 0.2, 0.0),
    (20, 0, 0): (0.2, 1.0, 0.1, 0.4),
    (30, 0, 0): (0.1, 0.2, 2.0, 0.1),
    (40, 0, 0): (0.9, 0.1, 1.0, 0.0),
}
PHOTOS = [f"photos/{name}.png" for name in ("0", "1", "broken", "2", "3")]


@pytest.fixture
def encoder() -> HandMadeEncoder:
    encoder = HandMadeEncoder(TEXTS, PIXELS)
    encoder.image_batch = 2
    return encoder


@pytest.fixture
def old(tmp_path: Path) -> Iterator[Path]:
    """A copy to work in: a cache is a database that even reading touches."""
    folder = shutil.copytree(OLD, tmp_path / "old")
    before = Path.cwd()
    os.chdir(folder)
    yield folder
    os.chdir(before)


def test_a_bank_gives_its_bytes_again(old: Path) -> None:
    for name in ("bank.yaml", "generated.yaml"):
        assert PromptBank.load(old / name).to_bytes() == (old / name).read_bytes()


def test_a_cache_gives_the_same_bank(old: Path) -> None:
    bank = generate(
        CLASSES, **SERVER, name="frogs", samples=3, sampling=SAMPLING, n=3,
        cache=old / "responses", offline=True,
    )  # fmt: skip
    # Banks say since then which server answered, where it is not OpenAI's.
    server = f"  server: {SERVER['base_url']}\n".encode()
    assert server in bank.to_bytes()
    assert bank.to_bytes().replace(server, b"") == (old / "generated.yaml").read_bytes()


def test_an_export_gives_the_same_cache_and_the_same_export(old: Path) -> None:
    with ResponseCache(old / "again") as cache:
        assert import_entries(old / "answers.jsonl", cache).bad.total == 0
    with CacheReader(old / "again") as reader:
        export_entries(reader, old / "again.jsonl")
    assert (old / "again.jsonl").read_bytes() == (old / "answers.jsonl").read_bytes()


def test_a_cache_asks_for_the_same_in_the_same_words(old: Path) -> None:
    plan = make_plan(CLASSES, **SERVER, samples=5, sampling=SAMPLING)
    with ResponseCache(old / "responses") as cache:
        write_requests(plan, cache, old / "again.jsonl", n=10)
    assert (old / "again.jsonl").read_bytes() == (old / "requests.jsonl").read_bytes()


@pytest.mark.parametrize("name", ["normalized-mean", "mean", "similarity", "average"])
def test_class_vectors_give_their_numbers_again(
    old: Path, encoder: HandMadeEncoder, name: str
) -> None:
    vectors = ClassVectors.load(old / f"{name}.safetensors")
    vectors.save(old / "again.safetensors")  # with a checksum, which 0.1.0 did not write
    again = ClassVectors.load(old / "again.safetensors")
    assert again.matrix.equal(vectors.matrix)
    assert (again.labels, again.provenance) == (vectors.labels, vectors.provenance)
    bank = PromptBank.load(old / "bank.yaml")
    made = (
        encode_bank(bank, encoder, templates="photo", combine="average")
        if name == "average"
        else encode_bank(bank, encoder, name)
    )
    torch.testing.assert_close(made.matrix, vectors.matrix)
    assert made.labels == vectors.labels


def test_shards_give_their_numbers_and_a_resumed_run_keeps_them(
    old: Path, encoder: HandMadeEncoder
) -> None:
    shards = list(load_embeddings(old / "shards"))
    assert [shard.paths for shard in shards] == [PHOTOS[:3], PHOTOS[3:]]
    vectors = torch.cat([shard.vectors for shard in shards])
    torch.testing.assert_close(vectors, torch.tensor(list(PIXELS.values())))
    before = {path: path.read_bytes() for path in (old / "shards").iterdir()}
    tally = embed_images(PHOTOS, encoder, old / "shards", shard_size=3, resume=True)
    assert (tally.images, tally.failed) == (5, 1)
    assert {path: path.read_bytes() for path in (old / "shards").iterdir()} == before


def classifier(old: Path, encoder: HandMadeEncoder) -> ZeroShotClassifier:
    return ZeroShotClassifier.load(old / "average.safetensors", encoder, bank=old / "bank.yaml")


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_predictions_are_the_same_rows(old: Path, encoder: HandMadeEncoder, ending: str) -> None:
    classify_to_file(
        classifier(old, encoder), PHOTOS, old / f"again.{ending}", ending, 2,
        rule=DecisionRule(threshold=0.5), explain=2,
    )  # fmt: skip
    now, then = ((old / f"{name}.{ending}").read_text() for name in ("again", "predictions"))
    then = then.replace("AVIF)", "AVIF, TGA)")  # a format more is read by now
    if ending == "csv":
        assert now == then
        return
    pairs = zip(now.splitlines(), then.splitlines(), strict=True)
    for new, old_row in (map(json.loads, pair) for pair in pairs):
        assert list(new)[: len(old_row)] == list(old_row)  # columns are added at the end only
        same(new, old_row)


def same(new: Any, old: Any) -> None:
    """Whatever was there is there, and numbers to float32."""
    if isinstance(old, dict):
        for key, value in old.items():
            same(new[key], value)
    elif isinstance(old, list):
        for one, other in zip(new, old, strict=True):
            same(one, other)
    else:
        assert new == (pytest.approx(old, abs=1e-6) if isinstance(old, float) else old)


def test_a_stopped_run_goes_on(old: Path, encoder: HandMadeEncoder) -> None:
    classify_to_file(
        classifier(old, encoder), PHOTOS, old / "stopped.csv", "csv", 2,
        rule=DecisionRule(threshold=0.5), explain=2, resume=True,
    )  # fmt: skip
    assert (old / "stopped.csv").read_text() == (old / "whole.csv").read_text()


def test_an_evaluation_is_read_and_written_the_same(old: Path) -> None:
    record = json.loads((old / "evaluation.json").read_text())
    assert json.loads(Evaluation.model_validate(record).model_dump_json()) == record
