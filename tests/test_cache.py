import multiprocessing
import pickle
import sqlite3
import stat
from pathlib import Path

import diskcache
import pytest

from cupl.cache import ResponseCache
from cupl.errors import InputError
from cupl.llm.base import Request, Response

REQUEST = Request("http://localhost/v1", "m", "chat", "What does a cat look like?")
RESPONSE = Response("Una gata — «grande» 🐈", "length", "m-1", 5, 9, 1700000000)


def test_an_answer_is_there_for_the_next_run(tmp_path: Path) -> None:
    with ResponseCache(tmp_path / "a" / "b") as cache:
        assert cache.get(REQUEST, 0) is None
        cache.put(REQUEST, 0, RESPONSE)
    with ResponseCache(tmp_path / "a" / "b") as cache:
        assert cache.get(REQUEST, 0) == RESPONSE
        assert cache.get(REQUEST, 1) is None
        assert len(cache) == 1


def test_the_first_answer_stays(tmp_path: Path) -> None:
    """Another run may have made its bank of it already."""
    with ResponseCache(tmp_path) as cache:
        cache.put(REQUEST, 0, RESPONSE)
        cache.put(REQUEST, 0, Response("Too late."))
        assert cache.get(REQUEST, 0) == RESPONSE


def test_a_long_answer_lies_in_a_file_of_its_own(tmp_path: Path) -> None:
    with ResponseCache(tmp_path) as cache:
        cache.put(REQUEST, 0, Response("x" * 100_000))
        assert cache.get(REQUEST, 0) == Response("x" * 100_000)


def test_only_the_owner_may_look(tmp_path: Path) -> None:
    with ResponseCache(tmp_path / "cache") as cache:
        assert stat.S_IMODE(cache.folder.stat().st_mode) == 0o700


def test_nothing_is_ever_evicted(tmp_path: Path) -> None:
    with ResponseCache(tmp_path) as cache:
        assert cache._cache.eviction_policy == "none"


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (exec, ("raise SystemExit('a pickle was run')",))


def test_a_pickle_is_not_run(tmp_path: Path) -> None:
    with ResponseCache(tmp_path) as cache:
        cache.put(REQUEST, 0, RESPONSE)
        with sqlite3.connect(tmp_path / "cache.db") as database:
            database.execute(
                "UPDATE Cache SET mode = ?, value = ?",
                (diskcache.core.MODE_PICKLE, sqlite3.Binary(pickle.dumps(Bomb()))),
            )
        with pytest.raises(InputError, match="not text"):
            cache.get(REQUEST, 0)


def test_a_file_outside_the_folder_is_not_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret.val"
    secret.write_text('{"text": "secret"}')
    with ResponseCache(tmp_path / "cache") as cache:
        cache.put(REQUEST, 0, Response("x" * 100_000))
        with sqlite3.connect(tmp_path / "cache" / "cache.db") as database:
            database.execute("UPDATE Cache SET filename = '../secret.val'")
        with pytest.raises(InputError, match="not its own"):
            cache.get(REQUEST, 0)


@pytest.mark.parametrize("value", ["no JSON", "[1]", '{"other": 1}'])
def test_a_value_that_is_no_response(tmp_path: Path, value: str) -> None:
    with ResponseCache(tmp_path) as cache:
        cache._cache.set(REQUEST.key(0), value)
        with pytest.raises(InputError, match="nothing in it was deleted"):
            cache.get(REQUEST, 0)


def test_a_damaged_cache_is_explained_and_kept(tmp_path: Path) -> None:
    (tmp_path / "cache.db").write_bytes(b"this is no database" * 1000)
    with pytest.raises(InputError, match="nothing in it was deleted.*--cache"):
        ResponseCache(tmp_path)
    assert (tmp_path / "cache.db").read_bytes() == b"this is no database" * 1000


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be used"):
        ResponseCache(tmp_path / "file")


def write_many(folder: Path, worker: int) -> None:
    with ResponseCache(folder) as cache:
        for sample in range(50):
            cache.put(REQUEST, worker * 50 + sample, Response(f"{worker} {sample}"))


def test_processes_share_a_cache(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=write_many, args=(tmp_path, i)) for i in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    with ResponseCache(tmp_path) as cache:
        answers = [cache.get(REQUEST, i) for i in range(150)]
    assert answers == [Response(f"{i // 50} {i % 50}") for i in range(150)]
