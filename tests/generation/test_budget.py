from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cupl.errors import BudgetError, InputError
from cupl.generation.budget import Prices, UsageMeter, estimate_prompt_tokens, most_tokens
from cupl.llm.protocol import Request, Response, Sampling

REQUEST = Request(
    "http://localhost/v1",
    "m",
    "chat",
    "What does a cat look like?",
    sampling=Sampling(max_tokens=9),
)
MOST = most_tokens(REQUEST, 1)


def answer(prompt: int | None, completion: int | None) -> list[Response]:
    return [Response("A cat.", prompt_tokens=prompt, completion_tokens=completion)] * 2


def used(meter: UsageMeter) -> int:
    return meter.prompt_tokens + meter.completion_tokens


# How many tokens


def test_a_prompt_has_about_a_token_for_four_bytes() -> None:
    assert estimate_prompt_tokens(replace(REQUEST, question="x" * 40)) == 18
    assert estimate_prompt_tokens(replace(REQUEST, question="x" * 37, preamble="abc")) == 18
    assert estimate_prompt_tokens(replace(REQUEST, question="\N{FROG FACE}" * 10)) == 18
    assert estimate_prompt_tokens(replace(REQUEST, question="x" * 41)) == 19


def test_the_most_that_an_answer_costs() -> None:
    assert most_tokens(REQUEST, 10) - MOST == 9 * 9
    assert len(REQUEST.question) + 9 <= MOST
    assert most_tokens(replace(REQUEST, preamble="Be plain."), 1) == MOST + 9
    with pytest.raises(InputError, match="set max_tokens"):
        most_tokens(replace(REQUEST, sampling=Sampling(max_tokens=None)), 1)


@given(st.text(), st.none() | st.text(), st.integers(1, 100))
def test_the_estimate_is_below_the_most(question: str, preamble: str | None, n: int) -> None:
    request = replace(REQUEST, question=question, preamble=preamble)
    assert 0 < estimate_prompt_tokens(request) < most_tokens(request, n)


def test_half_a_pair_has_a_size() -> None:
    assert estimate_prompt_tokens(replace(REQUEST, question="\ud83d")) > 0


def test_prices_are_for_a_million_tokens() -> None:
    assert Prices(3.0, 15.0).of(2_000_000, 100_000) == pytest.approx(7.5)
    assert Prices(0, 0).of(10**9, 10**9) == 0


@pytest.mark.parametrize("price", [-0.01, float("nan"), float("inf")])
def test_a_price_that_is_none(price: float) -> None:
    for prices in ((price, 1.0), (1.0, price)):
        with pytest.raises(InputError, match="price"):
            Prices(*prices)


# Limits


@pytest.mark.parametrize("limits", [(0, None), (None, 0), (-1, None), (5, -1), (0, 5)])
def test_a_limit_is_at_least_one(limits: tuple[int | None, int | None]) -> None:
    with pytest.raises(InputError, match="at least 1"):
        UsageMeter(*limits)


def test_every_try_counts_as_a_request() -> None:
    meter = UsageMeter(max_requests=3)
    meter.finish(meter.start(REQUEST, 1), answer(5, 4))
    meter.fail(meter.start(REQUEST, 1), charged=False)
    meter.fail(meter.start(REQUEST, 1), charged=True)
    with pytest.raises(BudgetError, match=r"stopped at 3 requests"):
        meter.start(REQUEST, 1)
    assert meter.requests == 3
    assert meter.uncounted == 1


def test_without_a_limit_on_tokens_answers_need_none() -> None:
    meter = UsageMeter()
    assert meter.start(replace(REQUEST, sampling=Sampling(max_tokens=None)), 1) == 0
    with pytest.raises(InputError, match="set max_tokens"):
        UsageMeter(max_tokens=10**9).start(replace(REQUEST, sampling=Sampling(max_tokens=None)), 1)


def test_the_limit_on_tokens_is_met_to_the_token() -> None:
    meter = UsageMeter(max_tokens=2 * MOST)
    first, second = meter.start(REQUEST, 1), meter.start(REQUEST, 1)
    with pytest.raises(BudgetError, match=f"before {2 * MOST} tokens"):
        meter.start(REQUEST, 1)
    meter.finish(first, answer(MOST - 9, 9))
    meter.finish(second, answer(MOST - 9, 8))
    with pytest.raises(BudgetError):
        meter.start(REQUEST, 1)
    assert used(meter) == 2 * MOST - 1
    assert meter.requests == 2  # what was refused was not sent


def test_what_came_cheaper_leaves_room() -> None:
    meter = UsageMeter(max_tokens=MOST + 20)
    meter.finish(meter.start(REQUEST, 1), answer(11, 9))
    assert meter.start(REQUEST, 1) == MOST
    with pytest.raises(BudgetError):
        meter.start(REQUEST, 1)


def test_tokens_are_those_of_a_request_and_counted_once() -> None:
    meter = UsageMeter()
    meter.finish(meter.start(REQUEST, 2), answer(7, 9))
    assert (meter.prompt_tokens, meter.completion_tokens, meter.uncounted) == (7, 9, 0)


@pytest.mark.parametrize("counted", [(None, None), (7, None), (None, 9)])
def test_what_a_server_does_not_count_counts_as_the_most(
    counted: tuple[int | None, int | None],
) -> None:
    meter = UsageMeter(max_tokens=MOST + MOST // 2)
    meter.finish(meter.start(REQUEST, 1), answer(*counted))
    assert meter.uncounted == 1
    with pytest.raises(BudgetError):
        meter.start(REQUEST, 1)


def test_what_failed_counts_only_where_it_may_be_charged() -> None:
    meter = UsageMeter(max_tokens=MOST)
    for _ in range(5):
        meter.fail(meter.start(REQUEST, 1), charged=False)
    assert meter.uncounted == 0
    meter.fail(meter.start(REQUEST, 1), charged=True)
    with pytest.raises(BudgetError):
        meter.start(REQUEST, 1)


OUTCOMES = st.sampled_from(["counted", "uncounted", "charged", "free"])


@given(
    st.integers(1, 12 * MOST),
    st.integers(1, 20),
    st.lists(st.tuples(st.integers(1, 5), OUTCOMES, st.floats(0, 1)), max_size=30),
)
def test_no_limit_is_passed_by_servers_that_keep_theirs(
    limit: int, requests: int, tries: list[tuple[int, str, float]]
) -> None:
    meter = UsageMeter(requests, limit)
    bill = 0  # as the server sees it
    under_way: list[tuple[int, int, str, float]] = []
    for answers, result, part in tries:
        try:
            reserved = meter.start(REQUEST, answers)
        except BudgetError:
            continue
        under_way.append((reserved, answers, result, part))
        if part > 0.3:  # the oldest ends
            reserved, n, outcome, share = under_way.pop(0)
            cost = round(share * most_tokens(REQUEST, n))
            match outcome:
                case "counted":
                    meter.finish(reserved, answer(cost - cost // 2, cost // 2))
                case "uncounted":
                    meter.finish(reserved, answer(None, None))
                case "charged":
                    meter.fail(reserved, charged=True)
                case "free":
                    meter.fail(reserved, charged=False)
            bill += 0 if outcome == "free" else cost
        coming = sum(most_tokens(REQUEST, n) for _, n, _, _ in under_way)
        assert bill + coming <= limit
        assert used(meter) <= bill
        assert meter.requests <= requests
