import os
import pickle
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import diskcache
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cupl.embedding import text_cache
from cupl.embedding.text_cache import embed_texts
from cupl.io.paths import cache_dir
from tests.models import HandMadeEncoder


class Lengths(HandMadeEncoder):
    """The vector of a text is made of its characters; says what it was asked."""

    def __init__(self, fingerprint: str = "f", precision: str = "float32", dim: int = 3) -> None:
        super().__init__(fingerprint=fingerprint)
        self.precision = precision
        self.dim = dim
        self.asked: list[str] = []

    def encode_text(self, texts: Sequence[str]) -> torch.Tensor:
        self.asked += texts
        return torch.stack([self.vector_of(text) for text in texts])

    def vector_of(self, text: str) -> torch.Tensor:
        return torch.tensor([len(text), len(set(text)), sum(map(ord, text))] * 9)[: self.dim] / 7


def database() -> Path:
    return cache_dir() / "embeddings" / "cache.db"


@given(texts=st.lists(st.text(max_size=4), max_size=12), first=st.integers(0, 12))
def test_each_text_gets_its_vector_from_wherever_it_is(
    texts: list[str], first: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("embeddings")
    encoder, seen = Lengths(), list[list[int]]()
    embed_texts(texts[:first], encoder, text_cache=folder)
    result = embed_texts(texts, encoder, text_cache=folder, check=seen.append)
    assert result.vectors.dtype == torch.float32
    assert result.vectors.shape == (len(texts), 3)
    for text, vector in zip(texts, result.vectors, strict=True):
        assert torch.equal(vector, encoder.vector_of(text))
    assert result.tokens == encoder.count_tokens(texts)
    assert seen == [result.tokens]
    assert sorted(encoder.asked) == sorted(set(texts))


def test_an_edited_prompt_is_the_only_one_computed() -> None:
    texts = [f"prompt {number}" for number in range(3000)]
    embed_texts(texts, Lengths())
    texts[1500] = "another"
    encoder, told = Lengths(), list[tuple[int, int]]()
    embed_texts(texts, encoder, progress=lambda *done: told.append(done))
    assert encoder.asked == ["another"]
    assert told == [(3000, 3000)]


def test_of_many_the_first_few_show_the_pace() -> None:
    texts = [f"prompt {number:04}" for number in range(3000)]
    embed_texts(texts[:500], Lengths())
    encoder, told = Lengths(), list[tuple[int, int]]()
    embed_texts(texts, encoder, progress=lambda *done: told.append(done))
    assert encoder.asked == texts[500:]
    assert told == [(done, 3000) for done in (500, 564, 1588, 2612, 3000)]


def test_what_was_done_before_an_interrupt_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_cache, "_AT_ONCE", 2)

    class Interrupted(Lengths):
        def encode_text(self, texts: Sequence[str]) -> torch.Tensor:
            if "c" in texts:
                raise KeyboardInterrupt
            return super().encode_text(texts)

    with pytest.raises(KeyboardInterrupt):
        embed_texts(["d", "b", "c", "a"], Interrupted())
    encoder = Lengths()
    embed_texts(["d", "b", "c", "a"], encoder)
    assert encoder.asked == ["c", "d"]


@pytest.mark.parametrize("other", [Lengths("g"), Lengths(precision="bfloat16"), Lengths(dim=4)])
def test_another_encoder_has_others(other: Lengths) -> None:
    embed_texts(["a", "b"], Lengths())
    assert embed_texts(["a", "b"], other).vectors.shape == (2, other.dim)
    assert other.asked == ["a", "b"]


def test_a_check_that_fails_comes_before_the_work() -> None:
    encoder = Lengths()

    def refuse(tokens: list[int]) -> None:
        raise ValueError(tokens)

    with pytest.raises(ValueError, match=r"\[4, 3\]"):
        embed_texts(["a b", "c"], encoder, check=refuse)
    assert not encoder.asked


def damage_value(value: object) -> None:
    with sqlite3.connect(database()) as connection:
        connection.execute("UPDATE Cache SET value = ?", (value,))
    connection.close()


@pytest.mark.parametrize(
    "value",
    [
        b"", b"\1\0\0\0" + b"\xff" * 12, b"\xff" * 4 + b"\0" * 12, b"\0" * 15, "text", 7, None,
        pickle.dumps(print),
    ],
)  # fmt: skip
def test_what_is_no_vector_is_computed_again(value: object) -> None:
    embed_texts(["a"], Lengths())
    damage_value(value)
    encoder = Lengths()
    assert torch.equal(embed_texts(["a"], encoder).vectors[0], encoder.vector_of("a"))
    assert encoder.asked == ["a"]


@pytest.mark.parametrize("change", ["value = x'01000000'||substr(value, 5)", "tag = tag + 1",
                                    "tag = NULL", "tag = 'none'"])  # fmt: skip
def test_a_bit_that_the_disk_changed_is_seen(change: str) -> None:
    embed_texts(["a b"], Lengths())
    with sqlite3.connect(database()) as connection:
        connection.execute(f"UPDATE Cache SET {change}")  # noqa: S608
    connection.close()
    encoder = Lengths()
    assert embed_texts(["a b"], encoder).tokens == encoder.count_tokens(["a b"])
    assert encoder.asked == ["a b"]


def test_a_vector_under_the_key_of_another_is_none_of_its() -> None:
    embed_texts(["a", "bb"], Lengths())
    with sqlite3.connect(database()) as connection:
        ((first,), (second,)) = connection.execute("SELECT key FROM Cache").fetchall()
        for old, new in ((first, "other"), (second, first), ("other", second)):
            connection.execute("UPDATE Cache SET key = ? WHERE key = ?", (new, old))
    connection.close()
    encoder = Lengths()
    embed_texts(["a", "bb"], encoder)
    assert sorted(encoder.asked) == ["a", "bb"]


def test_pickles_are_not_read(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "trapped",))

    embed_texts(["a"], Lengths())
    with diskcache.Cache(str(database().parent)) as cache:
        (key,) = cache
        cache[key] = Trap()
    encoder = Lengths()
    embed_texts(["a"], encoder)
    assert encoder.asked == ["a"]
    assert not (tmp_path / "trapped").exists()


def test_a_damaged_database_costs_only_time() -> None:
    embed_texts(["a"], Lengths())
    database().write_bytes(b"no database" * 1000)
    encoder = Lengths()
    with pytest.warns(UserWarning, match="is damaged .* delete it, and it is made again"):
        embed_texts(["a", "b"], encoder)
    assert encoder.asked == ["a", "b"]


def test_a_place_that_cannot_be_used_costs_only_time() -> None:
    (cache_dir() / "embeddings").write_text("a file")
    encoder = Lengths()
    with pytest.warns(UserWarning, match="cannot be used .*File exists"):
        assert embed_texts(["a"], encoder).vectors.shape == (1, 3)


@pytest.mark.skipif(os.name == "nt", reason="POSIX modes")
def test_nobody_else_can_look() -> None:
    embed_texts(["a"], Lengths())
    assert database().parent.stat().st_mode & 0o077 == 0


def test_the_oldest_go_when_there_are_too_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_cache, "MAX_CACHE_BYTES", 200_000)
    for start in range(0, 3000, 100):
        embed_texts(
            [f"{number}" for number in range(start, start + 100)],
            Lengths(dim=27),
            text_cache=tmp_path,
        )
    encoder = Lengths(dim=27)
    embed_texts([f"{number}" for number in range(3000)], encoder, text_cache=tmp_path)
    assert 1000 < len(encoder.asked) < 3000
    assert "2999" not in encoder.asked
