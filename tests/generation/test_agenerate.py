"""The asynchronous way to a bank: the same as the other, and it can be cancelled."""

import asyncio
import inspect
import pydoc
import threading
from pathlib import Path
from typing import Any

import pytest

import cupl
from cupl.errors import InputError
from cupl.generation import pipeline
from cupl.generation.cache.store import ResponseCache
from cupl.generation.pipeline import agenerate, generate
from cupl.generation.plan import survey
from cupl.llm.protocol import Request, Response
from tests.fakes import Echo, QueueLLM
from tests.faults import Fault, fault_server
from tests.generation.test_plan import ONE, TWO, plan_of

NAMES = [f"thing {i}" for i in range(9)]


def test_it_makes_the_same_bank(tmp_path: Path) -> None:
    async def make() -> bytes:
        bank = await agenerate(NAMES, TWO, samples=2, cache=tmp_path / "a", llm=Echo())
        return bank.to_bytes()

    waited = generate(NAMES, TWO, samples=2, cache=tmp_path / "b", llm=Echo())
    assert asyncio.run(make()) == waited.to_bytes()


def test_both_are_on_the_surface_with_all_arguments_and_their_help() -> None:
    assert cupl.agenerate is agenerate
    assert inspect.iscoroutinefunction(cupl.agenerate)
    assert not inspect.iscoroutinefunction(cupl.generate)
    assert inspect.signature(cupl.generate) == inspect.signature(cupl.agenerate)
    for function in (cupl.generate, cupl.agenerate):
        shown = pydoc.plain(pydoc.render_doc(function))
        assert function.__name__ in shown
        for name in inspect.signature(function).parameters:
            assert f"{name}: " in shown.partition("Ask a language model")[0]
            assert f"        {name}: " in shown
    assert "async" not in pydoc.plain(pydoc.render_doc(cupl.generate)).splitlines()[2]


def test_errors_come_through(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="missing from the cache"):
        asyncio.run(agenerate(["cat"], ONE, cache=tmp_path, offline=True))


def test_other_tasks_go_on_meanwhile(tmp_path: Path) -> None:
    async def notebook() -> int:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0)

        ticking = asyncio.create_task(tick())
        await agenerate(NAMES, ONE, samples=1, cache=tmp_path, llm=Echo(), concurrency=1)
        ticking.cancel()
        return ticks

    assert asyncio.run(notebook()) >= len(NAMES)


@pytest.mark.parametrize("step", ["survey", "collect"])
def test_other_tasks_go_on_while_much_is_read(
    tmp_path: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: Any = getattr(pipeline, step)
    going_on = threading.Event()

    def read_when_the_loop_goes_on(*args: Any, **more: Any) -> Any:
        assert going_on.wait(30)
        return read(*args, **more)

    async def notebook() -> None:
        making = asyncio.create_task(
            agenerate(NAMES, ONE, samples=1, cache=tmp_path / "cache", llm=Echo())
        )
        for _ in range(100):
            await asyncio.sleep(0)
        going_on.set()
        assert len(await making) == len(NAMES)

    monkeypatch.setattr(pipeline, step, read_when_the_loop_goes_on)
    asyncio.run(notebook())
    left = {path.name for path in (tmp_path / "cache").iterdir()}
    assert left == {"cache.db", "cache.db.claims", "cache.db.questions"}, "no thread has it open"


class AnswersThenHangs(Echo):
    """Answers so many questions; remembers how many of the others were cancelled."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most
        self.waiting = asyncio.Event()
        self.hanging = 0
        self.cancelled = 0

    async def complete(self, request: Request, n: int) -> list[Response]:
        if len(self.asked) < self.most:
            return await super().complete(request, n)
        self.hanging += 1
        self.waiting.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return []


@pytest.mark.parametrize("concurrency", [1, 3])
def test_a_cancelled_run_keeps_what_arrived(tmp_path: Path, concurrency: int) -> None:
    async def cancel() -> None:
        llm = AnswersThenHangs(4)
        task = asyncio.create_task(
            agenerate(NAMES, ONE, samples=1, cache=tmp_path, llm=llm, concurrency=concurrency)
        )
        await llm.waiting.wait()
        for _ in range(20):  # the other workers come to wait as well
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert llm.cancelled == llm.hanging == concurrency
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(cancel())
    with ResponseCache(tmp_path) as cache:
        assert survey(plan_of(*NAMES, samples=1), cache).cached == 4
        for unit_name in NAMES:
            with cache.claim(unit_name) as mine:
                assert mine
    rest = Echo()
    generate(NAMES, ONE, samples=1, cache=tmp_path, llm=rest)
    assert len(rest.asked) == len(NAMES) - 4, "no claim was left behind"


def test_a_time_limit_is_a_cancellation(tmp_path: Path) -> None:
    async def limited() -> None:
        llm = AnswersThenHangs(2)
        limit = asyncio.timeout(None)

        async def expire() -> None:
            await llm.waiting.wait()
            limit.reschedule(asyncio.get_running_loop().time())

        expiring = asyncio.create_task(expire())
        with pytest.raises(TimeoutError):
            async with limit:
                await agenerate(NAMES, ONE, samples=1, cache=tmp_path, llm=llm, concurrency=1)
        await expiring

    asyncio.run(limited())
    with ResponseCache(tmp_path) as cache:
        assert survey(plan_of(*NAMES, samples=1), cache).cached == 2


def test_cancelling_hangs_up_on_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cupl.llm.first_alone._PATIENCE", 0.01)

    async def cancel(url: str) -> None:
        task = asyncio.create_task(agenerate(NAMES, ONE, samples=1, cache=tmp_path, base_url=url))
        while fake.in_flight < 8:
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        while fake.in_flight:
            await asyncio.sleep(0.001)

    with fault_server(lambda number, body: Fault("hang")) as fake:
        asyncio.run(asyncio.wait_for(cancel(fake.url), 30))


def test_two_at_once_in_one_loop_ask_each_question_once(tmp_path: Path) -> None:
    async def both() -> list[bytes]:
        runs = [agenerate(NAMES, TWO, samples=2, cache=tmp_path, llm=llm) for _ in range(2)]
        return [bank.to_bytes() for bank in await asyncio.gather(*runs)]

    llm = Echo()
    one, two = asyncio.run(both())
    assert one == two
    assert len(llm.asked) == len(NAMES) * 2


def test_what_a_run_says_of_an_error_keeps_the_way_out(tmp_path: Path) -> None:
    error = InputError("too long", arguments={"max_tokens": None})
    llm: Any = QueueLLM(["A cat is soft.", error])
    with pytest.raises(InputError, match=r"too long; 1 new answer is in the cache") as caught:
        generate(["cat", "dog"], ONE, samples=1, cache=tmp_path, llm=llm, concurrency=1)
    assert caught.value.arguments == {"max_tokens": None}
