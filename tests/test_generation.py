import asyncio
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cupl.bank import PromptBank
from cupl.cache import ResponseCache
from cupl.classes import ClassLabel
from cupl.errors import CuplError, InputError, ServerError
from cupl.generation import (
    Plan,
    ask,
    collect,
    find_missing,
    generate,
    make_plan,
    run,
    usual_sampling,
)
from cupl.llm.base import Request, Response, Sampling
from cupl.llm.mini import ENDPOINT, SAMPLING
from cupl.questions import QuestionSet
from tests.fakes import QueueLLM, chat_reply, serve

ONE = QuestionSet(name="one", questions=("What does {a} look like?",))
TWO = QuestionSet(name="two", questions=("Describe {a}:", "What does {a} look like?"))


def plan_of(*names: str, questions: QuestionSet = ONE, samples: int = 2, **more: Any) -> Plan:
    return make_plan(names, questions, samples=samples, **more)


def ask_all(plan: Plan, cache: ResponseCache, llm: QueueLLM, **more: Any) -> None:
    asyncio.run(ask(find_missing(plan, cache), cache, llm, **more))


class Echo:
    """Answers each question with sentences of its own; counts."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []
        self.under_way = 0
        self.most_under_way = 0

    async def complete(self, request: Request, n: int) -> list[Response]:
        self.asked.append((request.question, n))
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        await asyncio.sleep(0)
        self.under_way -= 1
        number = len(self.asked)
        return [Response(f"Answer {number} {i} is a thing to see.") for i in range(n)]

    async def close(self) -> None:
        pass


def test_a_bank_holds_the_answers_by_question(tmp_path: Path) -> None:
    llm = QueueLLM(["A cat is small.", "A cat has fur.", "It purrs.", "A cat is soft."])
    bank = generate(["cat"], TWO, samples=2, cache=tmp_path, llm=llm, concurrency=1, name="pets")
    assert bank.classes[0].prompts == {
        "Describe a cat:": ["A cat is small.", "A cat has fur."],
        "What does a cat look like?": ["It purrs.", "A cat is soft."],
    }
    assert bank.name == "pets"
    assert bank.source is not None
    assert bank.source.model == "gpt-4.1-mini"
    assert bank.source.samples == 2
    assert llm.closed


def test_names_are_data() -> None:
    names = ["{}", "{a}", "a: b", '"q"', "x, y", "größe", "\\1 %s {0}", "#tag", "猫"]
    plan = plan_of(*names)
    asked = [r.question for label in plan.labels for r in plan.requests(label)]
    assert all(name in question for name, question in zip(names, asked, strict=True))


def test_a_second_run_asks_only_for_what_is_missing(tmp_path: Path) -> None:
    first = Echo()
    generate(["cat"], ONE, samples=3, cache=tmp_path, llm=first)
    second = Echo()
    generate(["cat", "dog"], ONE, samples=5, cache=tmp_path, llm=second)
    assert first.asked == [("What does a cat look like?", 3)]
    assert sorted(second.asked) == [
        ("What does a cat look like?", 2),
        ("What does a dog look like?", 5),
    ]


def test_a_cached_run_is_byte_identical_and_asks_nothing(tmp_path: Path) -> None:
    made = generate(["cat", "dog"], TWO, cache=tmp_path, llm=Echo())
    again = generate(["cat", "dog"], TWO, cache=tmp_path, offline=True)
    assert again.to_bytes() == made.to_bytes()


def test_offline_says_what_is_missing(tmp_path: Path) -> None:
    generate(["cat"], ONE, samples=2, cache=tmp_path, llm=Echo())
    match = r"4 answers to 2 questions, namely What does a cat look like\?; .* a dog"
    with pytest.raises(InputError, match=match):
        generate(["cat", "dog"], ONE, samples=3, cache=tmp_path, offline=True)


def test_a_server_that_gives_fewer_answers_is_asked_again(tmp_path: Path) -> None:
    llm = QueueLLM([f"A cat is number {i}." for i in range(5)], at_most=2)
    with ResponseCache(tmp_path) as cache:
        plan = plan_of("cat", samples=5)
        ask_all(plan, cache, llm)
        assert [n for _, n in llm.asked] == [5, 3, 1]
        assert find_missing(plan, cache).answers == 0


@pytest.mark.parametrize(("n", "sizes"), [(None, [1, 1, 1]), (2, [2, 1]), (10, [3])])
def test_answers_asked_for_at_once(tmp_path: Path, n: int | None, sizes: list[int]) -> None:
    llm = QueueLLM(["A cat is soft.", "A cat is small.", "A cat has fur."])
    with ResponseCache(tmp_path) as cache:
        ask_all(plan_of("cat", samples=3), cache, llm, n=n)
    assert [n for _, n in llm.asked] == sizes


def test_what_another_run_has_asked_is_not_asked_again(tmp_path: Path) -> None:
    plan = plan_of("cat", "dog")
    with ResponseCache(tmp_path) as cache:
        missing = find_missing(plan, cache)
        ask_all(plan_of("dog"), cache, QueueLLM(["A dog is big.", "A dog barks."]))
        llm = QueueLLM(["A cat is soft.", "A cat is small."])
        asyncio.run(ask(missing, cache, llm))
        assert [request.question for request, _ in llm.asked] == ["What does a cat look like?"]


def test_a_server_that_gives_more_answers_does_no_harm(tmp_path: Path) -> None:
    class Generous(Echo):
        async def complete(self, request: Request, n: int) -> list[Response]:
            return await super().complete(request, n + 3)

    bank = generate(["cat"], ONE, samples=2, cache=tmp_path, llm=Generous())
    assert len(bank.classes[0].texts) == 2


def test_concurrency_is_bounded_and_used(tmp_path: Path) -> None:
    llm = Echo()
    generate([f"thing {i}" for i in range(20)], TWO, cache=tmp_path, llm=llm, concurrency=4)
    assert llm.most_under_way == 4


def test_an_error_keeps_what_arrived(tmp_path: Path) -> None:
    llm = QueueLLM(["A cat is soft.", "A cat is small.", ServerError("no quota left")])
    with pytest.raises(ServerError, match=r"no quota left \(2 new answers are in the cache"):
        generate(["cat", "dog"], ONE, samples=2, cache=tmp_path, llm=llm, concurrency=1)
    assert llm.closed
    with ResponseCache(tmp_path) as cache:
        missing = find_missing(plan_of("cat", "dog"), cache)
    assert (missing.cached, missing.answers) == (2, 2)


@pytest.fixture
def _ctrl_c() -> Iterator[None]:
    """A run in the background may have been told to ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_ctrl_c")
def test_an_interrupt_keeps_what_arrived(tmp_path: Path) -> None:
    class Interrupted(Echo):
        async def complete(self, request: Request, n: int) -> list[Response]:
            if len(self.asked) == 3:
                os.kill(os.getpid(), signal.SIGINT)
                await asyncio.Event().wait()
            return await super().complete(request, n)

    names = [f"thing {i}" for i in range(9)]
    with pytest.raises(KeyboardInterrupt):
        generate(names, ONE, samples=1, cache=tmp_path, llm=Interrupted(), concurrency=1)
    with ResponseCache(tmp_path) as cache:
        assert find_missing(plan_of(*names, samples=1), cache).cached == 3


def test_classes_of_one_name_share_its_answers(tmp_path: Path) -> None:
    llm = Echo()
    labels = [ClassLabel("missile", "n1"), ClassLabel("missile", "n2")]
    bank = generate(labels, ONE, samples=2, cache=tmp_path, llm=llm)
    assert llm.asked == [("What does a missile look like?", 2)]
    assert bank.classes[0].texts == bank.classes[1].texts
    assert [entry.id for entry in bank] == ["n1", "n2"]


def test_what_is_dropped_is_counted_by_reason(tmp_path: Path) -> None:
    answers: Sequence[str | Response] = [
        "A cat is soft.",
        "A CAT  is soft",
        "",
        "I'm sorry, I cannot help.",
        "There is no definitive answer.",
        "See https://cats.org for more.",
        Response("A cat is a", "length"),
        "A cat has fur",
    ]
    plan = plan_of("cat", samples=len(answers))
    with ResponseCache(tmp_path) as cache:
        ask_all(plan, cache, QueueLLM(list(answers)))
        bank, report = collect(plan, cache, "x")
    assert bank.classes[0].texts == ["A cat is soft.", "A cat has fur."]
    assert report.kept == 2
    assert report.dropped == {
        "duplicate": 1,
        "empty": 1,
        "refusal": 1,
        "non-answer": 1,
        "URL or markup": 1,
        "cut off": 1,
    }


def test_duplicates_are_dropped_inside_a_class_only(tmp_path: Path) -> None:
    llm = QueueLLM(["It has legs."] * 4)
    bank = generate(["cat", "dog"], ONE, samples=2, cache=tmp_path, llm=llm)
    assert [entry.texts for entry in bank] == [["It has legs."], ["It has legs."]]


def test_a_class_without_a_usable_answer_is_named(tmp_path: Path) -> None:
    llm = QueueLLM(["A cat is soft.", "I'm sorry."])
    with pytest.raises(InputError, match=r"no usable answer for dog \(.*1 refusal\).*--samples 2"):
        generate(["cat", "dog"], ONE, samples=1, cache=tmp_path, llm=llm, concurrency=1)


def test_progress_counts_what_was_missing(tmp_path: Path) -> None:
    generate(["cat"], ONE, samples=2, cache=tmp_path, llm=Echo())
    seen: list[tuple[int, int]] = []
    generate(
        ["cat", "dog"], ONE, samples=3, cache=tmp_path, llm=Echo(), concurrency=1,
        progress=lambda done, total: seen.append((done, total)),
    )  # fmt: skip
    assert seen == [(1, 4), (4, 4)]


def test_a_run_inside_a_running_loop(tmp_path: Path) -> None:
    async def notebook() -> PromptBank:
        return generate(["cat"], ONE, samples=1, cache=tmp_path, llm=Echo())

    assert len(asyncio.run(notebook())) == 1


@pytest.mark.usefixtures("_ctrl_c")
def test_an_interrupt_inside_a_running_loop_stops_the_run(tmp_path: Path) -> None:
    """In a notebook the run has a thread of its own, which Ctrl-C does not reach by itself."""
    cancelled = threading.Event()

    class Hanging(Echo):
        async def complete(self, request: Request, n: int) -> list[Response]:
            os.kill(os.getpid(), signal.SIGINT)
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.set()
                raise
            return []

    async def notebook() -> None:
        # A notebook's loop leaves Ctrl-C to Python; asyncio.run takes it for itself.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        generate(["cat"], ONE, samples=1, cache=tmp_path, llm=Hanging())

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(notebook())
    assert cancelled.wait(30)


def test_run_passes_on_what_is_raised() -> None:
    async def fail() -> None:
        raise InputError("no")

    with pytest.raises(InputError):
        run(fail())


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


@pytest.mark.parametrize("settings", [{"concurrency": 0}, {"n": 0}, {"n": -1}])
def test_nothing_is_asked_with_settings_that_cannot_be(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    llm = Echo()
    with pytest.raises(InputError, match="at least 1"):
        generate(["cat"], ONE, cache=tmp_path, llm=llm, **settings)
    assert not llm.asked


def test_the_mini_model_has_its_own_settings() -> None:
    plan = make_plan(["cat"], model="mini")
    assert (plan.api, plan.endpoint, plan.sampling) == ("completions", ENDPOINT, SAMPLING)
    assert usual_sampling("gpt-4.1-mini") == Sampling()
    source = plan.source(["clean"])
    assert source.weights is not None
    assert "sha256" in source.weights


def test_over_real_http(tmp_path: Path) -> None:
    def reply(body: dict[str, Any]) -> tuple[int, Any]:
        name = body["messages"][-1]["content"].split()[-1].strip("?:")
        texts = [f"Seen from side {i}, it is a {name}." for i in range(body.get("n", 1))]
        return 200, chat_reply(*texts)

    questions = QuestionSet(name="q", questions=("Describe {}:", "What is {}?"))
    with serve(reply) as server:
        bank = generate(
            ["cat", "dog"], questions, samples=3, cache=tmp_path, base_url=server.url, model="m"
        )
        assert len(server.requests) == 4
        again = generate(
            ["cat", "dog"], questions, samples=3, cache=tmp_path, base_url=server.url, model="m"
        )
        assert len(server.requests) == 4
    assert bank.to_bytes() == again.to_bytes()
    assert [len(entry.texts) for entry in bank] == [3, 3]


_answers = st.lists(
    st.sampled_from(["A cat is soft.", "A cat purrs", "", "I'm sorry.", "A cat. Cats", "It is."]),
    min_size=4,
    max_size=4,
)


@given(answers=_answers, at_most=st.integers(1, 4), n=st.sampled_from([None, 1, 3, 10]))
def test_however_answers_come_the_bank_is_the_same(
    tmp_path_factory: pytest.TempPathFactory, answers: list[str], at_most: int, n: int | None
) -> None:
    plan = plan_of("cat", samples=4)
    results = []
    for llm, size in ((QueueLLM([*answers]), 10), (QueueLLM([*answers], at_most), n)):
        with ResponseCache(tmp_path_factory.mktemp("cache")) as cache:
            ask_all(plan, cache, llm, n=size)
            try:
                results.append(collect(plan, cache, "x")[0].to_bytes())
            except InputError as error:
                results.append(str(error).encode())
    assert results[0] == results[1]


def test_another_setting_asks_anew(tmp_path: Path) -> None:
    with ResponseCache(tmp_path) as cache:
        plan = plan_of("cat")
        ask_all(plan, cache, QueueLLM(["A cat is soft.", "A cat is small."]))
        assert find_missing(plan, cache).answers == 0
        assert find_missing(replace(plan, preamble="x"), cache).answers == 2
        assert find_missing(replace(plan, model="other"), cache).answers == 2
