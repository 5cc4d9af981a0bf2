import asyncio
from contextlib import nullcontext

import pytest

from cupl.errors import BudgetError, InputError
from cupl.generation.asking import Asking
from cupl.generation.budget import UsageMeter
from cupl.generation.cache.store import ResponseCache
from cupl.generation.listing import ask_for_names, listing_plan, lists_in
from cupl.generation.plan import make_plan
from cupl.generation.requester import RequestOptions
from cupl.llm.protocol import Response, Sampling
from tests.answering import Answering

KINDS = ("Name 3 kinds of {}:",)


def asking(cache: ResponseCache, llm: Answering, most: int | None = None) -> Asking:
    return Asking(cache, nullcontext(llm), RequestOptions(), UsageMeter(most))


def test_each_class_gets_the_names_of_its_list(cache: ResponseCache) -> None:
    llm = Answering({"kinds of dog": "- poodle\n- pug", "kinds of cat": "I'm sorry, I can't."})
    plan = listing_plan(make_plan(["dog", "cat"]), KINDS, 3)
    for _ in range(2):  # from the model, then from the cache
        lists = asyncio.run(ask_for_names(plan, 3, asking(cache, llm)))
        assert [(one.label.name, one.found.names) for one in lists] == [
            ("dog", ("poodle", "pug")),
            ("cat", ()),
        ]
        assert lists[1].found.dropped == {"refusal": 1}
    assert len(llm.asked) == 2


def test_a_list_is_asked_for_as_one(cache: ResponseCache) -> None:
    usual = make_plan(["dog"], sampling=Sampling(max_tokens=20, stop=(".",), temperature=0.1))
    [request] = listing_plan(usual, KINDS, 50).requests(usual.labels[0])
    assert request.sampling.max_tokens is not None
    assert request.sampling.max_tokens >= 500, "no name of 50 is cut off"
    assert request.sampling.stop is None, "a full stop stands after each number"
    assert request.sampling.temperature == 0.1
    assert "No lists" not in (request.preamble or "")
    unlimited = make_plan(["dog"], sampling=Sampling(max_tokens=None))
    assert listing_plan(unlimited, KINDS, 50).sampling.max_tokens is None


def test_an_answer_of_no_use_lists_nothing(cache: ResponseCache) -> None:
    llm = Answering({"kinds": Response("", "length")})
    plan = listing_plan(make_plan(["dog"]), KINDS, 3)
    [only] = asyncio.run(ask_for_names(plan, 3, asking(cache, llm)))
    assert only.found.dropped == {"cut off": 1}
    assert len(llm.asked) == 3


def test_what_is_not_there_is_passed_over_and_missing_offline(cache: ResponseCache) -> None:
    plan = listing_plan(make_plan(["dog"]), KINDS, 3)
    assert list(lists_in(plan, 3, cache)) == []
    offline = Asking(cache, nullcontext(Answering({})), RequestOptions(), UsageMeter(), True)
    with pytest.raises(InputError, match="1 answer, to questions such as Name 3 kinds of dog"):
        asyncio.run(ask_for_names(plan, 3, offline))


def test_the_limits_hold(cache: ResponseCache) -> None:
    plan = listing_plan(make_plan(["dog", "cat"]), KINDS, 3)
    with pytest.raises(BudgetError, match="stopped at 1 request"):
        asyncio.run(ask_for_names(plan, 3, asking(cache, Answering({"kinds": "- pug"}), 1)))


@pytest.mark.parametrize("most", [0, 101])
def test_a_number_of_names_that_is_none(most: int) -> None:
    with pytest.raises(InputError, match="1 to 100 names"):
        listing_plan(make_plan(["dog"]), KINDS, most)
