"""Databases whose bytes were changed anywhere: right answers or one sentence, never wrong ones."""

import contextlib
import os
import random
import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from cupl.embedding.text_cache import embed_texts
from cupl.errors import CuplError
from cupl.generation.cache.entries import Stored
from cupl.generation.cache.reader import CacheReader
from cupl.generation.cache.store import ResponseCache
from cupl.llm.protocol import Response
from tests.caches import fill, key
from tests.embedding.test_text_cache import Lengths

ROUNDS = int(os.environ.get("CUPL_ATTACKS", "20"))
"""How often each is tried, with the same changes each time."""
TEXTS = [f"text {number}" for number in range(200)]


def flip(data: bytearray, source: random.Random) -> None:
    for _ in range(source.choice([1, 1, 5, 50])):
        data[source.randrange(len(data))] ^= 1 << source.randrange(8)


def flip_first_page(data: bytearray, source: random.Random) -> None:
    for _ in range(3):
        data[source.randrange(4096)] = source.randrange(256)


def clear_page(data: bytearray, source: random.Random) -> None:
    start = source.randrange(len(data) // 4096) * 4096
    data[start : start + 4096] = bytes(4096)


def cut(data: bytearray, source: random.Random) -> None:
    del data[source.randrange(len(data)) :]


CHANGES = [flip, flip_first_page, clear_page, cut]


@pytest.fixture(params=range(ROUNDS))
def changed(request: pytest.FixtureRequest) -> Callable[[Path], None]:
    """Changes the database in a folder."""

    def change(folder: Path) -> None:
        source = random.Random(request.param)  # noqa: S311
        data = bytearray((folder / "cache.db").read_bytes())
        CHANGES[request.param % len(CHANGES)](data, source)
        for file in folder.iterdir():
            file.unlink()
        (folder / "cache.db").write_bytes(data)

    return change


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Response]]:
    folder = tmp_path_factory.mktemp("whole")
    return folder, fill(folder, 200)


@contextlib.contextmanager
def explained_for(folder: Path) -> Iterator[None]:
    """One sentence that names the folder is right too."""
    try:
        yield
    except CuplError as error:
        if str(folder) not in str(error):
            raise


def test_answers_are_right_or_refused(
    changed: Callable[[Path], None], whole: tuple[Path, dict[str, Response]], tmp_path: Path
) -> None:
    folder, answers = tmp_path / "cache", whole[1]
    shutil.copytree(whole[0], folder)
    changed(folder)
    with explained_for(folder), CacheReader(folder) as reader:
        for entry in reader.entries():
            if isinstance(entry, Stored):
                assert entry.entry == answers.get(entry.key)
    with explained_for(folder), ResponseCache(folder) as cache:
        for name, answer in answers.items():
            assert cache.get(name) in (answer, None)
        cache.put({key(-1): Response("new")})
        assert cache.get(key(-1)) == Response("new")


def test_embeddings_are_right(changed: Callable[[Path], None], tmp_path: Path) -> None:
    right = embed_texts(TEXTS, Lengths(dim=20), text_cache=tmp_path)
    changed(tmp_path)
    with warnings.catch_warnings(record=True):
        result = embed_texts(TEXTS, Lengths(dim=20), text_cache=tmp_path)
    assert torch.equal(result.vectors, right.vectors)
    assert result.tokens == right.tokens
