"""Limits on requests and tokens are kept while a run goes on."""

import asyncio

import pytest

from cupl.errors import BudgetError
from cupl.generation.budget import UsageMeter
from cupl.generation.cache.store import ResponseCache
from cupl.generation.plan import missing_answers, survey
from cupl.generation.requester import RequestOptions, run_requests
from cupl.llm.protocol import Request, Response, RetryableError, Sampling
from tests.fakes import Echo, QueueLLM
from tests.faults import Fault, fault_server
from tests.generation.runs import ask_all, over_http
from tests.generation.test_plan import plan_of


def test_requests_stop_before_the_limit_is_passed(cache: ResponseCache) -> None:
    meter = UsageMeter(max_requests=5)
    with fault_server([Fault("500")]) as server:
        with pytest.raises(BudgetError, match=r"5 requests.*8 new answers are in the cache"):
            over_http(server, cache, *(f"thing {i}" for i in range(40)), meter=meter)
        assert len(server.received) == 5
    assert meter.requests == 5


def test_tokens_stop_before_the_limit_is_passed(cache: ResponseCache) -> None:
    class Expensive(Echo):
        """Every answer costs what one can cost at most."""

        async def complete(self, request: Request, n: int) -> list[Response]:
            await super().complete(request, n)
            return [Response("A cat is soft.", "stop", "m", 100, n * 50)] * n

    llm, meter = Expensive(), UsageMeter(max_tokens=2000)
    plan = plan_of(*(f"thing {i}" for i in range(40)), sampling=Sampling(max_tokens=50))
    with pytest.raises(BudgetError, match="2,000 tokens"):
        ask_all(plan, cache, llm, meter=meter)
    spent = meter.prompt_tokens + meter.completion_tokens
    assert spent == 200 * len(llm.asked)
    assert 1200 <= spent <= 2000
    assert len(cache) == 2 * len(llm.asked)


def test_a_limit_does_not_wait_for_what_waits(cache: ResponseCache) -> None:
    class Waits(Echo):
        async def complete(self, request: Request, n: int) -> list[Response]:
            if "cat" in request.question:
                raise RetryableError("busy", after=500)
            return await super().complete(request, n)

    async def for_ever(seconds: float) -> None:
        await asyncio.Event().wait()

    plan, meter = plan_of("cat", "dog", "cow"), UsageMeter(max_requests=2)
    options = RequestOptions(concurrency=2, n=2, sleep=for_ever)
    with pytest.raises(BudgetError):
        asyncio.run(
            run_requests(
                missing_answers(plan, cache, n=2), cache, Waits(), meter=meter, options=options
            )
        )
    assert survey(plan, cache).cached == 2


def test_what_the_server_counts_is_counted_once_a_request(cache: ResponseCache) -> None:
    meter = UsageMeter()
    llm = QueueLLM([Response(f"A cat has {i} toys.", "stop", "m", 7, 30) for i in range(6)])
    ask_all(plan_of("cat", samples=6), cache, llm, n=3, meter=meter)
    assert (meter.requests, meter.prompt_tokens, meter.completion_tokens) == (2, 14, 60)
