import os
import sqlite3
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cupl.errors import InputError, MissingFileError
from cupl.generation.cache.entries import Stored
from cupl.generation.cache.reader import (
    CacheReader,
    Findings,
    UnreadableEntry,
    keys_before,
    summarize_cache,
)
from cupl.generation.cache.store import ResponseCache
from cupl.llm.protocol import Failure, Response
from tests.caches import ANSWER, FAILURE, fill, key, room_for

PAGE = 4096


def read(folder: Path) -> list[Stored | UnreadableEntry]:
    with CacheReader(folder) as reader:
        return list(reader.entries())


def test_entries_come_in_the_order_of_their_keys(tmp_path: Path) -> None:
    answers = fill(tmp_path, 20, time=5)
    assert read(tmp_path) == [Stored(name, answers[name], 5) for name in sorted(answers)]


@pytest.mark.parametrize("name", ["nothing", "folder", "file"])
def test_where_there_is_no_cache_none_is_made(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(MissingFileError, match="no response cache in .*name another"):
        CacheReader(tmp_path / name)
    assert {path.name for path in tmp_path.rglob("*")} == {"folder", "file"}


@pytest.mark.parametrize("made", ["", "CREATE TABLE Settings (key TEXT, value)"])
def test_a_cache_whose_maker_was_killed_at_once_is_empty(tmp_path: Path, made: str) -> None:
    with sqlite3.connect(tmp_path / "cache.db") as database:
        database.execute("PRAGMA user_version = 1")  # else there is no file yet
        database.execute(made)
    database.close()
    assert read(tmp_path) == []
    with ResponseCache(tmp_path) as cache:
        cache.put({key(1): ANSWER})
    assert len(read(tmp_path)) == 1


def test_reading_changes_nothing(tmp_path: Path) -> None:
    fill(tmp_path, 20)
    before = (tmp_path / "cache.db").read_bytes()
    with CacheReader(tmp_path) as reader:
        assert reader.damage() == []
        assert len(list(reader.entries())) == 20
        assert reader.size() > len(before)
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            reader._database.execute("DELETE FROM Cache")
    assert (tmp_path / "cache.db").read_bytes() == before


def test_what_is_stored_meanwhile_is_left_for_the_next_time(tmp_path: Path) -> None:
    fill(tmp_path, 20)
    with CacheReader(tmp_path) as reader, ResponseCache(tmp_path) as cache:
        entries = reader.entries()
        first = next(entries)
        cache.put({key(99): ANSWER})
        assert len([first, *entries]) == 20
        assert len(list(reader.entries())) == 21


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_only_be_read(tmp_path: Path) -> None:
    fill(tmp_path / "cache", 20)
    (tmp_path / "cache").chmod(0o500)
    assert len(read(tmp_path / "cache")) == 20
    (tmp_path / "cache").chmod(0o700)


def test_a_folder_that_may_only_be_read_gets_no_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path, 20)
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert len(read(tmp_path)) == 20
    assert {path.name for path in tmp_path.iterdir()} == {"cache.db", "cache.db.claims"}


def test_what_is_no_entry_is_named(tmp_path: Path) -> None:
    with ResponseCache(tmp_path) as cache:
        cache.put({"short": ANSWER, key(0): ANSWER})
        for number, value in enumerate(["{}", '{"answer":{"text":"\xff"},"stored":1}'], 1):
            cache._cache.set(key(number), value)
        cache._cache._sql("UPDATE Cache SET value = x'00' WHERE key = ?", (key(0),))
    found = {item.name: item.why for item in read(tmp_path) if isinstance(item, UnreadableEntry)}
    assert found.keys() == {"short", key(0), key(1), key(2)}
    assert found["short"] == "no key of the response cache"
    assert found[key(0)] == "its value is not text"
    assert found[key(1)] == "no entry of the response cache"


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, dict[str, Response]]:
    """The database of a cache, and its answers."""
    folder = tmp_path_factory.mktemp("sound")
    answers = fill(folder, 100)
    return (folder / "cache.db").read_bytes(), answers


def test_a_damaged_page_costs_its_own_entries_only(
    tmp_path: Path, sound: tuple[bytes, dict[str, Response]]
) -> None:
    data, answers = sound
    (tmp_path / "cache.db").write_bytes(data)
    with CacheReader(tmp_path) as reader:
        root = "SELECT rootpage FROM sqlite_master WHERE name = 'Cache'"
        ((way_to_all,),) = reader._database.execute(root).fetchall()
    lost = []
    for start in range(PAGE, len(data), PAGE):
        if start == (way_to_all - 1) * PAGE:
            continue
        damaged = data[:start] + bytes(PAGE) + data[start + PAGE :]
        (tmp_path / "cache.db").write_bytes(damaged)
        found = [item for item in read(tmp_path) if isinstance(item, Stored)]
        assert all(item.entry == answers[item.key] for item in found)
        assert [item.key for item in found] == sorted({item.key for item in found})
        lost.append(len(answers) - len(found))
    assert 0 < max(lost) <= PAGE // 300
    assert (tmp_path / "cache.db").read_bytes() == damaged


def test_half_a_database_gives_what_is_in_it(
    tmp_path: Path, sound: tuple[bytes, dict[str, Response]]
) -> None:
    data, answers = sound
    (tmp_path / "cache.db").write_bytes(data[: len(data) // PAGE // 2 * PAGE])
    with CacheReader(tmp_path) as reader:
        assert reader.damage() == ["database disk image is malformed"]
        found = [item for item in reader.entries() if isinstance(item, Stored)]
    assert 20 < len(found) < 100
    assert all(item.entry == answers[item.key] for item in found)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 60_000), st.binary(min_size=1, max_size=50)), min_size=1))
def test_no_damage_does_more_than_cost_entries(
    tmp_path: Path,
    sound: tuple[bytes, dict[str, Response]],
    damages: list[tuple[int, bytes]],
) -> None:
    data = bytearray(sound[0])
    for place, junk in damages:
        start = place % len(data)
        data[start : start + len(junk)] = junk[: len(data) - start]
    (tmp_path / "cache.db").write_bytes(data)
    try:
        entries = read(tmp_path)
    except InputError as error:
        assert str(tmp_path) in str(error)  # noqa: PT017 (either outcome is right)
    else:
        assert all(isinstance(item, Stored | UnreadableEntry) for item in entries)


def test_a_full_disk_is_no_damage(tmp_path: Path) -> None:
    """What it takes to read beside others may not fit."""
    fill(tmp_path, 1)
    why = pytest.raises(InputError, match="disk I/O error.* has space")
    with CacheReader(tmp_path) as reader, room_for(10_000), why:
        list(reader.entries())
    assert len(read(tmp_path)) == 1


def test_no_database_at_all(tmp_path: Path) -> None:
    (tmp_path / "cache.db").write_bytes(b"this is no database" * 1000)
    with CacheReader(tmp_path) as reader:
        assert reader.damage() == ["file is not a database"]
        with pytest.raises(InputError, match="nothing can be read .* restore it"):
            list(reader.entries())


def test_a_summary() -> None:
    found = summarize_cache(
        [
            Stored(key(0), ANSWER, 7),
            Stored(key(1), ANSWER, 0),
            Stored(key(2), Response("a"), 9),
            Stored(key(3), FAILURE, 8),
            Stored(key(4), Failure("empty", 1), 8),
            UnreadableEntry("name", "why"),
        ]
    )
    assert found.answers == {"m-1": 2, None: 1}
    assert found.failures == {"refusal": 1, "empty": 1}
    assert (found.oldest, found.newest) == (0, 9)
    assert found.unreadable == Findings(1, ["name: why"])


def test_keys_before_a_time() -> None:
    entries = [Stored(key(number), ANSWER, number) for number in range(4)]
    assert keys_before([*entries, UnreadableEntry("name", "why")], 2) == [key(0), key(1)]


def test_findings_keep_the_first_few() -> None:
    findings = Findings()
    for number in range(100):
        findings.add(str(number))
    assert findings == Findings(100, [str(number) for number in range(10)])
