"""A run of requests with a clock that passes only when somebody sleeps."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

from cupl.generation.budget import UsageMeter
from cupl.generation.cache.store import ResponseCache
from cupl.generation.collect import FilterOptions, collect
from cupl.generation.plan import Plan, missing_answers, survey
from cupl.generation.requester import RequestOptions, run_requests
from cupl.llm.openai import OpenAIServer
from cupl.llm.protocol import LLM
from tests.faults import Fault, FaultServer, fault_server, sentences
from tests.generation.test_plan import TWO, plan_of


@dataclass
class Clock:
    """Time that passes only when somebody sleeps."""

    now: float = 0.0
    slept: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        until = self.now + seconds
        await asyncio.sleep(0)
        self.now = max(self.now, until)


def ask_all(
    plan: Plan,
    cache: ResponseCache,
    llm: LLM,
    *,
    clock: Clock | None = None,
    meter: UsageMeter | None = None,
    n: int | None = 10,
    **more: Any,
) -> None:
    clock = clock or Clock()
    options = RequestOptions(n=n, clock=clock, sleep=clock.sleep, **more)
    units = missing_answers(plan, cache, n=n, tries=options.missing_below())
    total = survey(plan, cache, n=n, tries=options.missing_below()).answers

    async def ask() -> None:
        async with llm if isinstance(llm, OpenAIServer) else nullcontext(llm) as connected:
            await run_requests(units, cache, connected, total=total, meter=meter, options=options)

    asyncio.run(ask())


def over_http(
    server: FaultServer,
    cache: ResponseCache,
    *names: str,
    samples: int = 2,
    api_key_env: str | None = None,
    timeout: float = 30.0,
    **more: Any,
) -> Plan:
    """Ask a server."""
    plan = plan_of(*names, samples=samples, base_url=server.url, questions=TWO)
    llm = OpenAIServer(server.url, timeout, api_key_env=api_key_env)
    ask_all(plan, cache, llm, **more)
    return plan


def deliver_on(server_of: Callable[[], FaultServer]) -> Callable[[str, int], list[str]]:
    """A server that samples: each answer it delivers to a question is the next sentence."""

    def answer(question: str, n: int) -> list[str]:
        given = server_of().served[question]
        return sentences(question, given + n)[given:]

    return answer


def bank_over(
    script: Sequence[Fault | None], cache: ResponseCache, **more: Any
) -> tuple[bytes, FaultServer]:
    servers: list[FaultServer] = []
    with fault_server(script, answer=deliver_on(lambda: servers[0])) as server:
        servers.append(server)
        plan = over_http(server, cache, "cat", "sea lion", **more)
    bank = collect(plan, cache, FilterOptions()).bank("x").to_bytes()
    return bank.replace(server.url.encode(), b"any"), server
