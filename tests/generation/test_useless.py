"""Answers of no use are asked for again, and a run that brings nothing else stops."""

import asyncio

import pytest

from cupl.errors import ServerError
from cupl.generation.cache.store import ResponseCache
from cupl.generation.collect import FilterOptions, collect
from cupl.generation.plan import make_plan, missing_answers
from cupl.generation.requester import run_requests
from cupl.llm.finish_reasons import NO_CONTENT
from cupl.llm.protocol import Failure, Request, Response, Sampling
from tests.fakes import Echo, QueueLLM
from tests.generation.runs import ask_all
from tests.generation.test_plan import ALWAYS, TWO, plan_of

USELESS: list[Response] = [
    Response(""),
    Response(" \n"),
    Response("...", "stop"),
    Response("A cat is a", "content_filter"),
    Response("A cat is a small", "length"),
    Response("<think>What is a cat? It is small. It", "length"),
    Response("x" * 200_000),
    Response("A cat is a small", "MAX_TOKENS"),
    Response("A cat is a", "SAFETY"),
    Response("A cat is small. It is", "network_error"),
    Response("", NO_CONTENT),
    Response("", "refusal"),
    Response("", "tool_calls"),
    Response("A cat is a small", "banana"),
    Response("A cat is a", "2"),
    Response("[THINK]What is a cat? It is small.[/THINK]"),
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


@pytest.mark.parametrize(
    ("useless", "limit", "way_out", "named"),
    [
        (Response("", NO_CONTENT), 50, "switch its reasoning parser off", set()),
        (Response("", "sensitive"), 50, "content filter turns", set()),
        (Response("", "refusal"), 50, "the model refuses", set()),
        (Response("", "tool_calls"), 50, "calls tools", set()),
        (Response("<thought>Hm.</thought>"), 50, "needs max_tokens=None", {"max_tokens"}),
        (Response("<thought>Hm.</thought>"), None, "switch its thinking off", {"extra"}),
        (Response("<think>Hm, a", "length"), None, "limit of its own", {"max_tokens", "extra"}),
        (Response("", "length"), None, "limit of its own", {"max_tokens", "extra"}),
        (Response("", "stop"), None, "says nothing", set()),
        (Response("x" * 200_000), None, "comes to no end", {"max_tokens"}),
    ],
)
def test_the_way_out_fits_what_came(
    cache: ResponseCache, useless: Response, limit: int | None, way_out: str, named: set[str]
) -> None:
    names = [f"thing {i}" for i in range(50)]
    plan = make_plan(names, samples=1, model="m", sampling=Sampling(max_tokens=limit))
    with pytest.raises(ServerError, match=way_out) as error:
        ask_all(plan, cache, QueueLLM([useless] * 500), concurrency=1)
    assert set(error.value.arguments) == named


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


def test_half_a_sentence_that_an_earlier_version_kept_is_asked_for_again(
    cache: ResponseCache,
) -> None:
    plan = plan_of("cat", samples=1)
    (unit,) = missing_answers(plan, cache)
    cache.put({unit.key(0): Response("A cat is small. It ha", "network_error")})
    report = collect(plan, cache, FilterOptions()).report
    assert (report.withdrawn, report.failed, report.kept) == (1, 1, 0)
    ask_all(plan, cache, QueueLLM(["A cat is soft."]))
    assert collect(plan, cache, FilterOptions()).report.kept == 1
