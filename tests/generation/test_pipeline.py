import asyncio
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cupl.bank.labels import ClassLabel
from cupl.bank.model import PromptBank
from cupl.bank.templates import QuestionSet
from cupl.errors import BudgetError, InputError, ServerError
from cupl.generation.cache.store import ResponseCache
from cupl.generation.event_loop import run
from cupl.generation.pipeline import generate
from cupl.generation.plan import survey
from cupl.llm.protocol import Request, Response
from tests.fakes import Echo, QueueLLM, chat_reply, serve
from tests.faults import Fault, fault_server, sentences
from tests.generation.test_plan import ONE, TWO, plan_of


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
    assert not llm.closed, "whoever made it closes it"


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
    match = r"4 answers, to questions such as What does a cat look like\?; .* a dog"
    with pytest.raises(InputError, match=match):
        generate(["cat", "dog"], ONE, samples=3, cache=tmp_path, offline=True)


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
        assert survey(plan_of(*names, samples=1), cache).cached == 3


def test_duplicates_are_dropped_inside_a_class_only(tmp_path: Path) -> None:
    llm = QueueLLM(["It has legs."] * 4)
    bank = generate(["cat", "dog"], ONE, samples=2, cache=tmp_path, llm=llm)
    assert [entry.texts for entry in bank] == [["It has legs."], ["It has legs."]]


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


@pytest.mark.parametrize("settings", [{"concurrency": 0}, {"n": 0}, {"n": -1}])
def test_nothing_is_asked_with_settings_that_cannot_be(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    llm = Echo()
    with pytest.raises(InputError, match="at least 1"):
        generate(["cat"], ONE, cache=tmp_path, llm=llm, **settings)
    assert not llm.asked


def test_over_real_http(tmp_path: Path) -> None:
    def reply(body: dict[str, Any]) -> tuple[int, Any]:
        name = body["messages"][-1]["content"].split()[-1].strip("?:")
        return 200, chat_reply(*sentences(f"Describe a {name}:", body.get("n", 1)))

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


def test_classes_of_one_name_share_its_answers(tmp_path: Path) -> None:
    llm = Echo()
    labels = [ClassLabel("missile", "n1"), ClassLabel("missile", "n2")]
    bank = generate(labels, ONE, samples=2, cache=tmp_path, llm=llm)
    assert llm.asked == [("What does a missile look like?", 2)]
    assert bank.classes[0].texts == bank.classes[1].texts
    assert [entry.id for entry in bank] == ["n1", "n2"]


def test_a_class_that_keeps_too_few_is_asked_for_more(tmp_path: Path) -> None:
    cats, dogs = ["A cat is soft.", "A cat is small."], ["I'm sorry.", "A dog is big."]
    llm = QueueLLM([*cats, *dogs, "I'm sorry.", "A dog barks."])
    settings: dict[str, Any] = {"samples": 2, "cache": tmp_path / "c", "min_prompts": 2}
    bank = generate(["cat", "dog"], ONE, llm=llm, concurrency=1, **settings)
    assert bank.classes[0].texts == cats
    assert bank.classes[1].texts == ["A dog is big.", "A dog barks."]
    assert [(request.question.split()[3], n) for request, n in llm.asked] == [
        ("cat", 2), ("dog", 2), ("dog", 1), ("dog", 1),
    ]  # fmt: skip
    again = generate(["cat", "dog"], ONE, offline=True, **settings)
    assert again.to_bytes() == bank.to_bytes()


def test_a_class_that_stays_short_has_what_it_has(tmp_path: Path) -> None:
    llm = QueueLLM(["A cat is soft.", *["I'm sorry."] * 5])
    bank = generate(["cat"], ONE, samples=2, cache=tmp_path, llm=llm, min_prompts=2)
    assert bank.classes[0].texts == ["A cat is soft."]
    assert not llm.answers


def test_what_failed_of_more_samples_is_asked_again_too(tmp_path: Path) -> None:
    """Once each, however many rounds there are."""
    settings: dict[str, Any] = {"samples": 2, "cache": tmp_path, "min_prompts": 2}
    first = QueueLLM(["A cat is soft.", "I'm sorry.", *[""] * 12])
    generate(["cat"], ONE, llm=first, **settings)
    assert not first.answers
    again = QueueLLM(["", "", "", "A cat is small."])
    bank = generate(["cat"], ONE, llm=again, retry_failed=True, **settings)
    assert bank.classes[0].texts == ["A cat is soft.", "A cat is small."]
    assert not again.answers
    assert generate(["cat"], ONE, offline=True, **settings).to_bytes() == bank.to_bytes()


def test_asking_again_for_many_hard_questions_ends_with_a_bank(tmp_path: Path) -> None:
    """The model is known to answer: it is no reason to stop that these stay without."""
    names = [f"thing {i}" for i in range(30)]

    class Refuses(Echo):
        async def complete(self, request: Request, n: int) -> list[Response]:
            answers = await super().complete(request, n)
            refused = request.question.startswith("Describe")
            return [Response("", "content_filter")] * n if refused else answers

    bank = generate(names, TWO, samples=1, cache=tmp_path, llm=Refuses())
    again = generate(names, TWO, samples=1, cache=tmp_path, llm=Refuses(), retry_failed=True)
    assert again.to_bytes() == bank.to_bytes()


def test_offline_a_short_class_is_no_reason_to_fail(tmp_path: Path) -> None:
    llm = QueueLLM(["A cat is soft.", "I'm sorry."])
    bank = generate(["cat"], ONE, samples=2, cache=tmp_path, llm=llm)
    again = generate(["cat"], ONE, samples=2, cache=tmp_path, offline=True, min_prompts=2)
    assert again.classes == bank.classes


def test_answers_of_no_use_do_not_stand_in_the_way_offline(tmp_path: Path) -> None:
    llm = QueueLLM(["A cat is soft.", "", "", ""])
    bank = generate(["cat"], ONE, samples=2, cache=tmp_path, llm=llm)
    again = generate(["cat"], ONE, samples=2, cache=tmp_path, offline=True)
    assert again.to_bytes() == bank.to_bytes()


def test_a_limit_is_kept_and_the_same_call_continues(tmp_path: Path) -> None:
    names = [f"thing {i}" for i in range(6)]
    with fault_server() as server:
        settings: dict[str, Any] = {"samples": 1, "cache": tmp_path, "base_url": server.url}
        with pytest.raises(BudgetError, match=r"stopped at \d requests; 4 new answers"):
            generate(names, ONE, max_requests=4, **settings)
        assert len(server.received) == 4
        assert len(generate(names, ONE, max_requests=4, **settings)) == 6
        assert len(server.received) == 6


def test_a_limit_on_tokens_needs_one_on_each_answer(tmp_path: Path) -> None:
    from cupl.llm.protocol import Sampling

    with fault_server() as server, pytest.raises(InputError, match="set max_tokens"):
        generate(
            ["cat"], ONE, sampling=Sampling(max_tokens=None), max_tokens_total=1000,
            cache=tmp_path, base_url=server.url,
        )  # fmt: skip
    assert not server.received


def test_an_answer_that_repeats_the_key_is_stored_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-123")
    with fault_server([Fault("echo-key-answer")]) as server:
        bank = generate(
            ["cat"], ONE, samples=1, cache=tmp_path, base_url=server.url,
            api_key_env="OPENAI_API_KEY",
        )  # fmt: skip
    assert "secret" not in bank.classes[0].texts[0]
    files = [file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()]
    assert not any(b"secret" in content for content in files)
    assert any(b"***" in content for content in files)
    assert b"secret" not in bank.to_bytes()


_answers = st.lists(
    st.sampled_from(["A cat is soft.", "A cat purrs", "I'm sorry.", "A cat. Cats", "It is."]),
    min_size=4,
    max_size=4,
)


@given(answers=_answers, at_most=st.integers(1, 4), n=st.sampled_from([None, 1, 3, 10]))
def test_however_answers_come_the_bank_is_the_same(
    tmp_path_factory: pytest.TempPathFactory, answers: list[str], at_most: int, n: int | None
) -> None:
    results = []
    for llm, size in ((QueueLLM([*answers]), 10), (QueueLLM([*answers], at_most), n)):
        folder = tmp_path_factory.mktemp("cache")
        try:
            bank = generate(["cat"], ONE, samples=4, cache=folder, llm=llm, n=size, concurrency=1)
            results.append(bank.to_bytes())
        except (InputError, ServerError) as error:
            results.append(str(error).encode())
    assert results[0] == results[1]
