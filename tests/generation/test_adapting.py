"""Servers that want to be asked in another form: learnt once, told once, and no failure."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from cupl import generate
from cupl.errors import ServerError
from cupl.generation.budget import UsageMeter
from cupl.generation.cache.store import ResponseCache
from cupl.generation.plan import survey
from cupl.llm.openai import OpenAIServer
from cupl.llm.protocol import AdaptedError, Request, Response, Sampling
from tests.fakes import FakeServer, Reply, chat_reply, serve
from tests.generation.runs import Clock, ask_all
from tests.generation.test_plan import plan_of
from tests.sentences import sentences

Refuse = Callable[[dict[str, Any]], Reply | None]
CLASSES = [f"thing {number}" for number in range(12)]


def refusing(refuse: Refuse) -> Any:
    """A server that answers what it does not turn down."""
    given: Counter[str] = Counter()

    def reply(body: dict[str, Any]) -> Reply:
        if refusal := refuse(body):
            return refusal
        question, n = body["messages"][-1]["content"], body.get("n", 1)
        given[question] += n
        texts = sentences(question, given[question])[-n:]
        if body.get("stream"):
            return 200, streamed(*texts)
        return 200, chat_reply(*texts)

    return serve(reply)


def streamed(*texts: str) -> str:
    events = [
        f'data: {{"choices": [{{"index": {index}, "delta": {{"content": "{text}"}}}}]}}\n\n'
        for index, text in enumerate(texts)
    ]
    return "".join(events) + "data: [DONE]\n\n"


def said(message: str, status: int = 400, **more: Any) -> Reply:
    return status, {"error": {"message": message, **more}}


def more_than(most: int, message: str, status: int = 400) -> Refuse:
    return lambda body: said(message, status) if body.get("n", 1) > most else None


def ask(
    refuse: Refuse, cache: ResponseCache, *, samples: int = 10, sampling: Sampling | None = None,
    meter: UsageMeter | None = None, **more: Any,
) -> tuple[FakeServer, list[str]]:  # fmt: skip
    """Everything is there afterwards, under the usual keys; the server and what was told."""
    told: list[str] = []
    clock = Clock()
    with refusing(refuse) as server:
        plan = plan_of(*CLASSES, samples=samples, base_url=server.url)
        plan = replace(plan, sampling=sampling or plan.sampling)
        llm = OpenAIServer(server.url)
        ask_all(plan, cache, llm, clock=clock, notice=told.append, meter=meter, **more)
        assert not survey(plan, cache).answers
        assert len(cache) == samples * survey(plan, cache).cached / samples
    assert not any(clock.slept)
    return server, [line.replace(server.url, "URL") for line in told]


def test_a_server_of_one_answer_is_asked_one_at_a_time(cache: ResponseCache) -> None:
    meter = UsageMeter()
    refuse = more_than(1, "Invalid n value (currently only n = 1 is supported)")
    server, told = ask(refuse, cache, meter=meter, concurrency=8)
    assert told == ["URL gives no more than 1 answer in a request, so it is asked more often"]
    sizes = Counter(body.get("n", 1) for body in server.requests)
    assert set(sizes) == {1, 10}
    assert sizes[10] <= 8  # what was on its way, each once
    assert (meter.requests, meter.retried) == (sum(sizes.values()), sizes[10])
    assert meter.uncounted == 0


@pytest.mark.parametrize(
    ("most", "message", "status"),
    [
        (4, "Field 'n': Value must be between 1 <= value <= 4, but got 10", 400),
        (8, "'n': Input should be less than or equal to 8", 422),
        (1, "Only one completion choice is allowed", 500),  # llama.cpp of 2024
        (1, "n_cmpl cannot be greater than the number of slots, please increase -np", 400),
    ],
)
def test_a_server_gets_as_many_as_it_names(
    cache: ResponseCache, most: int, message: str, status: int
) -> None:
    server, told = ask(more_than(most, message, status), cache, concurrency=1)
    answers = "1 answer" if most == 1 else f"{most} answers"
    assert told == [f"URL gives no more than {answers} in a request, so it is asked more often"]
    assert [body.get("n", 1) for body in server.requests][:3] == [10, most, min(most, 10 - most)]


def test_a_number_that_does_not_hold_is_one(cache: ResponseCache) -> None:
    server, told = ask(more_than(1, "'n' must be at most 4"), cache, concurrency=1)
    assert [body.get("n", 1) for body in server.requests][:4] == [10, 4, 1, 1]
    assert len(told) == 2


def test_what_is_learnt_holds_for_later_rounds(cache: ResponseCache) -> None:
    def reply(body: dict[str, Any]) -> Reply:
        if body.get("n", 1) > 1:
            return said("'n' : number must be at most 1")
        return 200, chat_reply(f"A cat is number {len(server.requests) // 5}.")

    with serve(reply) as server:
        generate(
            ["cat"], model="m", base_url=server.url, cache=cache.folder, samples=4, min_prompts=4,
            concurrency=1,
        )  # fmt: skip
    assert [body["n"] for body in server.requests if "n" in body] == [4]


def test_a_limit_of_tokens_is_kept_for_one_answer_at_a_time(cache: ResponseCache) -> None:
    meter = UsageMeter(max_tokens=5500)
    ask(more_than(1, "Only one candidate can be specified"), cache, meter=meter, samples=5)
    assert meter.prompt_tokens


def without(name: str, message: str) -> Refuse:
    return lambda body: said(message, param=name) if name in body else None


def test_the_other_name_of_the_limit(cache: ResponseCache) -> None:
    refuse = without("max_tokens", "Unsupported parameter: use 'max_completion_tokens' instead.")
    server, told = ask(refuse, cache, concurrency=1)
    assert told == ["URL wants max_completion_tokens in place of max_tokens"]
    limits = [[name for name in body if "max" in name] for body in server.requests]
    assert limits[:3] == [["max_tokens"], *[["max_completion_tokens"]] * 2]


def test_the_usual_name_of_the_limit_where_another_was_given(cache: ResponseCache) -> None:
    sampling = Sampling(max_tokens=None, extra={"max_completion_tokens": 50})
    refuse = without("max_completion_tokens", "Extra inputs are not permitted")
    _, told = ask(refuse, cache, sampling=sampling, concurrency=1)
    assert told == ["URL wants max_tokens in place of max_completion_tokens"]


def test_a_server_that_takes_no_limit_at_all_is_not_asked_for_ever(cache: ResponseCache) -> None:
    def refuse(body: dict[str, Any]) -> Reply | None:
        name = next((name for name in body if name.startswith("max_")), None)
        return said(f"Unknown parameter: '{name}'") if name else None

    with pytest.raises(ServerError, match="max_tokens=None omits it") as caught:
        ask(refuse, cache, concurrency=1)
    assert caught.value.arguments == {"max_tokens": None}
    ask(refuse, cache, sampling=Sampling(max_tokens=None))


def test_a_value_that_is_turned_down_is_no_other_name(cache: ResponseCache) -> None:
    with pytest.raises(ServerError, match="it takes max_tokens=64") as caught:
        ask(without("max_tokens", "max_tokens must be at least 64"), cache)
    assert caught.value.arguments == {"max_tokens": 64}


@pytest.mark.parametrize("most", [1, 10])
def test_a_server_that_only_streams(cache: ResponseCache, most: int) -> None:
    def refuse(body: dict[str, Any]) -> Reply | None:
        if body.get("stream") is not True:
            return said("This model only support stream mode, please enable the stream parameter")
        return more_than(most, "'n' must be 1")(body)

    server, told = ask(refuse, cache, concurrency=1)
    assert told[0] == "URL streams its answers only"
    assert [body["stream"] for body in server.requests[:3]] == [False, True, True]


def test_a_server_that_knows_no_stream(cache: ResponseCache) -> None:
    refuse = without("stream", "'stream': Extra inputs are not permitted")
    server, told = ask(refuse, cache, concurrency=1)
    assert told == ["URL does not know stream"]
    assert "stream" not in server.requests[-1]


def test_what_changes_the_answers_is_not_changed(cache: ResponseCache) -> None:
    sampling = Sampling(0.5, 0.5, 50, (".",), 1)
    for name in ("stop", "temperature", "top_p", "seed"):
        refuse = without(name, f"Unsupported parameter: {name}")
        with pytest.raises(ServerError, match=f"{name}=None omits it") as caught:
            ask(refuse, cache, sampling=sampling, concurrency=1)
        assert caught.value.arguments == {name: None}


def test_a_model_that_adapts_for_ever_is_given_up(cache: ResponseCache) -> None:
    class Fickle:
        async def complete(self, request: Request, n: int) -> list[Response]:
            raise AdaptedError("wants something else", new=False)

    with pytest.raises(ServerError, match="wants something else"):
        ask_all(plan_of("cat"), cache, Fickle())
