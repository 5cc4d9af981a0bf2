"""Export, answers, import, and so on until nothing is missing: the bank of a live run."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cupl.errors import InputError, ServerError
from cupl.generation.batch.requests import CustomId, write_requests
from cupl.generation.batch.results import import_results
from cupl.generation.cache.store import ResponseCache
from cupl.generation.collect import FilterOptions, collect
from cupl.generation.pipeline import generate
from cupl.generation.plan import Plan, make_plan, missing_answers
from cupl.generation.retry import RetryPolicy
from cupl.llm.protocol import Failure, Request, Response, Sampling, cache_key
from tests.batch_server import openai_line
from tests.fakes import QueueLLM, chat_reply
from tests.generation.test_plan import ONE, TWO

URL = "http://localhost:8000/v1"
ASKED: dict[str, Any] = {"model": "m", "base_url": URL, "sampling": Sampling(seed=0)}
TextOf = Callable[[str, int, int], str]
"""What is answered to a question, for a sample at a try, which its seed tells: both from 0."""


class Live:
    """Answers one at a time, by question, sample and try."""

    def __init__(self, text_of: TextOf) -> None:
        self.text_of = text_of

    async def complete(self, request: Request, n: int) -> list[Response]:
        tries, sample = divmod(request.body(n)["seed"], 100_000)
        return [Response(self.text_of(request.question, sample, tries))]

    async def close(self) -> None:
        pass


def exports(
    plan: Plan, cache: ResponseCache, folder: Path, text_of: TextOf, **more: Any
) -> Iterator[list[CustomId]]:
    """Export and import until there is nothing to export; what each file asks for."""

    def reply(body: dict[str, Any]) -> Any:
        tries, sample = divmod(body["seed"], 100_000)
        return 200, chat_reply(text_of(body["messages"][-1]["content"], sample, tries))

    for number in range(100):
        path = folder / f"{number}.jsonl"
        if not write_requests(plan, cache, path, n=None, **more).files:
            return
        requests = [json.loads(line) for line in path.read_text().splitlines()]
        names = [CustomId.parse(request["custom_id"]) for request in requests]
        assert len({(name.digest, name.samples) for name in names}) == len(names)
        yield names
        results = folder / f"{number}.results.jsonl"
        lines = (json.dumps(openai_line(request, reply)) + "\n" for request in reversed(requests))
        results.write_text("".join(lines))
        import_results([results], cache)
    pytest.fail("it does not end")


def bank_by_files(
    folder: Path, names: list[str], text_of: TextOf, filtering: FilterOptions, samples: int
) -> tuple[bytes | str, list[int]]:
    """The bank, or why there is none, and how many answers each export asked for."""
    plan = make_plan(names, TWO, samples=samples, **ASKED)
    with ResponseCache(folder / "cache") as cache:
        rounds = [*exports(plan, cache, folder, text_of, filtering=filtering)]
    made = bank_live(names, QueueLLM([]), filtering, samples, folder / "cache", offline=True)
    return made, [len(names) for names in rounds]


def bank_live(
    names: list[str], llm: Any, filtering: FilterOptions, samples: int, cache: Path, **more: Any
) -> bytes | str:
    try:
        return generate(
            names, TWO, samples=samples, n=None, cache=cache, llm=llm, concurrency=1,
            filters=filtering.filters, min_prompts=filtering.min_prompts,
            similarity=filtering.similarity, drop_shared=filtering.drop_shared, **ASKED, **more,
        ).to_bytes()  # fmt: skip
    except (InputError, ServerError) as error:
        return str(error)


KINDS: dict[str, Callable[[str, int], str]] = {
    "good": lambda question, number: f"A thing has {'very ' * number}long legs.",
    "same": lambda question, number: "It is big and it is green.",
    "refusal": lambda question, number: "I'm sorry, I cannot say.",
    "empty": lambda question, number: "",
    "echo": lambda question, number: question,
    "loud echo": lambda question, number: f"**{question.upper()}**\n",
}


@settings(max_examples=20)
@given(
    kinds=st.lists(st.sampled_from([*KINDS]), min_size=1, max_size=40),
    samples=st.integers(1, 4),
    min_prompts=st.integers(1, 4),
    drop_shared=st.booleans(),
    similarity=st.sampled_from([None, 60, 95]),
)
def test_a_batch_comes_to_the_bank_of_a_live_run(
    tmp_path_factory: pytest.TempPathFactory, kinds: list[str], samples: int, **options: Any
) -> None:
    def text_of(question: str, sample: int, tries: int) -> str:
        number = len(question) * 7 + sample * 3 + tries
        return KINDS[kinds[number % len(kinds)]](question, number % 50)

    folder, filtering = tmp_path_factory.mktemp("rounds"), FilterOptions(**options)
    if filtering.min_prompts > 2 * samples:
        return
    live = bank_live(["cat", "dog"], Live(text_of), filtering, samples, folder / "live")
    if "so the run stopped" in str(live):  # a run that has only useless answers asks no further
        return
    made, _ = bank_by_files(folder, ["cat", "dog"], text_of, filtering, samples)
    assert made == live


def test_classes_that_kept_too_few_get_more_once_all_is_there(tmp_path: Path) -> None:
    def text_of(question: str, sample: int, tries: int) -> str:
        dull = "dog" in question and sample < 4
        return "I'm sorry." if dull else f"A thing of {question[:9]} has {sample} legs."

    made, asked = bank_by_files(
        tmp_path, ["cat", "dog"], text_of, FilterOptions(min_prompts=3, similarity=None), 3
    )
    assert asked == [12, 4, 4]  # two questions to two classes; then two samples, twice, to one
    live = bank_live(
        ["cat", "dog"], Live(text_of), FilterOptions(min_prompts=3, similarity=None), 3,
        tmp_path / "live",
    )  # fmt: skip
    assert made == live
    assert isinstance(made, bytes)
    assert b"min_prompts: 3\n" in made


def test_an_export_without_such_a_wish_is_the_plan_alone(tmp_path: Path) -> None:
    plan = make_plan(["cat"], ONE, samples=2, **ASKED)
    with ResponseCache(tmp_path / "c") as cache:
        rounds = [*exports(plan, cache, tmp_path, lambda *_: "I'm sorry.")]
    assert len(rounds) == 1


def test_nothing_is_asked_for_while_answers_are_missing(tmp_path: Path) -> None:
    """The second export comes before the answers of the first: it is the same."""
    plan, filtering = make_plan(["cat"], ONE, samples=3, **ASKED), FilterOptions(min_prompts=3)
    with ResponseCache(tmp_path / "c") as cache:
        [first, second] = list(missing_answers(plan, cache, n=2))
        cache.put({first.key(sample): Response("I'm sorry.") for sample in first.samples})
        for name in ("1", "2"):
            write_requests(plan, cache, tmp_path / name, filtering=filtering)
        cache.put({second.key(2): Response("A cat is soft.")})
        told: list[str] = []
        write_requests(plan, cache, tmp_path / "3", filtering=filtering, notice=told.append)
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()
    names = [json.loads((tmp_path / name).read_text())["custom_id"] for name in "13"]
    assert [CustomId.parse(name).samples for name in names] == [(2,), (3, 4)]
    assert told == ["too few prompts in 1 of 1 class, so these get more requests"]


def test_more_than_the_plan_can_bring(tmp_path: Path) -> None:
    plan = make_plan(["cat"], ONE, samples=2, **ASKED)
    with (
        ResponseCache(tmp_path / "c") as cache,
        pytest.raises(InputError, match="min_prompts is 3, and 2 answers are asked for"),
    ):
        write_requests(plan, cache, tmp_path / "r", filtering=FilterOptions(min_prompts=3))
    assert not (tmp_path / "r").exists()


def test_what_was_given_up_in_all_rounds_comes_together_and_before_anything_new(
    tmp_path: Path,
) -> None:
    plan, filtering = make_plan(["cat"], ONE, samples=2, **ASKED), FilterOptions(min_prompts=2)
    [request] = plan.requests(plan.labels[0])

    def asked(tries: float) -> list[int]:
        path = tmp_path / "r.jsonl"
        path.unlink(missing_ok=True)
        write_requests(plan, cache, path, filtering=filtering, tries=tries, n=None)
        lines = path.read_text().splitlines() if path.exists() else []
        names = (CustomId.parse(json.loads(line)["custom_id"]) for line in lines)
        return [sample for name in names for sample in name.samples]

    with ResponseCache(tmp_path / "c") as cache:
        echoed = cache_key(cache_key(request.digest, 0), 0)
        keys = [cache_key(request.digest, sample) for sample in range(3)]
        cache.put({keys[1]: Response("A cat is soft.")})
        cache.put({keys[0]: Failure("empty", 3), keys[2]: Failure("empty", 3)})
        assert asked(RetryPolicy().missing_below(retry_failed=True)) == [0, 2]
        assert asked(RetryPolicy.answer_tries) == [3]
        cache.put({keys[0]: Response(request.question), echoed: Failure("empty", 3)})
        assert asked(RetryPolicy().missing_below(retry_failed=True)) == [
            0,
            2,
        ]  # each once, also what turns out to be given up


def echo(question: str, sample: int, tries: int) -> str:
    return question if sample == 1 and tries < 2 else f"A thing has {sample} legs."


def test_an_echo_is_no_answer_and_is_asked_for_again(tmp_path: Path) -> None:
    filtering = FilterOptions(similarity=None)
    made, asked = bank_by_files(tmp_path, ["cat"], echo, filtering, 3)
    assert asked == [6, 2, 2]
    assert made == bank_live(["cat"], Live(echo), filtering, 3, tmp_path / "live")


def test_what_is_an_echo_at_every_try_is_given_up(tmp_path: Path) -> None:
    def always(question: str, sample: int, tries: int) -> str:
        return echo(question, sample, 0)

    made, asked = bank_by_files(tmp_path, ["cat"], always, FilterOptions(similarity=None), 3)
    assert asked == [6, 2, 2]
    live = bank_live(["cat"], Live(always), FilterOptions(similarity=None), 3, tmp_path / "live")
    assert made == live


@pytest.mark.parametrize("filters", [None, ["not-empty"], []])
def test_an_echo_that_was_imported_long_ago_is_asked_for_by_a_live_run(
    tmp_path: Path, filters: Any
) -> None:
    plan = make_plan(["cat"], ONE, samples=2, **ASKED | {"sampling": None})
    [unit] = missing_answers(plan, ResponseCache(tmp_path), n=9)
    question = unit.request.question
    with ResponseCache(tmp_path) as cache:
        cache.put({unit.key(0): Response(question), unit.key(1): Response("A cat is soft.")})
    settings: dict[str, Any] = {
        "samples": 2, "cache": tmp_path, "filters": filters, "model": "m", "base_url": URL,
    }  # fmt: skip
    offline = generate(["cat"], ONE, offline=True, **settings)
    assert offline.classes[0].texts == ["A cat is soft."]
    llm = QueueLLM(["A cat has fur."])
    bank = generate(["cat"], ONE, llm=llm, **settings)
    assert bank.classes[0].texts == ["A cat has fur.", "A cat is soft."]
    assert not llm.answers
    assert generate(["cat"], ONE, offline=True, **settings).to_bytes() == bank.to_bytes()


def test_an_echo_found_by_a_run_is_asked_for_in_that_run(tmp_path: Path) -> None:
    plan = make_plan(["cat"], ONE, samples=2, model="m", base_url=URL)
    with ResponseCache(tmp_path) as cache:
        [unit] = missing_answers(plan, cache, n=9)
        cache.put({
            unit.key(0): Response(unit.request.question), unit.key(1): Failure("empty", 3),
        })  # fmt: skip
    llm = QueueLLM(["", "", "", "", "A cat has fur."])
    bank = generate(
        ["cat"], ONE, samples=2, cache=tmp_path, llm=llm, model="m", base_url=URL,
        retry_failed=True, concurrency=1,
    )  # fmt: skip
    assert bank.classes[0].texts == ["A cat has fur."]
    assert len(llm.asked) == 5  # three for what had failed, two for the echo


def test_only_an_echo_is_withdrawn(tmp_path: Path) -> None:
    """What was taken for an answer by other rules of another day was paid for."""
    plan = make_plan(["cat"], ONE, samples=4, model="m", base_url=URL)
    with ResponseCache(tmp_path) as cache:
        [unit] = missing_answers(plan, cache, n=9)
        texts = ["A cat is a", "", "I'm sorry.", f"{unit.request.question} A cat is soft."]
        answers = {unit.key(i): Response(text, "length") for i, text in enumerate(texts)}
        cache.put(answers)
        report = collect(plan, cache, FilterOptions()).report
        assert (report.withdrawn, report.failed, report.kept) == (0, 0, 1)
        assert {key: cache.get(key) for key in answers} == answers


def test_an_answer_that_came_in_the_meantime_stays(tmp_path: Path) -> None:
    plan = make_plan(["cat"], ONE, samples=1, model="m", base_url=URL)
    with ResponseCache(tmp_path) as cache:
        [unit] = missing_answers(plan, cache)
        old, new, failure = Response("Old."), Response("New."), Failure("empty", 1)
        cache.put({unit.key(0): new})
        cache.put({unit.key(0): failure}, instead_of={unit.key(0): old})
        assert cache.get(unit.key(0)) == new
        cache.put({unit.key(0): failure}, instead_of={unit.key(0): replace(new)})
        assert cache.get(unit.key(0)) == failure
