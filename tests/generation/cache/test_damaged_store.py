"""A cache that is damaged, gone or not one's own: explained, and nothing in it deleted."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from cupl.errors import InputError
from cupl.generation.cache.entries import Stored, entry_from_json
from cupl.generation.cache.reader import CacheReader
from cupl.generation.cache.store import ResponseCache
from cupl.llm.protocol import Response
from tests.caches import ANSWER, fill, key


@pytest.mark.parametrize(
    "text",
    [
        "no JSON",
        "[1]",
        '{"stored":1}',
        '{"answer":{"text":"a"}}',
        '{"answer":{"text":"a"},"stored":"1"}',
        '{"answer":{"text":"a"},"stored":true}',
        '{"answer":{"text":"a"},"stored":-1}',
        '{"answer":{"text":"a"},"stored":1e3}',
        '{"answer":{"text":"a"},"stored":1000000000000}',
        '{"answer":{"text":1},"stored":1}',
        '{"answer":{},"stored":1}',
        '{"answer":{"text":"a","more":1},"stored":1}',
        '{"answer":{"text":"a","model":0},"stored":1}',
        '{"answer":{"text":"a","created":false},"stored":1}',
        '{"answer":{"text":"a"},"failure":{"reason":"a","tries":1},"stored":1}',
        '{"failure":{"reason":"a"},"stored":1}',
        '{"failure":{"reason":"a","tries":null},"stored":1}',
        "[" * 100_000,
    ],
)
def test_a_text_that_is_no_entry(tmp_path: Path, text: str) -> None:
    with pytest.raises(ValueError, match="."):
        entry_from_json(key(0), text)
    with ResponseCache(tmp_path) as cache:
        cache._cache.set(key(0), text)
        with pytest.raises(InputError, match="nothing in it was deleted; 'cupl cache verify'"):
            cache.get(key(0))


@pytest.mark.parametrize(
    "change",
    [
        "value = replace(value, 'gata', 'rata')",
        "value = replace(value, '1700000000', '1700000001')",
        "value = replace(value, ',\"stored\":1', ',\"stored\":2')",
        "tag = tag + 1",
        "tag = 'none'",
    ],
)
def test_a_letter_that_the_disk_changed_is_seen(tmp_path: Path, change: str) -> None:
    with ResponseCache(tmp_path, clock=lambda: 1_750_000_000) as cache:
        cache.put({key(0): ANSWER, key(1): Response("whole")})
        cache._cache._sql(f"UPDATE Cache SET {change} WHERE key = ?", (key(0),))  # noqa: S608
        for look in (cache.get, lambda name: cache.get_many([name])):
            with pytest.raises(InputError, match="changed on the disk.*'cupl cache verify'"):
                look(key(0))
        assert cache.get(key(1)) == Response("whole")
    with CacheReader(tmp_path) as reader:
        found = {
            getattr(entry, "name", ""): getattr(entry, "why", "") for entry in reader.entries()
        }
    assert "changed on the disk" in found[key(0)]


def test_a_cache_of_before_there_were_checksums(tmp_path: Path) -> None:
    with ResponseCache(tmp_path) as cache:
        cache.put({key(0): ANSWER})
        cache._cache._sql("UPDATE Cache SET tag = NULL")
        assert cache.get(key(0)) == ANSWER


def made_again(folder: Path) -> None:
    fill(folder, 2)


@pytest.mark.parametrize("then", [lambda _: None, Path.mkdir, Path.touch, made_again])
def test_a_cache_that_is_deleted_in_use(tmp_path: Path, then: Callable[[Path], object]) -> None:
    """What is put into it would be gone with this process, and be paid for again."""
    folder = tmp_path / "cache"
    with ResponseCache(folder) as cache:
        cache.put({key(0): ANSWER})
        shutil.rmtree(folder)
        then(folder)
        for change in (
            lambda: cache.claim(key(1)),
            lambda: cache.put({key(1): ANSWER}),
            lambda: cache.add([Stored(key(1), ANSWER, 1)]),
        ):
            with pytest.raises(InputError, match="deleted or replaced while it was in use"):
                change()


def test_a_damaged_cache_is_explained_and_kept(tmp_path: Path) -> None:
    (tmp_path / "cache.db").write_bytes(b"this is no database" * 1000)
    with pytest.raises(InputError, match="nothing .* deleted; restore it.*another folder"):
        ResponseCache(tmp_path)
    assert (tmp_path / "cache.db").read_bytes() == b"this is no database" * 1000


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be used.*File exists.*choose another folder"):
        ResponseCache(tmp_path / "file")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_cache_that_may_not_be_written(tmp_path: Path) -> None:
    fill(tmp_path / "cache", 1)
    (tmp_path / "cache" / "cache.db").chmod(0o400)
    with pytest.raises(InputError, match="readonly database.*make it writable"):
        ResponseCache(tmp_path / "cache")
    (tmp_path / "folder").mkdir(mode=0o500)
    with pytest.raises(InputError, match="Permission denied"):
        ResponseCache(tmp_path / "folder")
