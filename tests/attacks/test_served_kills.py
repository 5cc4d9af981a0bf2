"""SIGKILL while a server answers: nothing that was paid for is lost or asked for again."""

import shutil
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from cupl.generation.cache.reader import CacheReader
from cupl.generation.cache.store import ResponseCache
from tests.batch_server import serve_batches
from tests.faults import fault_server
from tests.processes import Limits, Running, run

ASK = ["-c", "cat", "-c", "dog", "--model", "m", "--samples", "20"]


def kept(cache: Path) -> int:
    """How many answers a killed run has left."""
    if not (cache / "cache.db").exists():
        return 0
    with CacheReader(cache) as reader:
        return sum(1 for _ in reader.entries())


def test_generate_is_killed_and_goes_on(tmp_path: Path, times: int) -> None:
    folder, scratch = tmp_path / "w", tmp_path / "scratch"
    with fault_server() as server:
        words: list[object] = ["generate", "-c", "cat", "--model", "m", "--base-url", server.url]
        words += ["--samples", "5", "--n", "2", "--cache", folder / "cache"]
        words += ["-o", folder / "bank.yaml"]
        folder.mkdir()
        whole = run(words, scratch, Limits(watched=folder))
        assert whole.code == 0, whole.err
        bank, answers = (folder / "bank.yaml").read_bytes(), kept(folder / "cache")
        for kill in range(1, 3 * times + 1):
            shutil.rmtree(folder)
            folder.mkdir()
            (folder / "bank.yaml").write_bytes(b"what a person had there\n")
            at = 1 + whole.changes * kill // (3 * times + 1)
            killed = run(words, scratch, Limits(watched=folder, at=at))
            assert killed.code == -signal.SIGKILL
            before = (folder / "bank.yaml").read_bytes()
            assert before in (bank, b"what a person had there\n"), at
            left = kept(folder / "cache")
            server.served.clear()
            again = run(words, scratch)
            assert again.code == 0, (at, again.err)
            assert server.served.total() == answers - left, at
            assert (folder / "bank.yaml").read_bytes() == bank, at
            names = {path.name for path in folder.iterdir()}
            assert names == {"cache", "bank.yaml", "bank.yaml.old"}, at
            assert (folder / "bank.yaml.old").read_bytes() == b"what a person had there\n"


def test_fetching_is_killed_and_done_again(
    tmp_path: Path, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, scratch = tmp_path / "w", tmp_path / "scratch"
    with serve_batches() as server:
        parts = {"r.jsonl": b'{"a": 1}\n' * 20_000, "r.errors.jsonl": b'{"b": 2}\n' * 20_000}
        files = [server.add_file(data) for data in parts.values()]
        batch = server.add_batch("completed", output_file_id=files[0], error_file_id=files[1])
        words = ["batch", "fetch", batch["id"], "-o", "r.jsonl", "--base-url", server.url]
        folder.mkdir()
        monkeypatch.chdir(folder)
        whole = run(words, scratch, Limits(watched=folder))
        assert whole.code == 0, whole.err
        for kill in range(1, 2 * times + 1):
            for path in folder.iterdir():
                path.unlink()
            at = 1 + whole.changes * kill // (2 * times + 1)
            killed = run(words, scratch, Limits(watched=folder, at=at))
            assert killed.code == -signal.SIGKILL
            for name, data in parts.items():
                assert not Path(name).exists() or Path(name).read_bytes() == data, at
            again = run(words, scratch)
            assert again.code == 0, (at, again.err)
            left = {path.name: path.read_bytes() for path in folder.iterdir()}
            assert left == parts, at


@pytest.mark.parametrize("at", ["/v1/files", "/v1/batches"])
def test_a_batch_is_not_paid_twice_by_a_killed_submit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    folder, scratch = tmp_path / "w", tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.chdir(folder)
    with serve_batches() as server:
        to = ["--base-url", server.url]
        export = ["batch", "export", *ASK, *to, "--cache", "cache", "-o", "r.jsonl"]
        assert run(export, scratch).code == 0
        answered, killed, post = threading.Event(), threading.Event(), server.post

        def waiting(target: str, *more: Any) -> Any:
            reply = post(target, *more)
            if target == at and not answered.is_set():
                answered.set()
                killed.wait(60)
            return reply

        monkeypatch.setattr(server, "post", waiting)
        first = Running(["batch", "submit", "r.jsonl", *to], scratch)
        answered.wait(60)
        first.signal(signal.SIGKILL)
        killed.set()
        assert first.wait().code == -signal.SIGKILL
        again = run(["batch", "submit", "r.jsonl", *to], scratch)
        assert again.code == 0, again.err
        assert again.out == b"batch_1\n"
        assert len(server.batches) == 1


def test_pruning_a_cache_is_killed(made: Path, tmp_path: Path, times: int) -> None:
    folder, scratch = tmp_path / "cache", tmp_path / "scratch"
    words = ["cache", "prune", "--older-than", "1d", "--cache", folder]
    shutil.copytree(made / "cache", folder)
    whole = run(words, scratch, Limits(watched=folder))
    assert whole.code == 0, whole.err
    assert not kept(folder)
    answers = kept(made / "cache")
    for kill in range(1, 2 * times + 1):
        shutil.rmtree(folder)
        shutil.copytree(made / "cache", folder)
        at = 1 + whole.changes * kill // (2 * times + 1)
        assert run(words, scratch, Limits(watched=folder, at=at)).code == -signal.SIGKILL
        assert kept(folder) in (0, answers), at
        with ResponseCache(folder) as cache:
            assert len(cache) in (0, answers), at
        assert run(words, scratch).code == 0
        assert not kept(folder)
