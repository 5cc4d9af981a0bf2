"""Asking for what is missing: what goes out, and what becomes of what is under way."""

import asyncio
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from cupl.errors import InputError, ServerError
from cupl.generation.cache.store import ResponseCache
from cupl.generation.plan import missing_answers, survey
from cupl.generation.requester import RequestOptions, run_requests
from cupl.llm.protocol import Request, Response
from tests.fakes import Echo, QueueLLM
from tests.generation.runs import Clock, ask_all
from tests.generation.test_plan import plan_of


def test_a_server_that_gives_fewer_answers_is_asked_again(cache: ResponseCache) -> None:
    llm = QueueLLM([f"A cat is number {i}." for i in range(5)], at_most=2)
    plan = plan_of("cat", samples=5)
    ask_all(plan, cache, llm)
    assert [n for _, n in llm.asked] == [5, 3, 1]
    assert not survey(plan, cache).answers
    assert not llm.closed


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
    with pytest.raises(ServerError, match=r"no quota left; 2 new answers are in the cache"):
        ask_all(plan_of("cat", "dog"), cache, llm, concurrency=1)
    assert not llm.closed
    found = survey(plan_of("cat", "dog"), cache)
    assert (found.cached, found.answers) == (2, 2)


@pytest.mark.parametrize(("room", "at_once"), [(0, 2), (1, 2), (3, 2), (4, 1)])
def test_only_what_was_written_is_counted(
    cache: ResponseCache, monkeypatch: pytest.MonkeyPatch, room: int, at_once: int
) -> None:
    """As a disk that is full lets it write some, while more answers are on their way."""
    put, times = cache.put, iter(range(100))

    def put_some(entries: Any, *more: Any) -> None:
        if next(times) >= room:
            raise InputError("the disk is full")
        put(entries, *more)

    monkeypatch.setattr(cache, "put", put_some)
    names = [f"thing {number}" for number in range(12)]
    with pytest.raises(InputError, match="the disk is full") as caught:
        ask_all(plan_of(*names), cache, Echo(), concurrency=5, n=at_once)
    said = re.search(r"; (.+) new answers are in the cache", str(caught.value))
    assert (int(said[1]) if said else 0) == len(cache) == room * at_once


def test_answers_in_a_cache_that_is_gone_are_not_counted(cache: ResponseCache) -> None:
    class Deleting(Echo):
        async def complete(self, request: Request, n: int) -> list[Response]:
            if len(self.asked) == 2:
                (cache.folder / "cache.db").unlink()
            return await super().complete(request, n)

    with pytest.raises(InputError, match="deleted or replaced") as caught:
        ask_all(plan_of("cat", "dog", "cow"), cache, Deleting(), concurrency=1)
    assert "new answers" not in str(caught.value)


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
    with pytest.raises(OwnError, match=r"^7: no; 2 new answers are in the cache") as caught:
        ask_all(plan_of("cat", "dog"), cache, llm, concurrency=1)
    assert caught.value.code == 7


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
