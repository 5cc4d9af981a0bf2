"""Answers a second of the mini language model, with and without its whole window kept.

Gemma's layers forget what lies outside a sliding window; llama.cpp then reads the shared preamble
anew for every answer. ``swa_full`` keeps it. Run: ``python -m tests.benchmarks.bench_mini``.
"""

import asyncio
import multiprocessing
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from openai import AsyncOpenAI
from xllamacpp import Server

from cupl.bank.class_lists import read_classes
from cupl.generation.cache.store import ResponseCache
from cupl.generation.plan import make_plan, missing_answers, survey
from cupl.generation.requester import run_requests
from cupl.llm.access import ServerAccess
from cupl.llm.address import ServerAddress
from cupl.llm.mini import MiniServer, server_params
from cupl.llm.sdk import async_client


class _Server(MiniServer):
    def __init__(self, swa_full: bool) -> None:
        super().__init__()
        params = server_params()
        params.swa_full = swa_full
        self.server = Server(params)

    def connect(self) -> AsyncOpenAI:
        url = f"{self.server.listening_address}/v1"
        return async_client(ServerAccess(ServerAddress(url)), self.timeout)


def answers_per_second(swa_full: bool, classes: int) -> float:
    """Measured over one answer to each base question about the first ``classes`` of ImageNet."""
    plan = make_plan(read_classes("imagenet")[:classes], model="mini", samples=1)

    async def ask() -> None:
        async with _Server(swa_full) as llm:
            await run_requests(missing_answers(plan, cache), cache, llm)

    with TemporaryDirectory() as folder, ResponseCache(Path(folder)) as cache:
        answers = survey(plan, cache).answers
        start = time.perf_counter()
        asyncio.run(ask())
        return answers / (time.perf_counter() - start)


def main() -> None:
    """Print both rates and their ratio; each server has a process to itself."""
    classes = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    context = multiprocessing.get_context("spawn")
    with context.Pool(1, maxtasksperchild=1) as pool:
        window, whole = (pool.apply(answers_per_second, (kept, classes)) for kept in (False, True))
    print(f"sliding window {window:.1f}/s, swa_full {whole:.1f}/s, ratio {whole / window:.2f}")


if __name__ == "__main__":
    main()
