"""Runs in several threads of one process share a cache and its answers."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from cupl.generation.cache.store import ResponseCache
from cupl.generation.pipeline import generate
from cupl.generation.plan import missing_answers
from cupl.generation.requester import RequestOptions, run_requests
from cupl.llm.protocol import LLM, Request, Response
from tests.fakes import Echo
from tests.faults import fault_server
from tests.generation.test_plan import ONE, TWO, plan_of

NAMES = [f"{kind} {thing}" for kind in ("red", "old", "wet") for thing in ("cup", "owl", "tin")]


@pytest.mark.parametrize("threads", [2, 4])
def test_threads_pay_for_no_answer_twice(tmp_path: Path, threads: int) -> None:
    together = threading.Barrier(threads, timeout=30)

    def run(samples: int) -> bytes:
        together.wait()
        bank = generate(
            NAMES, TWO, samples=samples, n=2, concurrency=3, cache=tmp_path, base_url=server.url
        )
        return bank.to_bytes()

    with fault_server(delay=0.01) as server, ThreadPoolExecutor(threads) as pool:
        banks = {result.result() for result in [pool.submit(run, 4) for _ in range(threads)]}
        assert len(server.received) == len(NAMES) * 2 * 2
        assert server.served.total() == len(NAMES) * 2 * 4
    assert len(banks) == 1


def test_threads_of_other_sizes_pay_for_no_answer_twice(tmp_path: Path) -> None:
    def run(samples: int, n: int) -> None:
        generate(NAMES, TWO, samples=samples, n=n, cache=tmp_path, base_url=server.url)

    with fault_server(delay=0.01) as server, ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(run, 4, 4), pool.submit(run, 6, 3)]
        for result in runs:
            result.result()
        assert server.served.total() == len(NAMES) * 2 * 6


def in_thread(
    folder: Path, llm: LLM, notice: Callable[[str], None], samples: int = 1
) -> Callable[[], None]:
    """A run that does not sleep while it waits for another."""

    async def hurry(seconds: float) -> None:
        await asyncio.sleep(0)

    def run() -> None:
        plan = plan_of("cat", questions=ONE, samples=samples)
        options = RequestOptions(notice=notice, sleep=hurry)
        with ResponseCache(folder) as cache:
            units = list(missing_answers(plan, cache, n=10))
            asyncio.run(run_requests(units, cache, llm, options=options))

    return run


class Waits(Echo):
    """Answers only when it is told to."""

    def __init__(self, fail: bool = False) -> None:
        super().__init__()
        self.asked_once = threading.Event()
        self.go_on = threading.Event()
        self.fail = fail

    async def complete(self, request: Request, n: int) -> list[Response]:
        self.asked_once.set()
        assert await asyncio.to_thread(self.go_on.wait, 30)
        if self.fail:
            raise KeyError("the first run breaks")
        return await super().complete(request, n)


def test_a_thread_leaves_to_another_what_that_asks_at_the_moment(tmp_path: Path) -> None:
    first, second = Waits(), Echo()

    def waiting(sentence: str) -> None:
        assert sentence == "waiting for answers that another run on this cache asks for"
        first.go_on.set()  # so the second has met the claim of the first

    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(in_thread(tmp_path, first, print))
        assert first.asked_once.wait(30)
        two = pool.submit(in_thread(tmp_path, second, waiting))
        one.result()
        two.result()
    assert (len(first.asked), len(second.asked)) == (1, 0)


def test_a_thread_takes_over_what_another_has_not_got(tmp_path: Path) -> None:
    first, second = Waits(fail=True), Echo()
    said: list[Any] = []

    def waiting(sentence: str) -> None:
        said.append(sentence)
        first.go_on.set()

    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(in_thread(tmp_path, first, print))
        assert first.asked_once.wait(30)
        two = pool.submit(in_thread(tmp_path, second, waiting))
        with pytest.raises(KeyError):
            one.result()
        two.result()
    assert (len(first.asked), len(second.asked)) == (0, 1)
    assert len(said) == 1
