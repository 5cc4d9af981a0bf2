"""Connections are made, given back and closed."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from cupl.errors import InputError
from cupl.llm.openai import OpenAIServer
from cupl.llm.protocol import Request, Response, RetryableError
from tests.fakes import chat_reply, serve
from tests.faults import Fault, fault_server
from tests.llm.one_request import (
    QUESTION,
    refused,
)


def test_a_cancelled_request_leaves_nothing_behind(key: str) -> None:
    async def cancel(url: str) -> None:
        server = OpenAIServer(url, api_key_env="OPENAI_API_KEY")
        request = Request(server.endpoint, "m", "chat", QUESTION)
        task = asyncio.create_task(server.complete(request, 1))
        while not fault.in_flight:
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await server.close()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    with fault_server([Fault("hang"), Fault("drip")]) as fault:
        for _ in range(2):
            asyncio.run(cancel(fault.url))
            deadline = time.monotonic() + 5
            while fault.in_flight and time.monotonic() < deadline:
                threading.Event().wait(0.001)
            assert fault.in_flight == 0


@pytest.mark.parametrize("kind", ["huge-chunked", "drip", "500", "truncated-json", "drop-midway"])
def test_connections_of_failed_requests_are_given_back(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cupl.llm.body_limit.MAX_BODY", 2**12)

    async def many(url: str) -> list[str]:
        server = OpenAIServer(url, timeout=0.1)
        request = Request(server.endpoint, "m", "chat", QUESTION)
        pool: Any = None
        for _ in range(3):
            with pytest.raises(RetryableError):
                await server.complete(request, 1)
            (client,) = server._clients.values()
            pool = client._client._transport._pool  # type: ignore[attr-defined]
        left = [repr(connection) for connection in pool.connections if not connection.is_idle()]
        await server.close()
        return left

    with fault_server([Fault(kind)] * 3) as fault:
        assert asyncio.run(many(fault.url)) == []


def test_a_host_that_is_none() -> None:
    error = refused("http://\N{SNOWMAN}.net/v1")
    assert isinstance(error, InputError)
    assert "can be set up; check it" in str(error)


def test_a_server_serves_several_event_loops() -> None:
    """Connections cannot move from one loop to another."""
    with serve(lambda body: (200, chat_reply("A cat."))) as fake:
        server = OpenAIServer(fake.url)
        request = Request(server.endpoint, "m", "chat", QUESTION)
        for _ in range(3):
            assert asyncio.run(server.complete(request, 1)) == [
                Response("A cat.", "stop", "served-model", 7, 9, 1)
            ]
            assert len(server._clients) == 1, "what belongs to a loop that is gone is let go"


def test_a_server_serves_threads_at_once() -> None:
    meeting = threading.Barrier(2, timeout=30)

    def reply(body: Any) -> Any:
        meeting.wait()  # both are under way
        return 200, chat_reply("A cat.")

    with serve(reply) as fake, ThreadPoolExecutor(2) as pool:
        server = OpenAIServer(fake.url)
        request = Request(server.endpoint, "m", "chat", QUESTION)

        async def ask() -> str:
            async with server:
                return (await server.complete(request, 1))[0].text

        results = [pool.submit(asyncio.run, ask()) for _ in range(2)]
        assert [result.result() for result in results] == ["A cat."] * 2
    assert not server._clients


def test_the_end_of_a_block_closes_what_was_opened_in_it() -> None:
    async def ask() -> None:
        async with OpenAIServer(fake.url) as server:
            await server.complete(Request(server.endpoint, "m", "chat", QUESTION), 1)
            (client,) = server._clients.values()
            assert not client.is_closed()
        assert client.is_closed()
        assert not server._clients

    with serve(lambda body: (200, chat_reply("A cat."))) as fake:
        asyncio.run(ask())
