"""What the caller hands over stays the caller's; what generate opens it closes, once."""

import asyncio
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cupl.errors import BudgetError, CuplError, InputError, ServerError
from cupl.generation.pipeline import agenerate, generate
from cupl.llm.openai import OpenAIServer
from cupl.llm.protocol import Request, Response, Sampling
from tests.fakes import Echo, QueueLLM
from tests.faults import Fault, FaultServer, fault_server
from tests.generation.test_plan import ONE, TWO

Run = Callable[[Any], None]
ROUNDS = ["A cat is soft.", "I'm sorry.", "I'm sorry.", "I'm sorry.", "I'm sorry.", "A cat purrs."]
"""Answers after which a class of two samples is asked for more, and for more again."""


# A model of the caller's


def three_rounds(folder: Path) -> QueueLLM:
    llm = QueueLLM([*ROUNDS])
    generate(["cat"], ONE, samples=2, cache=folder, llm=llm, min_prompts=2)
    assert len(llm.asked) > 2
    return llm


def no_round(folder: Path) -> QueueLLM:
    generate(["cat"], ONE, samples=1, cache=folder, llm=Echo())
    llm = QueueLLM([])
    generate(["cat"], ONE, samples=1, cache=folder, llm=llm)
    return llm


def an_error(folder: Path) -> QueueLLM:
    llm = QueueLLM(["A cat is soft.", ServerError("no quota left")])
    with pytest.raises(ServerError):
        generate(["cat", "dog"], ONE, samples=1, cache=folder, llm=llm, concurrency=1)
    return llm


def a_limit(folder: Path) -> QueueLLM:
    llm = QueueLLM(["A cat is soft."] * 9)
    with pytest.raises(BudgetError):
        generate(["cat", "dog"], ONE, samples=1, cache=folder, llm=llm, max_requests=1)
    return llm


def nothing_kept(folder: Path) -> QueueLLM:
    llm = QueueLLM(["I'm sorry."] * 9)
    with pytest.raises(InputError):
        generate(["cat"], ONE, samples=1, cache=folder, llm=llm)
    return llm


@pytest.mark.parametrize("run", [three_rounds, no_round, an_error, a_limit, nothing_kept])
def test_a_model_of_the_callers_is_never_closed(
    tmp_path: Path, run: Callable[[Path], QueueLLM]
) -> None:
    assert not run(tmp_path).closed


def test_a_model_of_the_callers_need_have_nothing_to_close(tmp_path: Path) -> None:
    class Bare:
        """As small as a model can be, and false where it is asked for its truth."""

        async def complete(self, request: Request, n: int) -> list[Response]:
            return [Response(f"A cat is number {i}.") for i in range(n)]

        def __len__(self) -> int:
            return 0

    bank = generate(["cat"], ONE, samples=2, cache=tmp_path, llm=Bare())
    assert bank.classes[0].texts == ["A cat is number 0.", "A cat is number 1."]


def test_a_server_of_the_callers_serves_one_run_after_another(tmp_path: Path) -> None:
    """Each in an event loop of its own, and in the caller's."""
    with fault_server() as fake:
        server = OpenAIServer(fake.url)
        settings: dict[str, Any] = {"samples": 1, "base_url": fake.url, "llm": server}
        for run in range(2):
            generate(["cat"], ONE, cache=tmp_path / str(run), **settings)

        async def mine() -> None:
            async with server:
                await agenerate(["cat"], ONE, cache=tmp_path / "a", **settings)
                (client,) = (
                    client for loop, client in server._clients.items() if not loop.is_closed()
                )
                assert not client.is_closed()
                await agenerate(["cat"], ONE, cache=tmp_path / "b", **settings)
            assert client.is_closed()

        asyncio.run(mine())
        assert len(fake.received) == 4


# A server of ours


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """The clients that were made; each must be closed once at the end."""
    clients: list[Any] = []
    closed: list[Any] = []
    connect, close = OpenAIServer.connect, OpenAIServer.close

    def connect_and_note(self: OpenAIServer) -> Any:
        clients.append(connect(self))
        return clients[-1]

    async def close_and_note(self: OpenAIServer) -> None:
        closed.append(self)
        await close(self)

    monkeypatch.setattr(OpenAIServer, "connect", connect_and_note)
    monkeypatch.setattr(OpenAIServer, "close", close_and_note)
    yield clients
    assert all(client.is_closed() for client in clients)
    assert len(closed) == len(clients)


def sorry_then(answers: list[str]) -> Callable[[str, int], list[str]]:
    given = iter(answers)
    return lambda question, n: [next(given) for _ in range(n)]


def test_one_connection_serves_all_rounds(tmp_path: Path, opened: list[Any]) -> None:
    with fault_server(answer=sorry_then(ROUNDS)) as fake:
        generate(["cat"], ONE, samples=2, cache=tmp_path, base_url=fake.url, min_prompts=2)
        assert len(fake.received) > 2
    assert len(opened) == 1


def test_nothing_is_opened_where_nothing_is_asked(tmp_path: Path, opened: list[Any]) -> None:
    with fault_server() as fake:
        settings: dict[str, Any] = {"samples": 1, "cache": tmp_path, "base_url": fake.url}
        generate(["cat"], ONE, **settings)
        generate(["cat"], ONE, **settings)
        generate(["cat"], ONE, offline=True, **settings)
        with pytest.raises(InputError, match="missing from the cache"):
            generate(["dog"], ONE, offline=True, **settings)
    assert len(opened) == 1


@pytest.mark.parametrize(
    ("fault", "limits"), [(Fault("quota"), {}), (None, {"max_requests": 1}), (Fault("401"), {})]
)
def test_an_error_closes_what_was_opened(
    tmp_path: Path, opened: list[Any], fault: Fault | None, limits: dict[str, Any]
) -> None:
    with fault_server([None, fault]) as fake, pytest.raises(CuplError):
        generate(
            ["cat", "dog"], ONE, samples=1, cache=tmp_path, base_url=fake.url, concurrency=1,
            **limits,
        )  # fmt: skip
    assert len(opened) == 1


def test_a_cancellation_closes_what_was_opened(tmp_path: Path, opened: list[Any]) -> None:
    async def cancel(fake: FaultServer) -> None:
        task = asyncio.create_task(
            agenerate(["cat", "dog"], TWO, samples=1, cache=tmp_path, base_url=fake.url)
        )
        while not fake.in_flight:
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert opened[0].is_closed()

    with fault_server(lambda number, body: Fault("hang")) as fake:
        asyncio.run(cancel(fake))
    assert len(opened) == 1


# Everything else


def test_the_event_loop_of_the_thread_stays(tmp_path: Path) -> None:
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        generate(["cat"], ONE, samples=1, cache=tmp_path, llm=Echo())
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert asyncio.get_event_loop() is loop
        assert not loop.is_closed()
    finally:
        asyncio.set_event_loop(None)
        loop.close()


def test_what_is_given_is_not_changed(tmp_path: Path) -> None:
    names, stop = ["dog", "cat", "ant"], ("\n",)
    sampling = Sampling(stop=stop)
    before = ([*names], repr(sampling), repr(TWO))
    generate(names, TWO, samples=1, cache=tmp_path, llm=Echo(), sampling=sampling)
    assert (names, repr(sampling), repr(TWO)) == before
    bank = generate((name for name in names), TWO, samples=1, cache=tmp_path, llm=Echo())
    assert [entry.name for entry in bank] == names


class SaysText(Echo):
    """Gives texts where answers belong."""

    async def complete(self, request: Request, n: int) -> Any:
        return ["A cat is soft."] * n


class Waits(Echo):
    """Is not asynchronous."""

    def complete(self, request: Request, n: int) -> Any:
        return [Response("A cat is soft.")]


@pytest.mark.parametrize(
    ("llm", "expected"),
    [
        (SaysText(), r"must return a list of cupl\.Response, not list of str"),
        (Waits(), r"must be asynchronous: async def complete"),
    ],
)
def test_a_model_that_is_none_is_told_what_one_is(tmp_path: Path, llm: Any, expected: str) -> None:
    with pytest.raises(InputError, match=expected):
        generate(["cat"], ONE, samples=1, cache=tmp_path, llm=llm)
