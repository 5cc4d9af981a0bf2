from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from cupl.bank.model import ClassPrompts, PromptBank
from cupl.embedding.image_shards import ImageProvenance, Shard, ShardMetadata, write_shard
from cupl.embedding.normalize import unit
from cupl.encoders.loading import load_encoder
from tests.cli.conftest import Cupl, Outcome
from tests.fakes import FakeServer, Reply, chat_reply, serve
from tests.models import save_clip

TRUTH = {"tower": "skyscraper", "beach": "beach", "forest": "forest"}
"""What the photos of each class of the bank show."""
LISTS = {"tower": "1. **skyscraper**\n2. chess piece\n3. Towers\n4. the beach", "beach": "shore"}


def answer(body: dict[str, Any]) -> Reply:
    """Other names of a tower and a beach, and none of a forest."""
    question = body["messages"][-1]["content"]
    named = (text for name, text in LISTS.items() if question.endswith(f" {name}:"))
    return 200, chat_reply(next(named, "I'm sorry, I cannot say."))


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with serve(answer) as running:
        yield running


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bank, and vectors of 90 photos that lie around what they show."""
    monkeypatch.chdir(tmp_path)
    entries = [
        ClassPrompts(name=name, prompts={"": [f"A photo of a {name}.", f"The {name}."]})
        for name in TRUTH
    ]
    PromptBank(name="places", classes=entries).save("bank.yaml")
    encoder, random = load_encoder("mini"), torch.Generator().manual_seed(0)
    shown = unit(encoder.encode_text([f"A photo of a {name}." for name in TRUTH.values()]))
    noise = torch.randn(90, encoder.dim, generator=random) * 0.5 / encoder.dim**0.5
    vectors = shown[torch.arange(90) % 3] + noise
    metadata = ShardMetadata(shard=0, shard_size=90, provenance=ImageProvenance.of(encoder))
    Path("photos.v").mkdir()
    names = [f"{number}.png" for number in range(90)]
    write_shard(Path("photos.v"), metadata, Shard(names, [None] * 90, vectors))
    return tmp_path


def propose(cupl: Cupl, *arguments: object) -> Outcome:
    return cupl(
        "bank", "names", "bank.yaml", "--photos", "photos.v", "--encoder", "mini", *arguments
    )


def test_a_better_name_is_proposed_and_nothing_changed(
    cupl: Cupl, server: FakeServer, work: Path
) -> None:
    before = Path("bank.yaml").read_bytes()
    asked = ["--base-url", server.url, "--model", "m"]
    outcome = propose(cupl, *asked)
    assert outcome.code == 0, outcome.err
    assert "3 other names of 2 classes" in outcome.err
    assert "dropped 1: a name that the class has" in outcome.err
    assert "dropped 1: another class of the bank" in outcome.err
    head, _, *rows = outcome.out.splitlines()
    assert head.split() == ["class", "better", "name", "photos", "found", "right"]
    assert [row.split()[:3] for row in rows] == [["tower", "skyscraper", "30"]]
    assert "1 better name for 3 classes; of 2 classes there were others to try" in outcome.err
    assert Path("bank.yaml").read_bytes() == before
    assert sorted(path.name for path in work.iterdir()) == ["bank.yaml", "photos.v"]


def test_the_proposal_is_written_where_it_is_wanted(
    cupl: Cupl, server: FakeServer, work: Path
) -> None:
    asked = ["--base-url", server.url, "--model", "m", "-o", "new.yaml"]
    outcome = propose(cupl, *asked)
    assert outcome.code == 0, outcome.err
    assert "cupl evaluate LABELLED --bank bank.yaml --bank new.yaml --encoder mini" in outcome.err
    first = PromptBank.load("new.yaml").classes[0]
    assert (first.name, first.aliases) == ("skyscraper", ["tower"])
    assert first.texts == ["A photo of a skyscraper.", "The skyscraper."]
    made, requests = Path("new.yaml").read_bytes(), len(server.requests)
    assert propose(cupl, *asked, "--offline").code == 0
    assert Path("new.yaml").read_bytes() == made
    assert len(server.requests) == requests


def test_the_aliases_of_the_bank_need_no_model(cupl: Cupl, work: Path) -> None:
    bank = PromptBank.load("bank.yaml")
    bank.classes[0].aliases.append("skyscraper")
    bank.save("bank.yaml")
    outcome = propose(cupl, "--synonyms", 0, "-o", "new.yaml")
    assert outcome.code == 0, outcome.err
    assert outcome.out.splitlines()[2].split()[:2] == ["tower", "skyscraper"]
    again = cupl(
        "bank", "names", "new.yaml", "--photos", "photos.v", "--encoder", "mini", "--synonyms", 0,
        "-o", "newer.yaml",
    )  # fmt: skip
    assert again.code == 0, again.err
    assert again.out == ""
    assert "wrote nothing" in again.err
    assert not Path("newer.yaml").exists()


def test_a_dry_run_asks_nothing(cupl: Cupl, server: FakeServer, work: Path) -> None:
    outcome = propose(cupl, "--base-url", server.url, "--model", "m", "--dry-run")
    assert outcome.code == 0, outcome.err
    assert "other names: 3 classes" in outcome.err
    assert outcome.out == ""
    assert not server.requests


def test_photos_of_another_encoder_are_refused(cupl: Cupl, server: FakeServer, work: Path) -> None:
    clip = save_clip(work / "clip")
    outcome = cupl(
        "bank", "names", "bank.yaml", "--photos", "photos.v", "--encoder", clip,
        "--base-url", server.url, "--model", "m",
    )  # fmt: skip
    assert outcome.code == 1
    assert "mini" in outcome.err
    assert not server.requests


def test_the_embedded_model_lists_names(cupl: Cupl, work: Path) -> None:
    outcome = propose(cupl, "--model", "mini", "--synonyms", 3)
    assert outcome.code == 0, outcome.err
    assert "better name" in outcome.err
