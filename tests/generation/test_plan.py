from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cupl.bank.labels import ClassLabel
from cupl.bank.templates import QuestionSet
from cupl.errors import CuplError, InputError
from cupl.generation.cache.entries import CacheEntry
from cupl.generation.cache.store import ResponseCache
from cupl.generation.plan import (
    Plan,
    has_answers,
    make_plan,
    missing_answers,
    survey,
    usual_sampling,
)
from cupl.generation.retry import RetryPolicy
from cupl.llm.mini import ENDPOINT, SAMPLING
from cupl.llm.protocol import Failure, Response, Sampling

MAX_TRIES = RetryPolicy.answer_tries
NEVER = RetryPolicy().missing_below(offline=True)
ALWAYS = RetryPolicy().missing_below(retry_failed=True)

ONE = QuestionSet(name="one", questions=("What does {a} look like?",))
TWO = QuestionSet(name="two", questions=("Describe {a}:", "What does {a} look like?"))


def plan_of(*names: str, questions: QuestionSet = ONE, samples: int = 2, **more: Any) -> Plan:
    return make_plan(names, questions, samples=samples, **more)


def fill(plan: Plan, cache: ResponseCache, entry: CacheEntry, *samples: int) -> None:
    for unit in missing_answers(plan, cache):
        cache.put({unit.key(sample): entry for sample in unit.samples if sample in samples})


def test_names_are_data() -> None:
    names = ["{}", "{a}", "a: b", '"q"', "x, y", "größe", "\\1 %s {0}", "#tag", "猫"]
    plan = plan_of(*names)
    asked = [r.question for label in plan.labels for r in plan.requests(label)]
    assert all(name in question for name, question in zip(names, asked, strict=True))


def test_all_of_a_new_plan_is_missing(cache: ResponseCache) -> None:
    plan = plan_of("cat", "dog", questions=TWO, samples=5)
    units = list(missing_answers(plan, cache, n=2))
    assert [unit.samples for unit in units] == [(0, 1), (2, 3), (4,)] * 4
    assert units[0].request.question == "Describe a cat:"
    found = survey(plan, cache, n=2)
    assert (found.answers, found.cached, found.requests) == (20, 0, 12)
    assert len(found.examples) == 4


def test_what_is_there_is_not_missing(cache: ResponseCache) -> None:
    plan = plan_of("cat", samples=6)
    fill(plan, cache, Response("A cat."), 1, 2, 3)
    assert [unit.samples for unit in missing_answers(plan, cache, n=2)] == [(0,), (4, 5)]
    found = survey(plan, cache, n=10)
    assert (found.answers, found.cached, found.requests) == (3, 3, 1)


@given(there=st.sets(st.integers(0, 19)), n=st.sampled_from([None, 1, 3, 7, 100]))
def test_exactly_the_rest_is_missing(
    tmp_path_factory: pytest.TempPathFactory, there: set[int], n: int | None
) -> None:
    plan = plan_of("cat", samples=20)
    with ResponseCache(tmp_path_factory.mktemp("cache")) as cache:
        fill(plan, cache, Response("A cat."), *there)
        units = list(missing_answers(plan, cache, n=n))
    asked = [sample for unit in units for sample in unit.samples]
    assert asked == sorted(set(range(20)) - there)
    assert all(1 <= len(unit.samples) <= (n or 1) for unit in units)


def test_an_answer_of_no_use_is_missing_until_it_was_asked_for_often_enough(
    cache: ResponseCache,
) -> None:
    plan = plan_of("cat")
    fill(plan, cache, Failure("empty", MAX_TRIES - 1), 0)
    fill(plan, cache, Failure("empty", MAX_TRIES), 1)
    assert [unit.samples for unit in missing_answers(plan, cache, n=9)] == [(0,)]
    assert not list(missing_answers(plan, cache, n=9, tries=NEVER))
    assert [unit.samples for unit in missing_answers(plan, cache, n=9, tries=ALWAYS)] == [(0, 1)]


def test_classes_of_one_name_share_its_answers(cache: ResponseCache) -> None:
    labels = [ClassLabel("missile", "n1"), ClassLabel("missile", "n2")]
    plan = make_plan(labels, ONE, samples=2)
    assert survey(plan, cache).answers == 2


def test_more_samples_for_some(cache: ResponseCache) -> None:
    plan = replace(plan_of("cat", "dog"), more={"dog": 3})
    assert [len(unit.samples) for unit in missing_answers(plan, cache, n=10)] == [2, 5]
    assert survey(plan, cache, n=10).answers == 7


def test_what_goes_beyond_an_earlier_plan(cache: ResponseCache) -> None:
    """Of that nothing is looked at again, whatever became of it."""
    plan = plan_of("cat", "dog", samples=2)
    more = replace(plan, more={"dog": 3})
    (unit,) = missing_answers(more, cache, n=10, tries=ALWAYS, beyond=plan)
    assert (unit.request.question, unit.samples) == ("What does a dog look like?", (2, 3, 4))
    assert survey(more, cache, n=10, beyond=plan).answers == 3
    assert [unit.samples for unit in missing_answers(more, cache, n=3, beyond=plan)] == [
        (2,),
        (3, 4),
    ]


def test_whether_a_plan_has_any_answer(cache: ResponseCache) -> None:
    plan = plan_of("cat", "dog")
    assert not has_answers(plan, cache)
    fill(plan, cache, Failure("empty", MAX_TRIES), 0)
    assert not has_answers(plan, cache)
    fill(plan_of("dog"), cache, Response("A dog."), 1)
    assert has_answers(plan, cache)


def test_another_setting_asks_anew(cache: ResponseCache) -> None:
    plan = plan_of("cat")
    fill(plan, cache, Response("A cat."), 0, 1)
    assert not survey(plan, cache).answers
    assert survey(replace(plan, preamble="x"), cache).answers == 2
    assert survey(replace(plan, model="other"), cache).answers == 2
    assert survey(replace(plan, endpoint="http://else/v1"), cache).answers == 2
    assert survey(replace(plan, sampling=Sampling(0.5)), cache).answers == 2


def test_an_estimate_of_tokens(cache: ResponseCache) -> None:
    plan = plan_of("cat", samples=10, sampling=Sampling(max_tokens=50))
    found = survey(plan, cache, n=10)
    # 16 words and 27 of the system message's, as the tokenizers of today count, and a margin
    assert 25 < found.prompt_tokens < 60
    assert found.completion_tokens == 500
    assert (
        survey(plan_of("cat", sampling=Sampling(max_tokens=None)), cache).completion_tokens is None
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"samples": 0}, "samples must be"),
        ({"model": "mini", "base_url": "http://localhost/v1"}, "no base URL"),
        ({"model": "mini", "api": "chat"}, "completions only"),
        ({"base_url": "localhost"}, "must look like"),
        ({"questions": "nowhere"}, "no such questions file"),
        ({"api": "soap"}, "chat or completions"),
    ],
)
def test_settings_that_do_not_fit(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(CuplError, match=message):
        make_plan(["cat"], **settings)


def test_a_name_in_place_of_a_list_is_refused() -> None:
    with pytest.raises(InputError, match=r"list of names, such as \['cat'\]"):
        make_plan("cat")


def test_the_mini_model_has_its_own_settings() -> None:
    plan = make_plan(["cat"], model="mini")
    assert (plan.api, plan.endpoint, plan.sampling) == ("completions", ENDPOINT, SAMPLING)
    assert usual_sampling("gpt-4.1-mini") == Sampling()
    source = plan.source(["clean"], 1)
    assert source.weights is not None
    assert "sha256" in source.weights


@pytest.mark.parametrize(
    ("base_url", "server"),
    [
        (None, None),
        ("https://api.openai.com/v1/", None),
        ("http://localhost:8000/v1", "http://localhost:8000/v1"),
        ("https://me:secret@Host.example:8443/v1/", "https://host.example:8443/v1"),
    ],
)
def test_the_server_is_named_where_the_model_alone_does_not_say_who_answered(
    base_url: str | None, server: str | None
) -> None:
    assert make_plan(["cat"], base_url=base_url).source([], 1).server == server


def test_the_server_of_the_environment_is_named_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://localhost:9/v1")
    assert make_plan(["cat"]).source([], 1).server == "http://localhost:9/v1"


def test_the_embedded_model_is_known_by_its_weights() -> None:
    assert make_plan(["cat"], model="mini").source([], 1).server is None


def test_looking_up_says_how_far_it_is(cache: ResponseCache) -> None:
    told: list[tuple[int, int]] = []
    plan = plan_of("cat", "cow", "pig")
    survey(plan, cache, progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]
