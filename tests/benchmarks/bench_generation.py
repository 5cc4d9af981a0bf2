"""Generation: throughput over HTTP, memory over many requests, a run that finds all in the cache.

Run ``python -m tests.benchmarks.bench_generation``, or with ``throughput``, ``memory`` or ``warm``
behind it for one of the three.
"""

import asyncio
import multiprocessing
import os
import subprocess
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory

from cupl.bank.templates import QuestionSet
from cupl.generation.cache.store import ResponseCache
from cupl.generation.plan import MissingAnswers, Plan, make_plan, missing_answers
from cupl.generation.requester import RequestOptions, run_requests
from cupl.llm.openai import OpenAIServer
from cupl.llm.protocol import Request, Response
from tests.faults import fault_server, sentences

DELAY, REQUESTS, CONCURRENCY = 0.1, 400, 32
_context = multiprocessing.get_context("spawn")


def plan_of(classes: int, samples: int, url: str, questions: int = 3) -> Plan:
    """Classes whose names take an article, and the first of the base questions."""
    base = QuestionSet.load("base")
    asked = QuestionSet(name="base", questions=base.questions[:questions])
    names = [f"thing {i}" for i in range(classes)]
    return make_plan(names, asked, samples=samples, base_url=url, model="m")


def serve(pipe: Connection, delay: float) -> None:
    """A server that answers after so many seconds, until the other end says stop."""
    with fault_server(delay=delay) as server:
        pipe.send(server.url)
        pipe.recv()
        pipe.send(server.most_in_flight)


async def ask(
    units: list[MissingAnswers], cache: ResponseCache, url: str, options: RequestOptions
) -> None:
    async with OpenAIServer(url) as llm:
        await run_requests(units, cache, llm, options=options)


def throughput() -> None:
    """Requests of one answer each to a server that takes 100 ms, against the ideal."""
    here, there = _context.Pipe()
    server = _context.Process(target=serve, args=(there, DELAY))
    server.start()
    url = here.recv()
    ideal = DELAY * REQUESTS / CONCURRENCY
    for round_ in range(4):
        plan = plan_of(REQUESTS * (round_ + 1), 1, url, questions=1)
        with TemporaryDirectory() as folder, ResponseCache(folder) as cache:
            units = list(missing_answers(plan, cache))[-REQUESTS:]
            options = RequestOptions(concurrency=CONCURRENCY, n=None)
            began, worked = time.perf_counter(), time.process_time()
            asyncio.run(ask(units, cache, url, options))
            took, worked = time.perf_counter() - began, time.process_time() - worked
        note = " with the import of the SDK" if round_ == 0 else ""
        print(
            f"throughput: {REQUESTS} requests at {CONCURRENCY}: {took:.2f} s, {took / ideal:.2f} "
            f"times the ideal {ideal:.2f} s{note}; {worked / REQUESTS * 1000:.1f} ms of CPU each"
        )
    here.send("stop")
    print(f"            at most {here.recv()} under way")
    server.join()


class _Instant:
    async def complete(self, request: Request, n: int) -> list[Response]:
        await asyncio.sleep(0)
        return [Response(text) for text in sentences(request.question, n)]


def own_memory() -> int:
    """KiB of this process, without the pages of files (the cache's database is mapped)."""
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("RssAnon"))


def added_by_asking(requests: int) -> float:
    """MiB that a process takes more, after it has asked for so many answers."""
    plan = plan_of(-(-requests // 3), 1, "http://localhost/v1")
    with TemporaryDirectory() as folder, ResponseCache(folder) as cache:
        before = own_memory()
        asyncio.run(
            run_requests(
                missing_answers(plan, cache),
                cache,
                _Instant(),
                options=RequestOptions(concurrency=32),
            )
        )
        assert len(cache) >= requests
        return (own_memory() - before) / 1024


def memory() -> None:
    """What asking adds to the memory, for more and more requests."""
    with _context.Pool(1, maxtasksperchild=1) as pool:
        for requests in (1_000, 10_000, 30_000, 100_000):
            began = time.perf_counter()
            added = pool.apply(added_by_asking, (requests,))
            took = time.perf_counter() - began
            print(f"memory: {requests:,} requests add {added:.0f} MiB ({took:.0f} s)")


def warm() -> None:
    """The command, when 1,000 classes x 3 questions x 10 samples are all in the cache."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        url = "http://localhost:1/v1"
        plan = plan_of(1000, 10, url)
        with ResponseCache(folder / "cache") as cache:
            for unit in list(missing_answers(plan, cache, n=10)):
                texts = sentences(unit.request.question, 10)
                cache.put({unit.key(i): Response(text) for i, text in enumerate(texts)})
        (folder / "classes.txt").write_text("".join(f"{label.name}\n" for label in plan.labels))
        arguments = ["classes.txt", "--cache", "cache", "--model", "m"]
        for _ in range(3):
            began = time.perf_counter()
            subprocess.run(
                [sys.executable, "-m", "cupl", "generate", *arguments, "--base-url", url,
                 "-o", "bank.yaml", "--offline"],
                cwd=folder, check=True, capture_output=True,
                env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
            )  # fmt: skip
            took = time.perf_counter() - began
            print(f"warm: 30,000 cached answers to a bank in {took:.2f} s")


if __name__ == "__main__":
    for measure in (throughput, memory, warm):
        if len(sys.argv) < 2 or measure.__name__ in sys.argv[1:]:
            measure()
