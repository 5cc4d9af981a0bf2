from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from cupl.bank.model import PromptBank
from cupl.embedding.bank_encoding import encode_bank
from cupl.embedding.image_shards import ImageProvenance, Shard, ShardMetadata, write_shard
from cupl.encoders.loading import load_encoder
from tests.cli.conftest import Cupl, Outcome
from tests.fakes import FakeServer, Reply, chat_reply, serve

SIGNS = "bands", "dots", "spines", "stripes"


def answer(body: dict[str, Any]) -> Reply:
    """Two attributes of the pair, one side of a third, and one that is no line."""
    question = body["messages"][-1]["content"]
    first, second = question.partition(" tell ")[2].removesuffix(" apart?").split(" and ")
    rows = [
        f"fur | {first} shows {SIGNS[len(first) % 4]}. | {second} shows none.",
        f"size | {first} is small. | {second} is large.",
        f"tail | {first} has one.",
        "I hope this helps!",
    ]
    return 200, chat_reply("\n".join(rows))


@pytest.fixture
def server(work: Path) -> Iterator[FakeServer]:
    with serve(answer) as running:
        yield running


def contrast(cupl: Cupl, server: FakeServer, *arguments: object) -> Outcome:
    return cupl(
        "bank", "contrast", "bank.yaml", "--encoder", "model", "--embedding-cache", "none",
        "--base-url", server.url, "--model", "m", *arguments,
    )  # fmt: skip


def test_the_closest_pairs_are_asked_about(cupl: Cupl, server: FakeServer) -> None:
    outcome = contrast(cupl, server, "-o", "new.yaml", "--pairs", 2)
    assert outcome.code == 0, outcome.err
    assert "2 pairs closest by their class vectors, of 3:\n  " in outcome.err
    assert "2 pairs, 1 question, 1 sample each: 0 of 2 answers cached, 2 to come" in outcome.err
    assert "wrote new.yaml: 8 prompts more in 3 classes, of 2 pairs" in outcome.err
    assert "  dropped 2: only one side" in outcome.err
    assert "next: cupl evaluate LABELLED --bank bank.yaml --bank new.yaml" in outcome.err
    old, new = PromptBank.load("bank.yaml"), PromptBank.load("new.yaml")
    assert [entry.texts[:3] for entry in new] == [entry.texts for entry in old]
    assert new.source is not None
    assert new.source.pairs is not None
    assert [facts.by for facts in new.source.pairs] == ["class vectors"]
    assert len(server.requests) == 2


def test_again_nothing_is_asked_and_the_file_is_the_same(cupl: Cupl, server: FakeServer) -> None:
    contrast(cupl, server, "-o", "new.yaml")
    made = Path("new.yaml").read_bytes()
    for more in (["--offline"], ["--dry-run"], []):
        outcome = contrast(cupl, server, "-o", "new.yaml", *more)
        assert outcome.code == 0, outcome.err
        assert "1 of 1 answer cached, 0 to come" in outcome.err
    assert Path("new.yaml").read_bytes() == made
    assert len(server.requests) == 1


def keep_photos(weights: Sequence[Sequence[float]]) -> None:
    """A folder of image vectors, each a mixture of the vectors of cat, dog and frog."""
    encoder = load_encoder("model")
    classes = encode_bank(PromptBank.load("bank.yaml"), encoder, text_cache=False).matrix
    Path("photos.v").mkdir()
    for number, row in enumerate(weights):
        metadata = ShardMetadata(shard=number, shard_size=1, provenance=ImageProvenance.of(encoder))
        shard = Shard([f"{number}.png"], [None], torch.tensor([row], dtype=torch.float32) @ classes)
        write_shard(Path("photos.v"), metadata, shard)


def test_photos_choose_the_pairs(cupl: Cupl, server: FakeServer) -> None:
    keep_photos([[1, 0, 1], [1, 0, 0], [1, 0, 1], [0, 1, 1]])
    outcome = contrast(cupl, server, "-o", "new.yaml", "--photos", "photos.v", "--pairs", 2)
    assert outcome.code == 0, outcome.err
    assert "2 pairs between which 3 photos are in doubt, of 3:" in outcome.err
    assert ":\n  cat / frog\n  dog / frog\n" in outcome.err
    source = PromptBank.load("new.yaml").source
    assert source is not None
    assert source.pairs is not None
    assert source.pairs[0].by == "photos"
    assert source.pairs[0].pairs == [["cat", "frog"], ["dog", "frog"]]


def test_what_adaptation_to_the_photos_did_is_said(cupl: Cupl, server: FakeServer) -> None:
    keep_photos([[1, 0, 1]] * 3)
    outcome = contrast(cupl, server, "--photos", "photos.v", "--dry-run")
    assert outcome.code == 0, outcome.err
    assert "kept the texts alone: " in outcome.err


def test_photos_that_are_sure_choose_no_pair(cupl: Cupl, server: FakeServer) -> None:
    keep_photos([[1, 0, 0], [2, 0, -1]])
    outcome = contrast(cupl, server, "-o", "new.yaml", "--photos", "photos.v")
    assert outcome.code == 1
    assert "no photo is in doubt between two classes" in outcome.err
    assert "(without --photos)" in outcome.err


def test_photos_of_another_encoder_are_refused(cupl: Cupl, server: FakeServer) -> None:
    assert cupl("embed", "photos", "-o", "photos.v", "--encoder", "mini").code == 0
    outcome = contrast(cupl, server, "-o", "new.yaml", "--photos", "photos.v")
    assert outcome.code == 1
    assert "mini" in outcome.err
    assert not server.requests


def test_a_dry_run_asks_nothing(cupl: Cupl, server: FakeServer) -> None:
    outcome = contrast(cupl, server, "--dry-run", "--price-in", 1, "--price-out", 2)
    assert outcome.code == 0, outcome.err
    assert "1 request to m" in outcome.err
    assert "at most about" in outcome.err
    assert not server.requests


def test_a_limit_stops_it_and_nothing_is_written(cupl: Cupl, server: FakeServer) -> None:
    outcome = contrast(cupl, server, "-o", "new.yaml", "--pairs", 3, "--max-requests", 1)
    assert outcome.code == 1
    assert "stopped at 1 request;" in outcome.err
    assert not Path("new.yaml").exists()


def test_a_model_that_says_nothing_of_use(cupl: Cupl, work: Path) -> None:
    with serve(lambda body: (200, chat_reply("They are both animals."))) as server:
        outcome = contrast(cupl, server, "-o", "new.yaml")
    assert outcome.code == 1
    assert "(dropped: 1 no attribute); ask another model (--model)" in outcome.err


def test_one_class_has_nothing_to_be_told_from(cupl: Cupl, server: FakeServer) -> None:
    Path("bank.yaml").write_text(
        "format: cupl-bank/1\nname: x\nclasses:\n- name: cat\n  prompts: [A cat.]\n"
    )
    outcome = contrast(cupl, server, "-o", "new.yaml")
    assert outcome.code == 1
    assert "has one class: there is nothing to confuse" in outcome.err


def test_classes_of_one_name_are_not_asked_about(cupl: Cupl, server: FakeServer) -> None:
    crane = "- name: crane\n  id: {}\n  prompts: [A crane.]\n"
    classes = crane.format("bird") + crane.format("machine")
    Path("bank.yaml").write_text(f"format: cupl-bank/1\nname: x\nclasses:\n{classes}")
    outcome = contrast(cupl, server, "-o", "new.yaml")
    assert outcome.code == 1
    assert "have one name, which no question tells apart" in outcome.err
    assert not server.requests


def test_the_bank_is_no_place_for_the_result(cupl: Cupl, server: FakeServer) -> None:
    outcome = contrast(cupl, server, "-o", "bank.yaml")
    assert outcome.code == 1
    assert "cannot write bank.yaml: it is also what is read" in outcome.err
