"""Every command that writes, on a real disk that is full at once, or soon.

One sentence that says so; what was there is there, nothing half is in the output's place, and once
there is room the same command does its work.
"""

from pathlib import Path

import pytest

from cupl.generation.cache.reader import CacheReader
from tests.attacks.disks import free, small_disk
from tests.attacks.test_places import every_command, files, say_one_sentence
from tests.faults import fault_server
from tests.processes import run
from tests.writing_commands import COMMANDS, words_of


@pytest.fixture
def work(work: Path) -> Path:
    (work / "place").mkdir()
    return work


@every_command
def test_a_disk_that_is_really_full(work: Path, tmp_path: Path, times: int, name: str) -> None:
    command = COMMANDS[name]
    for room in range(0, 4096 * (1 + times), 4096):
        with small_disk(work / "place", room):
            target = Path("place", command.output)
            if command.old and name != "evaluate":
                target.touch()
            before = files(work)
            words = words_of(command, str(target))
            done = run(words, tmp_path / "scratch")
            if done.code:
                say_one_sentence(done)
                assert "disk" in done.err
                assert "free space" in done.err or "has space" in done.err
                Path("pruned.yaml").unlink(missing_ok=True)  # written before, elsewhere
                if name != "embed":  # of which whole shards are kept
                    assert files(work) == before
            else:
                assert room
            free(work / "place")
            if name == "cache export" and not done.code:
                continue  # it replaces nothing
            again = run([*words, *command.again], tmp_path / "scratch")
            assert again.code == 0, again.err


@pytest.mark.parametrize("room", [0, 262_144, 524_288])
def test_answers_on_a_full_disk_are_counted_as_they_are(
    work: Path, tmp_path: Path, room: int
) -> None:
    with small_disk(work / "place", room), fault_server() as server:
        asked = ["--model", "m", "--base-url", server.url, "--samples", "40", "--n", "1"]
        words = ["generate", "-c", "cat", "-c", "dog", *asked, "--cache", "place/cache", "-o", "b"]
        done = run(words, tmp_path / "scratch")
        say_one_sentence(done)
        assert "space" in done.err
        assert not Path("b").exists()
        free(work / "place")
        kept = 0
        if server.received:
            with CacheReader("place/cache") as reader:
                kept = sum(1 for _ in reader.entries())
        assert (f"{kept:,} new answers are in the cache" in done.err) == bool(kept)
        received = len(server.received)
        again = run(words, tmp_path / "scratch")
        assert again.code == 0, again.err
        assert f": {kept:,} of 240 answers cached, {240 - kept:,} to come" in again.err
        assert len(server.received) - received == 240 - kept
