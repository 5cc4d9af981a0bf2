from pathlib import Path
from typing import Any

import pytest
import torch

from cupl.bank.model import PromptBank
from cupl.embedding.class_vectors import ClassVectors
from tests.cli.conftest import Cupl, Outcome
from tests.fakes import FakeServer, Reply, chat_reply, serve
from tests.faults import sentences
from tests.models import draw

LISTS = {"dog": "1. **Beagle** - a hound\n2. Poodle\n3. cat", "cat": "tabby, poodle, Siamese"}


def describe(body: dict[str, Any]) -> Reply:
    """Lists of kinds, and sentences about the rest."""
    question = body["messages"][-1]["content"]
    for name, text in LISTS.items():
        if question.endswith(f"kinds of {name}:"):
            return 200, chat_reply(*[text] * body.get("n", 1))
    return 200, chat_reply(*sentences(question, body.get("n", 1)))


@pytest.fixture
def server() -> Any:
    with serve(describe) as running:
        yield running


def generate(cupl: Cupl, server: FakeServer, path: Path, *arguments: object) -> Outcome:
    return cupl(
        "generate", "-c", "dog", "-c", "cat", "--subclasses", 3, "--samples", 2, "-o", path,
        "--base-url", server.url, "--model", "m", *arguments,
    )  # fmt: skip


def test_from_names_to_predictions(cupl: Cupl, server: FakeServer, tmp_path: Path) -> None:
    path = tmp_path / "bank.yaml"
    outcome = generate(cupl, server, path)
    assert outcome.code == 0, outcome.err
    assert "3 kinds of 2 of 2 classes: Beagle dog, tabby cat, Siamese cat\n" in outcome.err
    assert "dropped 2: named for several classes" in outcome.err
    assert "dropped 1: a class of the list" in outcome.err
    assert "2 classes with 3 sub-classes, 30 prompts kept" in outcome.err
    bank = PromptBank.load(path)
    assert [[kind.name for kind in entry.subclasses] for entry in bank] == [
        ["Beagle dog"],
        ["tabby cat", "Siamese cat"],
    ]
    checked = cupl("bank", "check", path)
    assert "2 classes, 30 prompts" in checked.out + checked.err
    draw(64, 64).save(tmp_path / "photo.png")
    vectors = tmp_path / "v.safetensors"
    assert cupl("encode", path, "-o", vectors, "--encoder", "mini").code == 0
    made = ClassVectors.load(vectors)
    assert made.parts is not None
    assert made.parts.counts == (2, 3)
    assert torch.equal(made.parts.vectors[[0, 2]], made.matrix)
    by_bank = cupl("classify", tmp_path / "photo.png", "--bank", path, "--encoder", "mini")
    by_vectors = cupl("classify", tmp_path / "photo.png", "--vectors", vectors)
    assert by_bank.out == by_vectors.out
    assert "Beagle" not in by_bank.out
    explained = cupl(
        "classify", tmp_path / "photo.png", "--bank", path, "--encoder", "mini", "--explain"
    )
    assert explained.code == 0, explained.err


def test_the_same_command_asks_nothing_and_writes_the_same(
    cupl: Cupl, server: FakeServer, tmp_path: Path
) -> None:
    path = tmp_path / "bank.yaml"
    generate(cupl, server, path)
    first, asked = path.read_bytes(), len(server.requests)
    for more in ([], ["--offline"]):
        assert generate(cupl, server, path, *more).code == 0
    assert path.read_bytes() == first
    assert len(server.requests) == asked


def test_a_dry_run_says_how_much_it_can_be(cupl: Cupl, server: FakeServer, tmp_path: Path) -> None:
    outcome = generate(cupl, server, tmp_path / "bank.yaml", "--dry-run")
    assert outcome.code == 0
    assert "kinds of the classes: 2 classes" in outcome.err
    assert "then, at most: 8 classes" in outcome.err
    assert server.requests == []


def test_two_banks_are_not_one(cupl: Cupl, server: FakeServer, tmp_path: Path) -> None:
    outcome = generate(cupl, server, tmp_path / "bank.yaml", "--contrast")
    assert outcome.code == 2
    assert "--contrast and --subclasses" in outcome.err


def test_the_embedded_model_names_kinds(cupl: Cupl, tmp_path: Path) -> None:
    path, questions = tmp_path / "bank.yaml", tmp_path / "q.yaml"
    questions.write_text("name: one\nquestions:\n- What does {a} look like?\n", "utf-8")
    outcome = cupl(
        "generate", "-c", "dog", "-c", "flower", "--subclasses", 2, "--samples", 2,
        "--questions", questions, "--model", "mini", "-o", path,
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    bank = PromptBank.load(path)
    assert [entry.name for entry in bank] == ["dog", "flower"]
    kinds = [kind for entry in bank for kind in entry.subclasses]
    assert 1 <= len(kinds) <= 4
    assert all(kind.texts for kind in kinds)
