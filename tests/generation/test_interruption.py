"""Runs that are killed, interrupted, or share a cache: real processes against a real server."""

import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cupl.generation.cache.store import ResponseCache
from cupl.generation.pipeline import generate
from cupl.generation.plan import survey
from tests.faults import Fault, FaultServer, fault_server
from tests.generation.test_plan import TWO, plan_of
from tests.processes import forked

NAMES = [f"{kind} {thing}" for kind in ("red", "old", "wet") for thing in ("cup", "owl", "tin")]
SETTINGS: dict[str, Any] = {"samples": 4, "n": 2, "concurrency": 3}
REQUESTS = len(NAMES) * 2 * 2
CONCURRENCY = 3


def run_once(url: str, cache: Path, bank: Path, **more: Any) -> None:
    generate(NAMES, TWO, base_url=url, cache=cache, **(SETTINGS | more)).save(bank)


def start(server: FaultServer, folder: Path, name: str = "bank", **more: Any) -> Any:
    run = forked(partial(run_once, **more), (server.url, folder / "cache", folder / f"{name}.yaml"))
    run.start()
    return run


class Alarm:
    """Goes off when the server has received so many requests."""

    def __init__(self) -> None:
        self.at = -1
        self.went_off = threading.Event()

    def __call__(self, number: int, body: dict[str, Any]) -> Fault | None:
        if number >= self.at >= 0:
            self.went_off.set()
        return None

    def set(self, at: int) -> None:
        self.went_off.clear()
        self.at = at


def bank_at(path: Path, server: FaultServer) -> bytes:
    """The bank, of whichever server."""
    return path.read_bytes().replace(server.url.encode(), b"any")


@pytest.fixture
def uninterrupted(tmp_path: Path) -> bytes:
    with fault_server() as server:
        run_once(server.url, tmp_path / "other", tmp_path / "other.yaml")
        assert len(server.received) == REQUESTS
    return bank_at(tmp_path / "other.yaml", server)


def test_killed_at_twenty_moments(tmp_path: Path, uninterrupted: bytes) -> None:
    kills, alarm, rng = 20, Alarm(), random.Random(7)  # noqa: S311
    with fault_server(alarm, delay=0.004) as server:
        for _ in range(kills):
            alarm.set(len(server.received) + rng.randrange(5))
            run = start(server, tmp_path)
            while not alarm.went_off.wait(0.01):
                assert run.is_alive(), "it was done before the twentieth kill"
            run.kill()
            run.join()
            assert not (tmp_path / "bank.yaml").exists()
        with ResponseCache(tmp_path / "cache") as cache:
            before = survey(plan_of(*NAMES, questions=TWO, base_url=server.url, samples=4), cache)
            assert before.answers
        last = start(server, tmp_path)
        last.join()
        received = len(server.received)
        assert received <= REQUESTS + kills * CONCURRENCY
        last = start(server, tmp_path)
        last.join()
        assert len(server.received) == received
    assert bank_at(tmp_path / "bank.yaml", server) == uninterrupted


def test_two_runs_at_once_share_the_work(tmp_path: Path, uninterrupted: bytes) -> None:
    with fault_server(delay=0.005) as server:
        runs = [start(server, tmp_path, name) for name in ("one", "two")]
        for run in runs:
            run.join()
        assert len(server.received) == REQUESTS
    for name in ("one", "two"):
        assert bank_at(tmp_path / f"{name}.yaml", server) == uninterrupted


def test_two_runs_of_other_sizes_pay_for_no_answer_twice(tmp_path: Path) -> None:
    with fault_server(delay=0.02) as server:
        runs = [
            start(server, tmp_path, "one", n=4),
            start(server, tmp_path, "two", n=3, samples=6),
        ]
        for run in runs:
            run.join()
            assert run.exitcode == 0
        assert server.served.total() == len(NAMES) * 2 * 6


def test_two_runs_at_once_and_one_is_killed(tmp_path: Path, uninterrupted: bytes) -> None:
    alarm = Alarm()
    alarm.set(10)
    with fault_server(alarm, delay=0.005) as server:
        runs = [start(server, tmp_path, name) for name in ("one", "two")]
        assert alarm.went_off.wait(60)
        runs[0].kill()
        for run in runs:
            run.join()
        assert len(server.received) <= REQUESTS + CONCURRENCY
    assert not (tmp_path / "one.yaml").exists()
    assert bank_at(tmp_path / "two.yaml", server) == uninterrupted


# A run in the background may have been told to ignore Ctrl-C.
_MAIN = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from cupl.cli import main
main()
"""


def command(server: FaultServer, folder: Path, *more: str) -> "subprocess.Popen[str]":
    arguments = ["-c", "cat", "-c", "dog", "-o", str(folder / "bank.yaml"), "--cache", str(folder)]
    return subprocess.Popen(
        [sys.executable, "-c", _MAIN, "generate", "--base-url", server.url, *arguments, *more],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )


def _hang(number: int, body: dict[str, Any]) -> Fault | None:
    return Fault("hang") if number else None


def _limited(number: int, body: dict[str, Any]) -> Fault | None:
    return Fault("429", "300") if number else None


@pytest.mark.parametrize("fault", [_hang, _limited])
def test_ctrl_c_ends_a_run_that_waits(
    tmp_path: Path, fault: Callable[[int, dict[str, Any]], Fault | None]
) -> None:
    asked = threading.Event()

    def script(number: int, body: dict[str, Any]) -> Fault | None:
        if number:
            asked.set()
        return fault(number, body)

    with fault_server(script) as server:
        run = command(server, tmp_path, "--concurrency", "1")
        assert asked.wait(60)
        run.send_signal(signal.SIGINT)
        _, err = run.communicate(timeout=5)
    assert run.returncode == 130
    assert "every answer so far is in the cache; the same command continues" in err
    assert " in 2 requests, " in err
    assert "Traceback" not in err
    assert not (tmp_path / "bank.yaml").exists()
