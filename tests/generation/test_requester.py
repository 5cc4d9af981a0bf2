"""Asking, over real HTTP where a server's faults are concerned; the clock is never a real one."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cupl.errors import BudgetError, InputError, ServerError
from cupl.generation import requester
from cupl.generation.budget import UsageMeter
from cupl.generation.cache.store import ResponseCache
from cupl.generation.collect import FilterOptions, collect
from cupl.generation.plan import ALWAYS, Plan, missing_answers, survey
from cupl.generation.requester import RequestOptions, run_requests
from cupl.llm.openai import OpenAIServer
from cupl.llm.protocol import LLM, Failure, Request, Response, RetryableError, Sampling
from tests.fakes import Echo, QueueLLM
from tests.faults import FATAL, HEALING, Fault, FaultServer, fault_server, sentences
from tests.generation.test_plan import TWO, plan_of


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[ResponseCache]:
    with ResponseCache(tmp_path / "cache") as opened:
        yield opened


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
    units = missing_answers(plan, cache, n=n, tries=options.tries)
    total = survey(plan, cache, n=n, tries=options.tries).answers
    asyncio.run(run_requests(units, cache, llm, total=total, meter=meter, options=options))


def over_http(
    server: FaultServer,
    cache: ResponseCache,
    *names: str,
    samples: int = 2,
    api_key_env: str | None = None,
    **more: Any,
) -> Plan:
    """Ask a server, whose every hanging request is given up soon."""
    plan = plan_of(*names, samples=samples, base_url=server.url, questions=TWO)
    ask_all(plan, cache, OpenAIServer(server.url, timeout=0.3, api_key_env=api_key_env), **more)
    return plan


def test_a_server_that_gives_fewer_answers_is_asked_again(cache: ResponseCache) -> None:
    llm = QueueLLM([f"A cat is number {i}." for i in range(5)], at_most=2)
    plan = plan_of("cat", samples=5)
    ask_all(plan, cache, llm)
    assert [n for _, n in llm.asked] == [5, 3, 1]
    assert not survey(plan, cache).answers
    assert llm.closed


@pytest.mark.parametrize(("n", "sizes"), [(None, [1, 1, 1]), (2, [2, 1]), (10, [3])])
def test_answers_asked_for_at_once(cache: ResponseCache, n: int | None, sizes: list[int]) -> None:
    llm = QueueLLM(["A cat is soft.", "A cat is small.", "A cat has fur."])
    ask_all(plan_of("cat", samples=3), cache, llm, n=n)
    assert [n for _, n in llm.asked] == sizes


def test_a_server_that_gives_more_answers_does_no_harm(cache: ResponseCache) -> None:
    class Generous(Echo):
        async def complete(self, request: Request, n: int) -> list[Response]:
            return await super().complete(request, n + 3)

    ask_all(plan_of("cat"), cache, Generous())
    assert len(cache) == 2


def test_concurrency_is_bounded_and_used(cache: ResponseCache) -> None:
    llm = Echo()
    ask_all(plan_of(*(f"thing {i}" for i in range(20))), cache, llm, concurrency=4)
    assert llm.most_under_way == 4


def test_the_samples_of_one_question_go_out_at_once_too(cache: ResponseCache) -> None:
    llm = Echo()
    ask_all(plan_of("cat", samples=20), cache, llm, concurrency=4, n=None)
    assert llm.most_under_way == 4


def test_requests_are_made_as_they_are_needed(cache: ResponseCache) -> None:
    made: list[int] = []
    plan = plan_of(*(f"thing {i}" for i in range(100)))

    def units() -> Iterator[Any]:
        for unit in missing_answers(plan, cache, n=2):
            made.append(1)
            yield unit

    class Counting(Echo):
        async def complete(self, request: Request, n: int) -> list[Response]:
            assert len(made) <= len(self.asked) + 4
            return await super().complete(request, n)

    asyncio.run(
        run_requests(units(), cache, Counting(), options=RequestOptions(concurrency=4, n=2))
    )
    assert len(made) == 100


def test_progress_counts_what_was_missing(cache: ResponseCache) -> None:
    ask_all(plan_of("cat"), cache, Echo())
    seen: list[tuple[int, int]] = []
    ask_all(
        plan_of("cat", "dog", samples=3), cache, Echo(), concurrency=1,
        progress=lambda done, total: seen.append((done, total)),
    )  # fmt: skip
    assert seen[-1] == (4, 4)
    assert seen == sorted(seen)


@pytest.mark.parametrize("options", [{"concurrency": 0}, {"n": 0}, {"n": -1}])
def test_manners_that_cannot_be(options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="at least 1"):
        RequestOptions(**options)


def test_an_error_keeps_what_arrived(cache: ResponseCache) -> None:
    llm = QueueLLM(["A cat is soft.", "A cat is small.", ServerError("no quota left")])
    with pytest.raises(ServerError, match=r"no quota left \(2 new answers are in the cache"):
        ask_all(plan_of("cat", "dog"), cache, llm, concurrency=1)
    assert llm.closed
    found = survey(plan_of("cat", "dog"), cache)
    assert (found.cached, found.answers) == (2, 2)


def test_what_is_under_way_when_a_run_stops_is_kept(cache: ResponseCache) -> None:
    """It is paid for."""

    class OneRefuses(Echo):
        async def complete(self, request: Request, n: int) -> list[Response]:
            if "dog" in request.question:
                raise ServerError("no")
            for _ in range(10):
                await asyncio.sleep(0)
            return await super().complete(request, n)

    with pytest.raises(ServerError, match="no"):
        ask_all(plan_of("cat", "dog", "cow", "pig"), cache, OneRefuses(), concurrency=3)
    assert survey(plan_of("cat", "cow"), cache).answers == 0
    assert survey(plan_of("pig"), cache).answers == 2


# Answers of no use.


USELESS: list[Response] = [
    Response(""),
    Response(" \n"),
    Response("...", "stop"),
    Response("A cat is a", "content_filter"),
    Response("A cat is a small", "length"),
    Response("<think>What is a cat? It is small. It", "length"),
    Response("x" * 200_000),
]


@pytest.mark.parametrize("useless", USELESS)
def test_an_answer_of_no_use_is_asked_for_again(cache: ResponseCache, useless: Response) -> None:
    llm = QueueLLM([useless, "A cat is soft.", "A cat is small."])
    plan = plan_of("cat")
    ask_all(plan, cache, llm)
    assert [n for _, n in llm.asked] == [2, 1]
    texts = collect(plan, cache, FilterOptions()).bank("x").classes[0].texts
    assert texts == ["A cat is small.", "A cat is soft."]


def test_a_sample_is_given_up_after_three_answers_of_no_use(cache: ResponseCache) -> None:
    plan = plan_of("cat")
    ask_all(plan, cache, QueueLLM(["A cat is soft.", "", "", ""]))
    (unit,) = missing_answers(plan, cache, n=2, tries=ALWAYS)
    assert unit.samples == (1,)
    assert cache.get(unit.key(1)) == Failure("empty", 3)
    again = QueueLLM([])
    ask_all(plan, cache, again)
    assert not again.asked
    ask_all(plan, cache, QueueLLM(["A cat is small."]), retry_failed=True)
    assert collect(plan, cache, FilterOptions()).report.kept == 2


def test_tries_are_counted_over_runs(cache: ResponseCache) -> None:
    plan = plan_of("cat", samples=1)
    for left in (3, 2, 1):
        llm = QueueLLM(["", ServerError("stop")])
        if left > 1:
            with pytest.raises(ServerError):
                ask_all(plan, cache, llm)
        else:
            ask_all(plan, cache, llm)
        assert len(llm.asked) == min(2, left)


def test_asking_again_for_what_failed_is_bounded_too(cache: ResponseCache) -> None:
    plan = plan_of("cat", samples=1)
    for _ in range(2):
        llm = QueueLLM([""] * 9)
        ask_all(plan, cache, llm, retry_failed=True)
        assert len(llm.asked) == 3


def test_a_run_that_brings_nothing_of_use_stops(cache: ResponseCache) -> None:
    plan = plan_of(*(f"thing {i}" for i in range(50)), samples=1)
    llm = QueueLLM([Response("<think>Let me", "length")] * 500)
    with pytest.raises(ServerError, match="first 20 answers .*20 cut off.*max_tokens=None"):
        ask_all(plan, cache, llm, concurrency=1)
    assert len(llm.asked) == 20


def test_one_class_that_is_always_refused_does_not_stop_a_run(cache: ResponseCache) -> None:
    class Refuses(Echo):
        async def complete(self, request: Request, n: int) -> list[Response]:
            if "gun" in request.question:
                return [Response("", "content_filter")] * n
            return await super().complete(request, n)

    plan = plan_of("gun", "cat", samples=10, questions=TWO)
    ask_all(plan, cache, Refuses(), concurrency=1)
    assert collect(plan, cache, FilterOptions()).report.failed == 20


def test_a_model_that_has_answered_is_not_stopped_for_hard_questions(
    cache: ResponseCache,
) -> None:
    plan = plan_of(*(f"thing {i}" for i in range(50)), samples=1)
    llm = QueueLLM([Response("", "content_filter")] * 150)
    asyncio.run(run_requests(missing_answers(plan, cache), cache, llm, proven=True))
    assert not llm.answers
    assert collect(plan, cache, FilterOptions()).report.failed == 50


def test_a_model_of_the_callers_own_that_gives_nothing(cache: ResponseCache) -> None:
    class Nothing(Echo):
        async def complete(self, request: Request, n: int) -> list[Response]:
            return []

    with pytest.raises(ServerError, match=r"gave no answer \(10 tries\)"):
        ask_all(plan_of("cat"), cache, Nothing())


def test_an_error_of_the_callers_own_stays_what_it_is(cache: ResponseCache) -> None:
    class OwnError(ServerError):
        def __init__(self, code: int, said: str) -> None:
            super().__init__(f"{code}: {said}")
            self.code = code

    llm = QueueLLM(["A cat is soft.", "A cat is small.", OwnError(7, "no")])
    with pytest.raises(OwnError, match=r"^7: no \(2 new answers are in the cache") as caught:
        ask_all(plan_of("cat", "dog"), cache, llm, concurrency=1)
    assert caught.value.code == 7


# Faults of a server.


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
    return collect(plan, cache, FilterOptions()).bank("x").to_bytes(), server


@settings(max_examples=25)
@given(
    script=st.lists(st.sampled_from([None, *map(Fault, HEALING)]), max_size=14),
    concurrency=st.sampled_from([1, 4]),
)
def test_whatever_faults_heal_the_bank_is_that_of_a_server_without(
    tmp_path_factory: pytest.TempPathFactory, script: list[Fault | None], concurrency: int
) -> None:
    folder = tmp_path_factory.mktemp("faults")
    with ResponseCache(folder / "without") as cache:
        wanted, _ = bank_over([], cache)
    with ResponseCache(folder / "with") as cache:
        try:
            bank, _ = bank_over(script, cache, concurrency=concurrency)
        except ServerError:
            bank, _ = bank_over([], cache)  # the same command continues
        else:
            failures = sum(kind.kind in _OF_NO_USE for kind in script if kind)
            if failures >= 3 and bank != wanted:
                return  # samples were given up, and the report says so
    assert bank == wanted


_OF_NO_USE = {"empty", "null", "content-filter", "length", "huge"}


@pytest.mark.parametrize("kind", [*HEALING, "hang", "drip"])
def test_every_fault_that_may_heal(cache: ResponseCache, tmp_path: Path, kind: str) -> None:
    with ResponseCache(tmp_path / "without") as other:
        wanted, _ = bank_over([], other)
    bank, _ = bank_over([None, Fault(kind), Fault(kind)], cache, concurrency=1)
    assert bank == wanted


@pytest.mark.parametrize("kind", FATAL)
def test_what_will_not_heal_stops_the_run_at_once(
    cache: ResponseCache, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-123")
    with (
        fault_server([None, *[Fault(kind)] * 50]) as server,
        pytest.raises(ServerError, match="2 new answers are in the cache; the same") as caught,
    ):
        over_http(
            server, cache, *(f"thing {i}" for i in range(40)), concurrency=1,
            api_key_env="OPENAI_API_KEY",
        )  # fmt: skip
    assert "secret" not in str(caught.value)
    assert len(server.received) == 2


def test_a_pause_is_for_all(cache: ResponseCache) -> None:
    clock = Clock()
    notices: list[str] = []
    with fault_server([Fault("429", "7")]) as server:
        over_http(
            server, cache, *(f"thing {i}" for i in range(40)),
            concurrency=16, clock=clock, notice=notices.append,
        )  # fmt: skip
    assert len(server.received) == 81
    assert 7 <= clock.now < 7.1
    assert notices == ["the server limits the rate: waiting 7 s"]


def test_without_word_from_the_server_pauses_grow(cache: ResponseCache) -> None:
    clock = Clock()
    with fault_server([Fault("429")] * 5) as server:
        over_http(server, cache, "cat", concurrency=1, clock=clock)
    pauses = [seconds for seconds in clock.slept if seconds]
    assert len(pauses) == 5
    assert all(2**i <= pause <= 2 ** (i + 1) for i, pause in enumerate(pauses))


def test_a_rate_that_stays_limited_ends_the_run(cache: ResponseCache) -> None:
    clock = Clock()
    with (
        fault_server(lambda number, body: Fault("429")) as server,
        pytest.raises(ServerError, match="still limits the rate; try a lower concurrency"),
    ):
        over_http(server, cache, "cat", clock=clock)
    # A pause may begin just before the end, and this clock lets the other request begin one more.
    assert 600 < clock.now < 600 + 2 * 60


def test_a_pause_of_hours_is_not_waited_for(cache: ResponseCache) -> None:
    clock = Clock()
    with (
        fault_server([None, Fault("429", "18000")]) as server,
        pytest.raises(ServerError, match=r"asks to wait 5:00:00 \(h:mm:ss\).*2 new answers are in"),
    ):
        over_http(server, cache, "cat", clock=clock, concurrency=1)
    assert clock.now == 0


def test_a_server_that_was_never_there_is_given_up_soon(cache: ResponseCache) -> None:
    with fault_server() as server:
        pass
    clock = Clock()
    with pytest.raises(ServerError, match=r"cannot reach .* \(3 tries\)"):
        over_http(server, cache, "cat", clock=clock, concurrency=1)
    assert len(clock.slept) == 2


def test_a_fault_that_stays_is_given_up(cache: ResponseCache) -> None:
    clock = Clock()
    notices: list[str] = []
    with (
        fault_server(lambda number, body: Fault("500") if number else None) as server,
        pytest.raises(ServerError, match=r"answered 500: .* \(10 tries\).*2 new answers"),
    ):
        over_http(server, cache, "cat", clock=clock, concurrency=1, notice=notices.append)
    assert len(server.received) == 11
    assert clock.now < requester.PATIENCE
    assert "trying again" in notices[0]


def test_a_request_that_waited_long_is_tried_again_while_others_are_answered(
    cache: ResponseCache,
) -> None:
    clock = Clock()
    waits = RetryableError("slow down", after=100, limited=True, answered=True)

    class Alternates(Echo):
        """The dog is turned down while cats are answered, and then meets a fault."""

        dogs: Iterator[Exception] = iter([*[waits] * 8, RetryableError("broke off")])

        async def complete(self, request: Request, n: int) -> list[Response]:
            if "dog" in request.question and (error := next(self.dogs, None)):
                raise error
            return await super().complete(request, n)

    plan = plan_of("dog", *(f"cat {i}" for i in range(20)))
    ask_all(plan, cache, Alternates(), clock=clock, concurrency=2)
    assert clock.now > requester.PATIENCE
    assert not survey(plan, cache).answers


def test_faults_in_turn_are_not_told_each_time(cache: ResponseCache) -> None:
    notices: list[str] = []

    class Faulty(Echo):
        def __init__(self) -> None:
            super().__init__()
            self.faults = 0

        async def complete(self, request: Request, n: int) -> list[Response]:
            self.faults += 1
            if self.faults <= 20:
                raise RetryableError(f"fault {self.faults}", after=1, answered=True)
            return await super().complete(request, n)

    things = [f"thing {i}" for i in range(20)]
    ask_all(plan_of(*things), cache, Faulty(), notice=notices.append, concurrency=20)
    assert notices == ["trying again: fault 1"]


def test_a_request_is_not_tried_for_ever_however_few_tries(cache: ResponseCache) -> None:
    clock = Clock()
    error = RetryableError("busy", after=500, answered=True)
    llm = QueueLLM([error] * 20)
    with pytest.raises(ServerError, match="busy"):
        ask_all(plan_of("cat"), cache, llm, clock=clock)
    assert clock.now == 1000


def test_only_what_was_sent_again_counts_as_such(cache: ResponseCache) -> None:
    """The end of one request stops those that wait for their next try."""
    meter = UsageMeter()
    with pytest.raises(ServerError, match="no connection"):
        ask_all(
            plan_of(*(f"thing {i}" for i in range(9))), cache,
            QueueLLM([RetryableError("no connection", unreachable=True)] * 99), meter=meter,
        )  # fmt: skip
    assert meter.retried < meter.requests


# Limits.


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


# Two runs on one cache.


def test_what_another_run_has_asked_is_not_asked_again(cache: ResponseCache) -> None:
    plan = plan_of("cat", "dog")
    units = list(missing_answers(plan, cache, n=10))
    ask_all(plan_of("dog"), cache, QueueLLM(["A dog is big.", "A dog barks."]))
    llm = QueueLLM(["A cat is soft.", "A cat is small."])
    asyncio.run(run_requests(units, cache, llm))
    assert [request.question for request, _ in llm.asked] == ["What does a cat look like?"]


def test_what_another_run_asks_at_the_moment_is_left_to_it(
    cache: ResponseCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And taken over when that run ends without an answer. Real processes: tests/test_cache.py."""
    plan = plan_of("cat", "dog", samples=1)
    refusals = Counter({"cat": 3})
    real = cache.claim

    def claim(name: str) -> Any:
        unit = next(u for u in missing_answers(plan, cache) if name in map(u.key, u.samples))
        busy = "cat" in unit.request.question and refusals["cat"] > 0
        refusals["cat"] -= busy
        return _taken() if busy else real(name)

    monkeypatch.setattr(cache, "claim", claim)
    llm, clock, notices = Echo(), Clock(), list[str]()
    ask_all(plan, cache, llm, clock=clock, concurrency=2, notice=notices.append)
    assert [question.split()[3] for question, _ in llm.asked] == ["dog", "cat"]
    assert clock.slept
    assert notices == ["waiting for answers that another run on this cache asks for"]


def _taken() -> Any:
    from contextlib import nullcontext

    return nullcontext(False)
