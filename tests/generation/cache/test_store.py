import errno
import multiprocessing
import os
import pickle
import sqlite3
import stat
from collections.abc import Iterator, Mapping
from multiprocessing.connection import Connection
from pathlib import Path

import diskcache
import pytest

from cupl.errors import InputError
from cupl.generation.cache.entries import CacheEntry, Stored, entry_to_json
from cupl.generation.cache.store import ResponseCache, explained
from cupl.llm.protocol import Failure, Response
from tests.caches import ANSWER, FAILURE, fill, key, room_for

PROCESSES = multiprocessing.get_context("spawn")


def test_an_answer_is_there_for_the_next_run(tmp_path: Path) -> None:
    with ResponseCache(tmp_path / "a" / "b") as cache:
        assert cache.get(key(0)) is None
        cache.put({key(0): ANSWER, key(1): FAILURE})
    with ResponseCache(tmp_path / "a" / "b") as cache:
        assert cache.get(key(0)) == ANSWER
        assert cache.get(key(1)) == FAILURE
        assert cache.get(key(2)) is None
        assert len(cache) == 2


def test_the_first_answer_stays(tmp_path: Path) -> None:
    """Another run may have made its bank of it already."""
    with ResponseCache(tmp_path) as cache:
        cache.put({key(0): ANSWER})
        cache.put({key(0): Response("Too late.")})
        cache.put({key(0): FAILURE})
        assert cache.get(key(0)) == ANSWER


def test_many_at_once_are_the_same_as_one_by_one(tmp_path: Path) -> None:
    answers = fill(tmp_path, 1200)
    with ResponseCache(tmp_path) as cache:
        cache.put({key(-1): FAILURE})
        keys = [key(number) for number in range(-2, 1300)]
        one_by_one = {name: entry for name in keys if (entry := cache.get(name))}
        assert cache.get_many(keys) == one_by_one == answers | {key(-1): FAILURE}
        cache.put({key(-2): ANSWER})
        assert cache.get_many(keys[:2]) == {key(-2): ANSWER, key(-1): FAILURE}
        assert cache.get_many([]) == {}


def test_a_failure_gives_way(tmp_path: Path) -> None:
    with ResponseCache(tmp_path) as cache:
        for entry in (FAILURE, Failure("refusal", 3), ANSWER):
            cache.put({key(0): entry})
            assert cache.get(key(0)) == entry


class Interrupted(Mapping[str, CacheEntry]):
    """Entries of which only the first comes."""

    def __getitem__(self, name: str) -> CacheEntry:
        return ANSWER

    def __iter__(self) -> Iterator[str]:
        yield key(0)
        raise KeyboardInterrupt

    def __len__(self) -> int:
        return 2


def test_all_or_nothing_is_kept(tmp_path: Path) -> None:
    with ResponseCache(tmp_path) as cache:
        with pytest.raises(KeyboardInterrupt):
            cache.put(Interrupted())
        with pytest.raises(KeyboardInterrupt):
            cache.add(Stored(name, ANSWER, 0) for name in Interrupted())
        assert len(cache) == 0
        cache.put({key(0): ANSWER})
        assert cache.get(key(0)) == ANSWER


def add_one_and_wait(folder: Path, pipe: Connection) -> None:
    def entries() -> Iterator[Stored]:
        yield Stored(key(0), ANSWER, 0)
        pipe.send("one is written, the transaction is open")
        pipe.recv()

    with ResponseCache(folder) as cache:
        cache.add(entries())


def test_nothing_is_left_of_what_a_killed_process_began(tmp_path: Path) -> None:
    ours, theirs = PROCESSES.Pipe()
    process = PROCESSES.Process(target=add_one_and_wait, args=(tmp_path, theirs))
    process.start()
    theirs.close()  # so that we hear of its end too
    ours.recv()
    process.kill()
    process.join()
    with ResponseCache(tmp_path) as cache:
        assert cache.get(key(0)) is None
        cache.put({key(0): FAILURE})
        assert cache.get(key(0)) == FAILURE


def test_entries_of_another_cache_are_added(tmp_path: Path) -> None:
    fill(tmp_path, 2)
    with ResponseCache(tmp_path, clock=lambda: 100) as cache:
        same = cache.get(key(0))
        assert same is not None
        cache.put({key(2): FAILURE, key(3): FAILURE, key(4): FAILURE})
        found = cache.add(
            [
                Stored(key(0), same, 7),
                Stored(key(1), ANSWER, 7),
                Stored(key(2), ANSWER, 7),
                Stored(key(3), Failure("empty", 9), 7),
                Stored(key(4), FAILURE, 7),
                Stored(key(5), FAILURE, 7),
            ]
        )
        assert found == {"new": 2, "same": 2, "different": 2}
        assert cache.get(key(1)) != ANSWER
        assert cache.get(key(2)) == ANSWER
        assert cache.get(key(3)) == FAILURE
        assert cache.remove([key(number) for number in range(9)], 100) == 2
        assert cache.get(key(2)) is cache.get(key(5)) is None


def test_what_is_younger_is_not_removed(tmp_path: Path) -> None:
    with ResponseCache(tmp_path, clock=lambda: 100) as cache:
        cache.put({key(0): ANSWER})
        assert cache.remove([key(0), key(1)], 100) == 0
        assert cache.get(key(0)) == ANSWER
        assert cache.remove([key(0)], 101) == 1
        assert len(cache) == 0


def test_everything_lies_in_one_file(tmp_path: Path) -> None:
    """What lies beside the database takes no part in its transactions."""
    with ResponseCache(tmp_path) as cache:
        cache.put({key(0): Response("x" * 100_000)})
        assert cache.get(key(0)) == Response("x" * 100_000)
    assert {path.name for path in tmp_path.iterdir()} == {"cache.db", "cache.db.claims"}


def test_only_the_owner_may_look(tmp_path: Path) -> None:
    with ResponseCache(tmp_path / "cache") as cache:
        assert stat.S_IMODE(cache.folder.stat().st_mode) == 0o700


def test_a_folder_is_named_as_in_a_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("WHERE", "there")
    with ResponseCache("~/$WHERE") as cache:
        assert cache.folder == tmp_path / "there"
    assert len(list((tmp_path / "there").iterdir())) == 2


def test_nothing_is_ever_evicted(tmp_path: Path) -> None:
    with ResponseCache(tmp_path) as cache:
        assert cache._cache.eviction_policy == "none"
        assert cache._cache._sql("PRAGMA synchronous").fetchall() == [(1,)]


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (exec, ("raise SystemExit('a pickle was run')",))


def change(folder: Path, sql: str, *values: object) -> None:
    database = sqlite3.connect(folder / "cache.db")
    with database:
        database.execute(sql, values)
    database.close()


def test_a_pickle_is_not_run(tmp_path: Path) -> None:
    pickled = pickle.dumps(Bomb())
    with ResponseCache(tmp_path) as cache:
        cache.put({key(0): ANSWER})
        change(tmp_path, "UPDATE Cache SET mode=?, value=?", diskcache.core.MODE_PICKLE, pickled)
        with pytest.raises(InputError, match="not text"):
            cache.get(key(0))
        change(tmp_path, "UPDATE Cache SET raw = 0, key = ?", pickled)
        with pytest.raises(ValueError, match="pickled key"):
            list(cache._cache)


def test_a_file_of_somebody_else_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(entry_to_json(Response("secret"), 0))
    with ResponseCache(tmp_path / "cache") as cache:
        cache.put({key(0): ANSWER})
        set_file = "UPDATE Cache SET mode = ?, filename = '../secret', value = NULL"
        change(tmp_path / "cache", set_file, diskcache.core.MODE_TEXT)
        with pytest.raises(InputError, match="not text"):
            cache.get(key(0))


LARGE = {key(number): Response("x" * 5000) for number in range(1, 200)}


def test_a_full_disk_costs_nothing_but_time(tmp_path: Path) -> None:
    with ResponseCache(tmp_path) as cache:
        cache.put({key(0): ANSWER})
        cache._cache._sql("PRAGMA max_page_count = 40")
        for _ in range(2):
            with pytest.raises(InputError, match="disk is full.*deleted; free space"):
                cache.put(LARGE)
        assert cache.get(key(0)) == ANSWER
        assert len(cache) == 1
        cache._cache._sql("PRAGMA max_page_count = 100000")
        cache.put(LARGE)
        assert len(cache) == 200


def test_a_disk_that_refuses_costs_nothing_but_time(tmp_path: Path) -> None:
    with ResponseCache(tmp_path) as cache:
        cache.put({key(0): ANSWER})
        with room_for(200_000), pytest.raises(InputError, match="disk I/O error.*has space"):
            cache.put(LARGE)
        assert len(cache) == 1
        cache.put(LARGE)
        assert len(cache) == 200


def test_a_cache_that_somebody_holds(tmp_path: Path) -> None:
    with ResponseCache(tmp_path) as cache:
        cache._cache._sql("PRAGMA busy_timeout = 1")
        database = sqlite3.connect(tmp_path / "cache.db", isolation_level=None)
        database.execute("BEGIN IMMEDIATE")
        with pytest.raises(InputError, match="locked.*another process holds it"):
            cache.put({key(0): ANSWER})
        database.close()
        cache.put({key(0): ANSWER})


def write_many(folder: Path, worker: int) -> None:
    with ResponseCache(folder) as cache:
        for number in range(50):
            mine = key(worker * 50 + number)
            cache.put({mine: Response(f"{worker} {number}"), key(-number - 1): Response("first")})


def test_processes_share_a_cache(tmp_path: Path) -> None:
    workers = [PROCESSES.Process(target=write_many, args=(tmp_path, i)) for i in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    with ResponseCache(tmp_path) as cache:
        answers = [cache.get(key(i)) for i in range(150)]
        assert len(cache) == 200
    assert answers == [Response(f"{i // 50} {i % 50}") for i in range(150)]


def test_a_home_that_nobody_has(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="that home folder is not known"):
        ResponseCache("~no such user/cache")


@pytest.mark.parametrize("now", [-1e9, -1.0, 1e18, -1e14])
def test_a_clock_that_is_far_off_costs_no_answer(tmp_path: Path, now: float) -> None:
    with ResponseCache(tmp_path, clock=lambda: now) as cache:
        cache.put({"a" * 64: Response("A cat.")})
        assert cache.get("a" * 64) == Response("A cat.")


def test_a_database_for_which_no_file_can_be_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(os, "open", full)
    said = "too many open files, no more than .* ulimit -n 1024"
    with pytest.raises(InputError, match=said), explained(tmp_path):
        raise sqlite3.OperationalError("unable to open database file")
