"""One request goes first, and all learn what it was told."""

import asyncio
from typing import Any

import pytest

from cupl.errors import ServerError
from cupl.llm.first_alone import FirstAlone, UnaskedError
from cupl.llm.protocol import AdaptedError, RetryableError


class Line:
    """Requests that wait for their turn; the first of them is answered when a test says so."""

    def __init__(self) -> None:
        self.turns = FirstAlone()
        self.asked = 0
        self.answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def ask(self) -> str:
        async with self.turns.turn():
            self.asked += 1
            if self.asked == 1:
                await self.answer
            return "answer"

    async def many(self, answer: Exception | None, number: int = 5) -> list[Any]:
        tasks = [asyncio.create_task(self.ask()) for _ in range(number)]
        await asyncio.sleep(0.01)
        assert self.asked == 1
        if answer:
            self.answer.set_exception(answer)
        else:
            self.answer.set_result(None)
        return await asyncio.gather(*tasks, return_exceptions=True)


def test_after_an_answer_all_go() -> None:
    async def run() -> None:
        line = Line()
        assert await line.many(None) == ["answer"] * 5
        assert line.asked == 5
        assert await line.ask() == "answer"

    asyncio.run(run())


def test_a_no_is_for_all_who_wait_and_for_nobody_later() -> None:
    async def run() -> None:
        line = Line()
        no = ServerError("no such model", arguments={"model": ...})
        first, *others = await line.many(no)
        assert first is no
        assert [type(other) for other in others] == [UnaskedError] * 4
        assert {str(other) for other in others} == {"no such model"}
        assert {str(other.arguments) for other in others} == {"{'model': Ellipsis}"}
        assert line.asked == 1
        assert await line.ask() == "answer"

    asyncio.run(run())


@pytest.mark.parametrize("error", [RetryableError("busy"), ValueError("a bug")])
def test_what_may_pass_is_for_one(error: Exception) -> None:
    async def run() -> None:
        line = Line()
        assert await line.many(error) == [error] + ["answer"] * 4

    asyncio.run(run())


def test_another_form_is_tried_by_one() -> None:
    """A server may turn that down too, and would be asked as often as there are requests."""

    async def run() -> None:
        turns, asked = FirstAlone(), 0

        async def ask() -> None:
            nonlocal asked
            async with turns.turn():
                asked += 1
                await asyncio.sleep(0.01)
                raise AdaptedError("streams only", new=True) if asked == 1 else ServerError("no")

        async def again() -> None:
            try:
                await ask()
            except AdaptedError:
                await ask()

        said = await asyncio.gather(*(again() for _ in range(5)), return_exceptions=True)
        assert {str(error) for error in said} == {"no"}
        assert asked == 2

    asyncio.run(run())


def test_who_is_cancelled_lets_the_others_go() -> None:
    async def run() -> None:
        line = Line()
        first, second = (asyncio.create_task(line.ask()) for _ in range(2))
        await asyncio.sleep(0.01)
        first.cancel()
        assert await second == "answer"

    asyncio.run(run())


def test_a_slow_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cupl.llm.first_alone._PATIENCE", 0.001)

    async def run() -> None:
        line = Line()
        first, second = (asyncio.create_task(line.ask()) for _ in range(2))
        assert await second == "answer"
        assert not first.done()
        line.answer.set_result(None)
        assert await first == "answer"

    asyncio.run(run())
