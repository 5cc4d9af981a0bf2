from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cupl.bank.labels import ClassLabel
from cupl.errors import InputError
from cupl.generation.cache.entries import CacheEntry
from cupl.generation.cache.store import ResponseCache
from cupl.generation.collect import CollectedPrompts, FilterOptions, collect
from cupl.generation.filters import DEFAULT_FILTERS, choose_filters
from cupl.generation.plan import Plan, make_plan, missing_answers
from cupl.llm.protocol import Failure, Response, Sampling
from tests.generation.test_plan import ONE, TWO, plan_of


def answer(plan: Plan, cache: ResponseCache, answers: Sequence[str | CacheEntry]) -> None:
    """Answers for all that is missing, in the order of the plan."""
    queue = iter(answers)
    for unit in list(missing_answers(plan, cache, n=1000)):
        given = [next(queue) for _ in unit.samples]
        cache.put(
            {
                unit.key(sample): Response(entry) if isinstance(entry, str) else entry
                for sample, entry in zip(unit.samples, given, strict=True)
            }
        )
    assert not list(queue)


def collected(
    cache: ResponseCache, *answers: str | CacheEntry, filtering: FilterOptions | None = None
) -> CollectedPrompts:
    """Of one class, each answer a sample."""
    plan = plan_of("cat", samples=len(answers))
    answer(plan, cache, answers)
    return collect(plan, cache, filtering or FilterOptions())


def test_what_is_dropped_is_counted_by_reason(cache: ResponseCache) -> None:
    result = collected(
        cache,
        "A cat is soft.",
        "A CAT  is soft",
        "I'm sorry, I cannot help.",
        "There is no definitive answer.",
        "See https://cats.org for more.",
        Response("A cat is a", "length"),
        "A cat has fur",
        Failure("content filter", 3),
        Failure("empty", 1),
    )
    assert result.bank("x").classes[0].texts == ["A cat is soft.", "A cat has fur."]
    assert result.report.kept == 2
    assert result.report.failed == 2
    assert result.report.dropped == {
        "duplicate": 1,
        "refusal": 1,
        "non-answer": 1,
        "URL or markup": 1,
        "cut off": 1,
        "content filter": 1,
        "empty": 1,
    }


NEAR = (
    "A tree frog is a small green frog with large sticky toe pads and bright red eyes.",
    "The tree frog is a small green frog with large sticky toe pads and bright red eyes.",
    "A tree frog is a little amphibian that clings to leaves and has a pale belly.",
)


def test_near_duplicates_of_a_class_are_dropped(cache: ResponseCache) -> None:
    result = collected(cache, *NEAR)
    assert result.bank("x").classes[0].texts == [NEAR[0], NEAR[2]]
    assert result.report.dropped == {"near-duplicate": 1}


@pytest.mark.parametrize(("similarity", "kept"), [(None, 3), (100, 3), (95, 2), (50, 1)])
def test_how_near_is_a_choice(cache: ResponseCache, similarity: float | None, kept: int) -> None:
    result = collected(cache, *NEAR, filtering=FilterOptions(similarity=similarity))
    assert result.report.kept == kept


def test_the_choices_stand_in_the_bank(cache: ResponseCache) -> None:
    source = collected(cache, "A cat is soft.").bank("x").source
    assert source is not None
    assert source.filters is not None
    assert source.filters[-2:] == ["whole-sentences", "similarity-95"]
    filtering = FilterOptions(similarity=None, drop_shared=True, min_prompts=2)
    plan = replace(plan_of("cat"), samples=1)
    source = collect(plan, cache, filtering).bank("x").source
    assert source is not None
    assert source.filters is not None
    assert source.filters[-2:] == ["whole-sentences", "not-shared"]
    assert source.min_prompts == 2


def test_a_sentence_under_several_classes_is_reported(cache: ResponseCache) -> None:
    plan = plan_of("cat", "dog")
    answer(plan, cache, ["It has legs.", "A cat is soft.", "it has legs", "A dog is big."])
    result = collect(plan, cache, FilterOptions())
    assert result.report.shared == ["it has legs."]
    assert [entry.texts[0] for entry in result.bank("x")] == ["It has legs.", "it has legs."]
    result = collect(plan, cache, FilterOptions(drop_shared=True))
    assert [entry.texts for entry in result.bank("x")] == [["A cat is soft."], ["A dog is big."]]
    assert result.report.dropped == {"under several classes": 2}
    assert result.report.kept == 2


def test_classes_of_one_name_share_sentences_by_right(cache: ResponseCache) -> None:
    plan = make_plan([ClassLabel("missile", "n1"), ClassLabel("missile", "n2")], ONE, samples=1)
    answer(plan, cache, ["A missile is long."])
    result = collect(plan, cache, FilterOptions(drop_shared=True))
    assert not result.report.shared
    assert [entry.texts for entry in result.bank("x")] == [["A missile is long."]] * 2


def test_a_class_without_a_usable_answer_is_named(cache: ResponseCache) -> None:
    plan = plan_of("cat", "dog", samples=1)
    answer(plan, cache, ["A cat is soft.", "I'm sorry."])
    match = r"no usable answer for dog \(.*1 refusal\).*samples=2"
    with pytest.raises(InputError, match=match):
        collect(plan, cache, FilterOptions()).bank("x")


@pytest.mark.parametrize(("limit", "named"), [(50, {"max_tokens": None}), (None, {"extra": ...})])
def test_the_advice_for_such_a_class_is_not_what_was_done(
    cache: ResponseCache, limit: int | None, named: dict[str, object]
) -> None:
    plan = make_plan(["cat"], ONE, samples=1, sampling=Sampling(max_tokens=limit))
    (unit,) = missing_answers(plan, cache)
    cache.put({unit.key(0): Failure("thinking alone", 3)})
    with pytest.raises(InputError) as error:
        collect(plan, cache, FilterOptions()).bank("x")
    assert error.value.arguments == named | {"samples": 2}
    assert ("max_tokens=None" in str(error.value)) == (limit is not None)


def test_a_class_that_keeps_too_few_wants_more(cache: ResponseCache) -> None:
    plan = plan_of("cat", "dog", questions=TWO, samples=3)
    dog = ["I'm sorry."] * 5 + ["A dog is big."]
    answer(plan, cache, [*(f"A cat has {i} toys." for i in range(6)), *dog])
    result = collect(plan, cache, FilterOptions(min_prompts=4))
    assert result.report.short == {"dog": 1}
    assert result.wanted() == {"dog": 2}  # three prompts too few, two questions


def test_asking_for_more_comes_to_an_end(cache: ResponseCache) -> None:
    plan, filtering, rounds = plan_of("cat", samples=3), FilterOptions(min_prompts=3), []
    while True:
        answer(
            plan, cache, ["I'm sorry."] * sum(len(u.samples) for u in missing_answers(plan, cache))
        )
        more = collect(plan, cache, filtering).wanted()
        if more == plan.more:
            break
        rounds.append(more["cat"])
        plan = replace(plan, more=more)
    assert rounds == [3, 6]


def test_more_than_is_asked_cannot_be_kept() -> None:
    with pytest.raises(InputError, match="min_prompts is 5, and 4 answers are asked for"):
        FilterOptions(min_prompts=5).check(plan_of("cat", questions=TWO))


@pytest.mark.parametrize("settings", [{"similarity": 30}, {"similarity": 101}, {"min_prompts": 0}])
def test_choices_out_of_range(settings: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        FilterOptions(**settings)


def test_an_answer_that_is_not_there(cache: ResponseCache) -> None:
    with pytest.raises(InputError, match="vanished"):
        collect(plan_of("cat"), cache, FilterOptions())


_sentences = st.lists(
    st.sampled_from([*NEAR, "A cat is soft.", "A cat purrs", "", "I'm sorry.", "A cat. Cats"]),
    min_size=1,
    max_size=12,
)


@given(answers=_sentences, similarity=st.sampled_from([None, 80, 95]))
def test_every_answer_is_kept_or_counted(
    tmp_path_factory: pytest.TempPathFactory, answers: list[str], similarity: float | None
) -> None:
    with ResponseCache(tmp_path_factory.mktemp("cache")) as cache:
        result = collected(cache, *answers, filtering=FilterOptions(similarity=similarity))
    assert result.report.kept + result.report.dropped.total() == len(answers)
    kept = [text for _, prompts in result.prompts for texts in prompts.values() for text in texts]
    assert len({text.casefold() for text in kept}) == len(kept) == result.report.kept


@pytest.mark.parametrize(
    "text", ["A cat is soft. " * 6400, "A" + " soft" * 19_000 + " cat.", "猫は柔らかい。" * 300]
)
def test_an_answer_that_is_too_long_for_a_prompt(cache: ResponseCache, text: str) -> None:
    result = collected(cache, text, "A cat is small.")
    assert result.bank("x").classes[0].texts == ["A cat is small."]
    assert result.report.dropped == {"too long for a prompt": 1}


def test_the_longest_prompt_there_may_be(cache: ResponseCache) -> None:
    text = "A cat" + " is soft" * 249 + "."
    assert len(text) == 1998
    assert collected(cache, text).bank("x").classes[0].texts == [text]


def test_the_first_sentence_of_a_long_answer(cache: ResponseCache) -> None:
    chosen = choose_filters([*DEFAULT_FILTERS, "first-sentence"])
    result = collected(cache, "A cat is soft. " * 6400, filtering=FilterOptions(chosen))
    assert result.bank("x").classes[0].texts == ["A cat is soft."]


def test_nothing_but_endless_answers(cache: ResponseCache) -> None:
    result = collected(cache, "A cat is soft. " * 200)
    with pytest.raises(InputError, match="1 too long for a prompt.; a limit such as") as caught:
        result.bank("x")
    assert caught.value.arguments["max_tokens"] == 200
