import gzip
import json
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cupl.errors import InputError, MissingFileError
from cupl.generation.cache import transfer
from cupl.generation.cache.entries import Stored
from cupl.generation.cache.reader import CacheReader
from cupl.generation.cache.store import ResponseCache
from cupl.generation.cache.transfer import Exported, Imported, export_entries, import_entries
from cupl.io.jsonl import MAX_LINE
from cupl.llm.protocol import Failure, Response
from tests.caches import ANSWER, FAILURE, fill, key, room_for
from tests.generation.cache.test_entries import entries


def export(folder: Path, path: Path) -> Exported:
    with CacheReader(folder) as reader:
        return export_entries(reader, path)


def take_over(path: Path, folder: Path) -> Imported:
    with ResponseCache(folder) as cache:
        return import_entries(path, cache)


def line(number: int, entry: str = '"answer":{"text":"a"},"stored":1') -> str:
    return f'{{"key":"{key(number)}",{entry}}}\n'


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.integers().map(key), st.tuples(entries, st.integers(0, 10**10))))
def test_a_cache_survives_its_export(
    tmp_path_factory: pytest.TempPathFactory, content: dict[str, tuple[Response | Failure, int]]
) -> None:
    folder = tmp_path_factory.mktemp("caches")
    with ResponseCache(folder / "one") as cache:
        cache.add(Stored(name, entry, time) for name, (entry, time) in content.items())
    assert export(folder / "one", folder / "one.jsonl.gz").entries == len(content)
    assert take_over(folder / "one.jsonl.gz", folder / "two").entries.total() == len(content)
    export(folder / "two", folder / "two.jsonl.gz")
    assert (folder / "two.jsonl.gz").read_bytes() == (folder / "one.jsonl.gz").read_bytes()
    with CacheReader(folder / "two") as reader:
        found = list(reader.entries())
    assert found == [Stored(name, *content[name]) for name in sorted(content)]


def test_a_line_is_a_key_and_what_is_stored(tmp_path: Path) -> None:
    with ResponseCache(tmp_path / "cache", clock=lambda: 5.5) as cache:
        cache.put({key(0): ANSWER, key(1): FAILURE})
    export(tmp_path / "cache", tmp_path / "a.jsonl")
    lines = map(json.loads, (tmp_path / "a.jsonl").read_text().splitlines())
    found = {data.pop("key"): data for data in lines}
    assert list(found) == sorted(found)
    assert found[key(1)] == {"failure": {"reason": "refusal", "tries": 2}, "stored": 5}
    assert found[key(0)]["answer"]["text"] == ANSWER.text


def test_equal_caches_give_equal_bytes(tmp_path: Path) -> None:
    content = fill(tmp_path / "one", 50)
    with ResponseCache(tmp_path / "two", clock=lambda: 1_750_000_000) as cache:
        for name in reversed(content):
            cache.put({name: content[name]})
    export(tmp_path / "one", tmp_path / "one.jsonl.gz")
    export(tmp_path / "two", tmp_path / "other name.jsonl.gz")
    data = (tmp_path / "one.jsonl.gz").read_bytes()
    assert data == (tmp_path / "other name.jsonl.gz").read_bytes()
    export(tmp_path / "one", tmp_path / "one.jsonl")
    assert gzip.decompress(data) == (tmp_path / "one.jsonl").read_bytes()


def test_where_an_export_does_not_go(tmp_path: Path) -> None:
    fill(tmp_path / "cache", 1)
    (tmp_path / "old.jsonl").write_text("the last good copy")
    (tmp_path / "link").symlink_to(tmp_path / "cache")
    for name, why in [
        ("old.jsonl", "it exists; name a new file"),
        ("bank.yaml", "ends in .jsonl.gz or .jsonl"),
        ("cache/new.jsonl", "outside the response cache"),
        ("link/new.jsonl", "outside the response cache"),
        ("nowhere/new.jsonl", "does not exist"),
    ]:
        with pytest.raises((InputError, MissingFileError), match=f"cannot write .*{why}"):
            export(tmp_path / "cache", tmp_path / name)
    assert (tmp_path / "old.jsonl").read_text() == "the last good copy"


@pytest.mark.parametrize("name", ["new.jsonl", "new.jsonl.gz"])
def test_a_full_disk_leaves_no_export(tmp_path: Path, name: str) -> None:
    fill(tmp_path / "cache", 2000)
    with room_for(40_000), pytest.raises(InputError, match="cannot write .*File too large"):
        export(tmp_path / "cache", tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]


def test_an_export_leaves_out_what_cannot_be_read(tmp_path: Path) -> None:
    fill(tmp_path / "cache", 5)
    with ResponseCache(tmp_path / "cache") as cache:
        cache._cache.set(key(3), "{}")
    result = export(tmp_path / "cache", tmp_path / "new.jsonl")
    assert result.entries == 4
    assert result.unreadable.first == [f"{key(3)}: no entry of the response cache"]
    assert take_over(tmp_path / "new.jsonl", tmp_path / "other").entries == {"new": 4}


def test_what_is_there_stays(tmp_path: Path) -> None:
    fill(tmp_path / "ours", 3)
    with ResponseCache(tmp_path / "ours") as cache:
        cache.put({key(5): FAILURE})
    with ResponseCache(tmp_path / "theirs") as cache:
        cache.put({key(number): Response("theirs") for number in (2, 3, 5)})
        cache.put({key(0): FAILURE})
    export(tmp_path / "theirs", tmp_path / "theirs.jsonl.gz")
    result = take_over(tmp_path / "theirs.jsonl.gz", tmp_path / "ours")
    assert result == Imported(result.entries)
    assert result.entries == {"new": 2, "different": 2}
    with ResponseCache(tmp_path / "ours") as cache:
        texts = [getattr(cache.get(key(number)), "text", "")[:8] for number in range(6)]
    assert texts == ["Answer 0", "Answer 1", "Answer 2", "theirs", "", "theirs"]


def test_more_than_fits_one_transaction(tmp_path: Path) -> None:
    fill(tmp_path / "ours", 2500)
    export(tmp_path / "ours", tmp_path / "ours.jsonl")
    assert take_over(tmp_path / "ours.jsonl", tmp_path / "new").entries == {"new": 2500}
    assert take_over(tmp_path / "ours.jsonl", tmp_path / "new").entries == {"same": 2500}


def test_bad_lines_are_named_and_the_others_kept(tmp_path: Path) -> None:
    bad = [
        "no JSON\n",
        "[]\n",
        "\n",
        "\xff\n",
        "[" * 100_000 + "\n",
        line(1, '"other":1'),
        line(1).replace(key(1), key(1).upper()),
        line(1).replace(key(1), key(1)[1:]),
        line(1).replace(key(1), f"{key(1)}\\n"),
        line(1).replace(f'"{key(1)}"', "1"),
        line(1).replace("a", "a" * MAX_LINE, 1),
    ]
    path = tmp_path / "mixed.jsonl"
    path.write_text(line(0) + "".join(bad) + line(2), encoding="latin-1")
    result = take_over(path, tmp_path / "cache")
    assert result.entries == {"new": 2}
    assert result.bad.total == len(bad)
    numbers = [text.partition(":")[0] for text in result.bad.first]
    assert numbers == [f"line {number}" for number in range(2, 12)]
    assert result.broken_off is None


def test_a_file_of_something_else(tmp_path: Path) -> None:
    path = tmp_path / "bank.yaml"
    path.write_text("format: none\nname: x\n")
    with pytest.raises(InputError, match="bank.yaml is no export .*: line 1: not JSON"):
        take_over(path, tmp_path / "cache")
    with pytest.raises(MissingFileError, match="there is no file"):
        take_over(tmp_path / "nothing", tmp_path / "cache")
    with pytest.raises(InputError, match="is a folder, not a copy of a cache"):
        take_over(tmp_path, tmp_path / "cache")


@pytest.mark.parametrize("name", ["all.jsonl.gz", "all.jsonl"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_file_that_ends_early(tmp_path: Path, name: str, share: float) -> None:
    answers = fill(tmp_path / "all", 300)
    export(tmp_path / "all", tmp_path / name)
    data = (tmp_path / name).read_bytes()
    (tmp_path / "cut").write_bytes(data[: int(share * len(data)) + 7])
    result = take_over(tmp_path / "cut", tmp_path / "cache")
    assert result.broken_off is not None
    assert result.broken_off.startswith("it ends")
    assert result.bad.total == 0
    assert result.entries["new"] > share * 0.8 * 300 - 30
    with CacheReader(tmp_path / "cache") as reader:
        found = [item for item in reader.entries() if isinstance(item, Stored)]
    assert [item.key for item in found] == sorted(answers)[: result.entries["new"]]
    assert all(item.entry == answers[item.key] for item in found)


def test_a_file_that_is_damaged(tmp_path: Path) -> None:
    fill(tmp_path / "all", 300)
    export(tmp_path / "all", tmp_path / "all.jsonl.gz")
    data = (tmp_path / "all.jsonl.gz").read_bytes()
    for damaged in (data[:-8] + bytes(8), data + b"junk"):
        (tmp_path / "damaged").write_bytes(damaged)
        result = take_over(tmp_path / "damaged", tmp_path / "cache")
        assert result.entries.total() == 300
        assert str(result.broken_off).startswith("it is damaged: ")


def test_a_bomb_takes_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "bomb.jsonl"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(line(0).encode())
        for _ in range(12):
            file.write(bytes(MAX_LINE))
    tracemalloc.start()
    result = take_over(path, tmp_path / "cache")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5 * MAX_LINE  # of the twelve that it unpacks to
    assert result.entries == {"new": 1}
    assert result.bad.first == [f"line 2: longer than {MAX_LINE // 2**20} MB"]


@pytest.mark.parametrize("content", [b"\n", b"[]\n", b"x"], ids=["breaks", "lists", "one line"])
@pytest.mark.parametrize("entries", [0, 1])
def test_what_unpacks_to_far_more_than_an_export_is_not_read_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, entries: int
) -> None:
    monkeypatch.setattr(transfer, "_FREE_BYTES", 2**16)
    monkeypatch.setattr(transfer, "_MOST_BAD", 5000)
    path = tmp_path / "bomb.jsonl.gz"
    with gzip.open(path, "wb") as file:
        file.write(line(0).encode() * entries + content * (20 * 2**20 // len(content)))
    if entries:
        result = take_over(path, tmp_path / "cache")
        assert result.entries == {"new": 1}
        assert result.broken_off is not None
        assert result.bad.total < 10_000
    else:
        with pytest.raises(InputError, match="is no export of a response cache"):
            take_over(path, tmp_path / "cache")


def test_lines_that_are_no_entries_are_not_read_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "_MOST_BAD", 50)
    path = tmp_path / "x.jsonl"
    path.write_text(line(0) + "\n" * 10_000)
    result = take_over(path, tmp_path / "cache")
    assert result.broken_off == "more than 50 lines of it are no entries"
    assert result.bad.total < 200


def test_a_full_disk_keeps_what_came_before(tmp_path: Path) -> None:
    fill(tmp_path / "all", 2500)
    export(tmp_path / "all", tmp_path / "all.jsonl")
    with ResponseCache(tmp_path / "cache") as cache:
        pages = cache._cache._sql("PRAGMA page_count").fetchall()[0][0]
        cache._cache._sql(f"PRAGMA max_page_count = {pages + 250}")
        with pytest.raises(InputError, match="disk is full"):
            import_entries(tmp_path / "all.jsonl", cache)
        assert len(cache) == 1000
