"""The cache of text embeddings is where an argument says, or nowhere."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from cupl.bank.labels import ClassLabel
from cupl.embedding.bank_encoding import bank_embeddings, encode_bank, encode_templates
from cupl.embedding.pruning import prune
from cupl.embedding.text_cache import TextCache, embed_texts
from cupl.encoders.protocol import Encoder
from cupl.io.paths import cache_dir
from tests.embedding.test_text_cache import Lengths
from tests.models import bank_of

BANK = bank_of({"cat": ["A cat.", "Whiskers and a tail."], "dog": ["A dog.", "It barks a lot."]})
EMBEDDERS: dict[str, Callable[[Encoder, TextCache], object]] = {
    "embed_texts": lambda encoder, cache: embed_texts(["a", "b"], encoder, text_cache=cache),
    "encode_bank": lambda encoder, cache: encode_bank(BANK, encoder, text_cache=cache),
    "encode_templates": lambda encoder, cache: encode_templates(
        [ClassLabel("cat"), ClassLabel("dog")], ["a {}."], encoder, text_cache=cache
    ),
    "bank_embeddings": lambda encoder, cache: bank_embeddings(BANK, encoder, text_cache=cache),
    "prune": lambda encoder, cache: prune(BANK, encoder, by="redundancy", text_cache=cache),
}
embedders = pytest.mark.parametrize("name", EMBEDDERS)


@embedders
@pytest.mark.parametrize("kind", [str, Path])
def test_it_is_kept_where_one_says(name: str, kind: Any, tmp_path: Path) -> None:
    embed, place = EMBEDDERS[name], kind(tmp_path / "new" / "cache")
    first, again, elsewhere = Lengths(), Lengths(), Lengths()
    embed(first, place)
    assert first.asked
    assert not (cache_dir() / "embeddings").exists()
    embed(again, place)
    assert again.asked == []
    embed(elsewhere, None)
    assert sorted(elsewhere.asked) == sorted(first.asked)
    assert (cache_dir() / "embeddings" / "cache.db").exists()


@embedders
def test_nothing_is_kept_nor_looked_up_where_one_says_so(name: str, tmp_path: Path) -> None:
    embed = EMBEDDERS[name]
    embed(Lengths(), None)
    before = sorted(path.name for path in cache_dir().rglob("*"))
    encoder = Lengths()
    embed(encoder, False)
    assert encoder.asked
    assert sorted(path.name for path in cache_dir().rglob("*")) == before


@embedders
def test_without_it_no_home_is_needed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("CUPL_CACHE", "HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(Path, "home", lambda: pytest.fail("a home was looked for"))
    EMBEDDERS[name](Lengths(), False)


def a_file(folder: Path) -> Path:
    (folder / "file").write_text("no folder")
    return folder / "file"


def inside_a_file(folder: Path) -> Path:
    return a_file(folder) / "cache"


def not_to_be_written(folder: Path) -> Path:
    (folder / "closed").mkdir(mode=0o500)
    return folder / "closed"


def no_database(folder: Path) -> Path:
    (folder / "cache.db").write_bytes(b"no database" * 1000)
    return folder


@pytest.mark.parametrize("place", [a_file, inside_a_file, not_to_be_written, no_database])
def test_a_place_that_cannot_be_used_costs_only_time(
    place: Callable[[Path], Path], tmp_path: Path
) -> None:
    folder = place(tmp_path)
    for _ in range(2):
        encoder = Lengths()
        found = embed_texts(["a", "bc"], encoder, text_cache=folder).vectors
        assert torch.equal(found, torch.stack([encoder.vector_of(text) for text in ("a", "bc")]))
        if place is not not_to_be_written or os.geteuid() != 0:  # root may write anywhere
            assert encoder.asked == ["a", "bc"]
