"""An OpenAI-compatible server on loopback that fails by a script, over real HTTP."""

import asyncio
import json
import socket
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

from tests.fault_replies import (
    ERRORS,
    FATAL,
    HEALING,
    HUGE,
    KINDS,
    SLOW,
    Answer,
    Fault,
    Post,
    Reply,
    error_reply,
    models_reply,
    reply_to,
)
from tests.quirks import QUIRKS, Quirks
from tests.sentences import sentences

__all__ = [
    "FATAL", "HEALING", "HUGE", "KINDS", "SLOW", "Fault", "FaultServer", "fault_server",
    "sentences",
]  # fmt: skip

PACE = 0.002
"""Seconds between the bytes of ``drip`` and the chunks of ``huge-chunked``."""

Script = Sequence[Fault | None] | Callable[[int, dict[str, Any]], Fault | None]
"""The fault of each POST by its number from 0, or a function of that number and the body."""


async def _left(reader: asyncio.StreamReader, within: float | None) -> bool:
    """Wait so many seconds, or less where the client leaves; it sends nothing while it waits."""
    try:
        async with asyncio.timeout(within):
            await reader.read(1)
    except TimeoutError:
        return False
    return True


async def _drip(data: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A head and then blanks without end, byte by byte."""
    position = 0
    while not await _left(reader, PACE):
        writer.write(data[position : position + 1] or b" ")
        await writer.drain()
        position += 1


async def _flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """The beginning of a completion, and its first text without end."""
    writer.write(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    data = b'{"choices": [{"index": 0, "message": {"role": "assistant", "content": "'
    while not await _left(reader, PACE):
        data = data.ljust(65_536, b"a")
        writer.write(b"%x\r\n%b\r\n" % (len(data), data))
        await writer.drain()
        data = b""


@dataclass
class FaultServer:
    """What the server was asked and has answered, as it sees it."""

    url: str
    script: Script
    delay: float
    answer: Answer
    quirks: Quirks | None = None
    received: list[dict[str, Any]] = field(default_factory=list)
    """The JSON bodies in their order of arrival."""
    served: Counter[str] = field(default_factory=Counter)
    """Good answers by question: written whole to a client that was there, at most the ``n`` that
    it asked for. Those of ``fewer`` and ``more`` count, those of other faults do not."""
    in_flight: int = 0
    most_in_flight: int = 0
    _scripted: int = 0

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection until either side ends it."""
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            keep = True
            while keep:
                post = await self._read(reader)
                if isinstance(post, Reply):
                    writer.write(post.wire())
                    await writer.drain()
                    continue
                self.received.append(post.body)
                self.in_flight += 1
                self.most_in_flight = max(self.most_in_flight, self.in_flight)
                try:
                    keep = await self._meet(post, reader, writer)
                finally:
                    self.in_flight -= 1

    async def _read(self, reader: asyncio.StreamReader) -> Post | Reply:
        """The next request, or the answer to one that asks for no completion."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.rstrip().split("\r\n")
        method, target, _ = first.split(" ")
        pairs = (line.partition(":") for line in lines)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        data = await reader.readexactly(int(headers.get("content-length", 0)))
        if self.quirks and (reply := self.quirks.turn_down(method, target, headers)):
            if method == "POST":
                self.received.append(json.loads(data))
            return reply
        if method != "POST" or not target.partition("?")[0].endswith("/completions"):
            return models_reply() if target == "/v1/models" else error_reply(ERRORS["404"], "")
        token = headers.get("authorization", "").removeprefix("Bearer ")
        return Post(target, token, json.loads(data))

    def _fault(self, post: Post) -> Fault | None:
        if post.target.endswith("?loop"):
            return Fault("redirect-loop")
        number = self._scripted
        self._scripted += 1
        if callable(self.script):
            return self.script(number, post.body)
        return self.script[number] if number < len(self.script) else None

    async def _meet(
        self, post: Post, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Do what the script says; return whether the connection lives on."""
        fault = self._fault(post)
        kind = fault.kind if fault else ""
        if not kind and self.delay and await _left(reader, self.delay):
            return False
        match kind:
            case "drop":
                return False
            case "hang":
                await _left(reader, None)
                return False
            case "huge-chunked":
                await _flood(reader, writer)
                return False
        reply = self._reply(kind, post)
        if fault and fault.retry_after is not None:
            reply = replace(reply, headers=reply.headers | {"Retry-After": fault.retry_after})
        if kind == "drip":
            await _drip(reply.wire(), reader, writer)
            return False
        if kind == "drop-midway":
            writer.write(reply.wire()[: -len(reply.body) // 2])
            await writer.drain()
            return False
        if reader.at_eof():
            return False
        whole = self.quirks.answers_to(post) if self.quirks else post.n
        usable = {"": whole, "fewer": max(1, post.n // 2), "more": post.n}.get(kind, 0)
        await self._write(reply.wire(), writer, post.question, usable)
        return True

    def _reply(self, kind: str, post: Post) -> Reply:
        if self.quirks and not kind:
            good = reply_to("", post, self.answer)
            return self.quirks.refuse(post) or self.quirks.dress(good, post)
        if self.quirks and kind == "429":
            return self.quirks.limited
        reply = reply_to(kind, post, self.answer)
        return self.quirks.fail(reply) if self.quirks and kind == "failed-choice" else reply

    async def _write(
        self, data: bytes, writer: asyncio.StreamWriter, question: str, usable: int
    ) -> None:
        # Counted first: a client with the whole answer in hand may look at once.
        self.served[question] += usable
        try:
            writer.write(data)
            await writer.drain()
        except BaseException:
            self.served[question] -= usable
            raise


async def _serve(
    listening: socket.socket,
    converse: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]],
    started: "Future[tuple[asyncio.AbstractEventLoop, asyncio.Task[None]]]",
) -> None:
    """Serve until cancelled; an error in a conversation ends the server and is raised."""
    main: asyncio.Task[None] | None = asyncio.current_task()
    assert main is not None
    loop = asyncio.get_running_loop()
    started.set_result((loop, main))
    async with asyncio.TaskGroup() as group:

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            # Drained then means handed over whole, so that nothing is lost when we hang up.
            writer.transport.set_write_buffer_limits(0)
            if main.cancelling():
                writer.transport.abort()
                return
            task = group.create_task(converse(reader, writer))
            task.add_done_callback(lambda _: writer.transport.abort())

        server = await asyncio.start_server(connected, sock=listening, backlog=1024)
        try:
            await asyncio.Event().wait()
        finally:
            # A connection just accepted needs the server once more: accept none, then close.
            with suppress(NotImplementedError):  # Windows
                loop.remove_reader(listening)
            await asyncio.sleep(0)
            server.close()


@contextmanager
def fault_server(
    script: Script = (),
    *,
    delay: float = 0.0,
    answer: Answer = sentences,
    quirks: str | None = None,
) -> Iterator[FaultServer]:
    """A server in a thread of its own; its end hangs up on whoever is still connected.

    Args:
        script: the fault of each POST, None for a good answer; what lies beyond is answered well.
            A function is called in the server's thread.
        delay: seconds before a good answer.
        answer: gives the texts of a reply to a question, ``n`` of them, in the server's thread.
        quirks: the name of a server that is imitated, one of tests/quirks.py; with it "429" is its
            own way to say so.

    """
    listening = socket.create_server(("127.0.0.1", 0))
    own = QUIRKS[quirks] if quirks else None
    url = f"http://127.0.0.1:{listening.getsockname()[1]}{own.bases[0] if own else '/v1'}"
    server = FaultServer(url, script, delay, answer, own)
    started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Task[None]]] = Future()
    with listening, ThreadPoolExecutor(1, "fault-server") as pool:
        ended = pool.submit(asyncio.run, _serve(listening, server.converse, started))
        loop, main = started.result()
        try:
            yield server
        finally:
            with suppress(RuntimeError):  # the loop is closed where an error ended the server
                loop.call_soon_threadsafe(main.cancel)
            with suppress(asyncio.CancelledError):
                ended.result()
