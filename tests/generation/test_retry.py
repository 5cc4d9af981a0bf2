"""The retry rule, over real HTTP where a server's faults are concerned; the clock is not real."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tenacity import AsyncRetrying, RetryCallState

from cupl.errors import InputError, ServerError
from cupl.generation.budget import UsageMeter
from cupl.generation.cache.store import ResponseCache
from cupl.generation.plan import survey
from cupl.generation.retry import RequestTries, RetryPolicy, failure_of
from cupl.llm.protocol import Request, Response, RetryableError
from tests.fakes import Echo, QueueLLM
from tests.faults import FATAL, HEALING, SLOW, Fault, fault_server
from tests.generation.runs import Clock, ask_all, bank_over, over_http
from tests.generation.test_plan import plan_of


@settings(max_examples=25)
@given(
    script=st.lists(st.sampled_from([None, *map(Fault, HEALING)]), max_size=14),
    concurrency=st.sampled_from([1, 4]),
)
@example(script=[Fault("empty")] * 6, concurrency=1)
def test_whatever_faults_heal_the_bank_is_that_of_a_server_without(
    tmp_path_factory: pytest.TempPathFactory, script: list[Fault | None], concurrency: int
) -> None:
    folder = tmp_path_factory.mktemp("faults")
    failures = sum(kind.kind in _OF_NO_USE for kind in script if kind)
    with ResponseCache(folder / "without") as cache:
        wanted, _ = bank_over([], cache)
    with ResponseCache(folder / "with") as cache:
        try:
            bank, _ = bank_over(script, cache, concurrency=concurrency)
        except ServerError:
            bank, _ = bank_over([], cache)  # the same command continues
        except InputError as error:
            if failures >= _OF_ONE_CLASS and "no usable answer" in str(error):
                return  # all samples of a class were given up
            raise
        else:
            if failures >= 3 and bank != wanted:
                return  # samples were given up, and the report says so
    assert bank == wanted


_OF_ONE_CLASS = 2 * RetryPolicy().answer_tries
"""Of two questions, each of which asks for all its samples at once."""
_OF_NO_USE = {"empty", "null", "content-filter", "length", "huge"}


@pytest.mark.parametrize("kind", [*HEALING, "hang", "drip"])
def test_every_fault_that_may_heal(cache: ResponseCache, tmp_path: Path, kind: str) -> None:
    with ResponseCache(tmp_path / "without") as other:
        wanted, _ = bank_over([], other)
    timeout = 0.5 if kind in SLOW else 30.0
    bank, _ = bank_over([None, Fault(kind), Fault(kind)], cache, concurrency=1, timeout=timeout)
    assert bank == wanted


@pytest.mark.parametrize("kind", FATAL)
def test_what_will_not_heal_stops_the_run_at_once(
    cache: ResponseCache, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-123")
    with (
        fault_server([None, *[Fault(kind)] * 50]) as server,
        pytest.raises(ServerError, match="2 new answers are in the cache, and the same") as caught,
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
        pytest.raises(ServerError, match=r"still limits the rate \(.*\); try a lower concurrency"),
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
    assert clock.now < RetryPolicy.patience
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
    assert clock.now > RetryPolicy.patience
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


# The rule by itself


def fault(**more: Any) -> RetryableError:
    return RetryableError("no", **more)


@pytest.mark.parametrize(
    ("error", "tries", "waited", "reached", "gives_up"),
    [
        (fault(), {"faults": 2}, 0, False, False),
        (fault(), {"faults": 3}, 0, False, True),
        (fault(), {"faults": 9}, 0, True, False),
        (fault(), {"faults": 10}, 0, True, True),
        (fault(answered=True), {"faults": 9}, 0, False, False),
        (fault(answered=True), {"faults": 10}, 0, False, True),
        (fault(limited=True), {"limited": 49, "faults": 9}, 0, True, False),
        (fault(limited=True), {"limited": 50}, 0, True, True),
        (fault(), {"limited": 49, "faults": 1}, 0, True, False),
        (fault(), {"faults": 1}, 600, True, False),
        (fault(), {"faults": 1}, 600.1, True, True),
        (fault(after=600), {"faults": 1}, 0, True, False),
        (fault(after=601), {"faults": 1}, 0, True, True),
        (fault(after=601, limited=True), {"limited": 1}, 0, True, True),
    ],
)
def test_when_a_request_is_given_up(
    error: RetryableError, tries: dict[str, int], waited: float, reached: bool, gives_up: bool
) -> None:
    so_far = RequestTries(0.0, **tries)
    assert RetryPolicy().gives_up(error, so_far, waited=waited, reached=reached) == gives_up


def tried(error: RetryableError, number: int) -> RetryCallState:
    state = RetryCallState(AsyncRetrying(), None, (), {})
    state.attempt_number = number
    state.set_exception((type(error), error, None))
    return state


@given(st.integers(1, 2000), st.floats(0, 1000))
def test_waits_double_up_to_a_bound(number: int, longest: float) -> None:
    state = tried(fault(), number)
    seconds = RetryPolicy(longest_wait=longest).wait(failure_of(state), state)
    least = min(longest, 2.0 ** min(number - 1, 100))
    assert least <= seconds <= min(longest, least + 1)


def test_a_wait_is_as_long_as_the_server_asks_or_for_all() -> None:
    for error, seconds in ((fault(after=7.5), 7.5), (fault(limited=True, after=9), 0.0)):
        assert RetryPolicy().wait(error, tried(error, 3)) == seconds


def test_which_answers_of_no_use_are_asked_for() -> None:
    policy = RetryPolicy(answer_tries=4)
    below = [policy.missing_below(), policy.missing_below(retry_failed=True)]
    below.append(policy.missing_below(retry_failed=True, offline=True))
    asked = [[tries for tries in (1, 3, 4, 99) if tries < number] for number in below]
    assert asked == [[1, 3], [1, 3, 4, 99], []]


@pytest.mark.parametrize(
    "numbers",
    [{"fault_tries": 0}, {"answer_tries": 0}, {"patience": -1.0}, {"longest_wait": float("nan")}],
)
def test_a_rule_that_cannot_be(numbers: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=f"{next(iter(numbers))} of a retry policy must be"):
        RetryPolicy(**numbers)


def test_a_run_follows_the_rule_it_is_given(cache: ResponseCache) -> None:
    clock, llm = Clock(), QueueLLM([fault(answered=True)] * 9)
    policy = RetryPolicy(fault_tries=4, longest_wait=0.5)
    with pytest.raises(ServerError, match=r"no \(4 tries\)"):
        ask_all(plan_of("cat"), cache, llm, clock=clock, concurrency=1, retry=policy)
    assert clock.slept == [0.5] * 3
    useless = QueueLLM([""] * 9)
    ask_all(plan_of("dog", samples=1), cache, useless, retry=RetryPolicy(answer_tries=1))
    assert len(useless.asked) == 1
    names = [f"thing {i}" for i in range(9)]
    stopped = RetryPolicy(answer_tries=1, useless_answers=4, useless_questions=2)
    with pytest.raises(ServerError, match="the first 4 answers are of no use"):
        ask_all(plan_of(*names), cache, QueueLLM([""] * 9), concurrency=1, n=1, retry=stopped)


def test_pauses_for_all_have_the_same_bound(cache: ResponseCache) -> None:
    clock = Clock()
    llm = QueueLLM([*[fault(limited=True)] * 6, "A cat is soft."])
    policy = RetryPolicy(longest_wait=3)
    ask_all(plan_of("cat", samples=1), cache, llm, clock=clock, retry=policy)
    assert max(clock.slept) <= 3
    assert len([seconds for seconds in clock.slept if seconds]) == 6
