"""An OpenAI-compatible server on loopback that fails by a script, over real HTTP."""

import asyncio
import hashlib
import json
import re
import socket
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any

HEALING = (
    "429",
    "500",
    "503",
    "html-502",
    "drop",
    "drop-midway",
    "html",
    "wrong-type",
    "truncated-json",
    "not-a-completion",
    "no-choices",
    "fewer",
    "more",
    "empty",
    "null",
    "content-filter",
    "length",
    "huge",
)
"""Faults that a client gets over by asking again; none of them takes time.

``fewer`` and ``more`` are about the number of answers; asked for a single one, ``fewer`` gives it.
"""
SLOW = ("hang", "drip", "huge-chunked")
"""Faults that last until the client leaves or the server stops."""
FATAL = ("401", "403", "404", "quota", "bad-parameter", "echo-key")
"""Faults that the next request would meet again."""
KINDS = (*HEALING, *SLOW, *FATAL, "echo-key-answer", "redirect-loop")
"""All faults. The last two are a good answer that repeats the key, and 307 to itself for ever."""

PACE = 0.002
"""Seconds between the bytes of ``drip`` and the chunks of ``huge-chunked``."""
HUGE = 10_000_000
"""Characters of the first text of ``huge``."""


@dataclass(frozen=True)
class Fault:
    """What a request meets in place of a good answer; ``retry_after`` goes out as it is."""

    kind: str
    retry_after: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"unknown kind of fault: {self.kind!r}")


Script = Sequence[Fault | None] | Callable[[int, dict[str, Any]], Fault | None]
"""The fault of each POST by its number from 0, or a function of that number and the body."""


# The lengths have no common divisor: each step changes every word, and the texts of a question
# repeat only after the product of all lengths (27,720).
_FRAMES = (
    "The {thing} shows a {shape} outline, {colour} all over, with {part}, seen {place}.",
    "Most often {place}, this {colour} {thing} can be told by {part} and its {shape} build.",
    "Look for {part}: every {thing} photographed {place} is {shape} and rather {colour}.",
    "With {part} and {colour} sides, one {shape} {thing} rests {place}.",
    "Here stands some {shape} and {colour} {thing} {place}, where {part} catch the eye.",
)
_COLOURS = (
    "pale grey",
    "glossy black",
    "rusty red",
    "cream",
    "olive green",
    "sky blue",
    "golden",
    "dark brown",
    "striped white",
)
_SHAPES = ("slender", "bulky", "rounded", "boxy", "tapering", "flattened", "lopsided")
_PARTS = (
    "two narrow bands",
    "deep grooves",
    "many fine hairs",
    "curved edges",
    "sharp corners",
    "tiny bright dots",
    "overlapping plates",
    "long thin handles",
    "folded layers",
    "wrinkled ends",
    "polished knobs",
)
_PLACES = (
    "beside a river",
    "on wet sand",
    "against old brickwork",
    "under tall trees",
    "at a crowded market",
    "near an open window",
    "in fresh snow",
    "upon a wooden table",
)

_LEAD = (
    r"(?i:(?:(?:describe|what|how|does|do|are|is|can|you|identify|identifying|characteristics"
    r"|an?|the|image|photo|caption|internet|from|of)\s+)*)"
)
_THING = re.compile(
    rf"^(?:{_LEAD}(?i:an?|the)\s+|{_LEAD})(.+?)(?i:\s+looks?(?:\s+like)?)?[\s?:.]*$"
)


def sentences(question: str, n: int) -> list[str]:
    """The good answers to a question: ``n`` different sentences that name what it is about.

    The first are the same for every ``n``. The thing is found in questions like those that come
    with the package; of any other, the sentence repeats more than the name.
    """
    line = (question.strip().splitlines() or ["thing"])[-1]
    found = _THING.match(line)
    thing = found[1] if found else line
    start = int.from_bytes(hashlib.sha256(question.encode("utf-8", "replace")).digest()[:8])

    def word(words: Sequence[str], index: int) -> str:
        return words[(start + index) % len(words)]

    return [
        word(_FRAMES, index).format(
            thing=thing,
            colour=word(_COLOURS, index),
            shape=word(_SHAPES, index),
            part=word(_PARTS, index),
            place=word(_PLACES, index),
        )
        for index in range(n)
    ]


@dataclass(frozen=True)
class _Post:
    target: str
    token: str
    body: dict[str, Any]

    @property
    def n(self) -> int:
        return int(self.body.get("n") or 1)

    @property
    def question(self) -> str:
        """The last message of a chat, or the whole prompt."""
        said = self.body["messages"][-1]["content"] if "messages" in self.body else None
        return str(self.body["prompt"] if said is None else said)


@dataclass(frozen=True)
class _Reply:
    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)

    def wire(self) -> bytes:
        headers = {
            "Content-Type": "application/json",
            "Content-Length": str(len(self.body)),
        } | self.headers
        lines = [f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return "\r\n".join([*lines, "", ""]).encode() + self.body


_Error = tuple[int, str, str | None, str | None]
_ERRORS: dict[str, _Error] = {  # status, message, code, param
    "429": (429, "Rate limit reached for requests", "rate_limit_exceeded", None),
    "500": (500, "The server had an error while processing your request", None, None),
    "503": (503, "The engine is currently overloaded", None, None),
    "401": (401, "Incorrect API key provided", "invalid_api_key", None),
    "403": (403, "You are not allowed to sample from this model", None, None),
    "404": (404, "The model does not exist", "model_not_found", None),
    "quota": (429, "You exceeded your current quota", "insufficient_quota", None),
    "bad-parameter": (
        400,
        "Unsupported value: 'temperature' does not support 0.99 with this model",
        "unsupported_value",
        "temperature",
    ),
    "echo-key": (401, "Incorrect API key provided: {token}.", "invalid_api_key", None),
}
_PAGE = b"<!DOCTYPE html><html><body><h1>Something went wrong</h1></body></html>"
_FIXED = {
    "html": _Reply(200, _PAGE, {"Content-Type": "text/html"}),
    "html-502": _Reply(502, _PAGE, {"Content-Type": "text/html"}),
    "wrong-type": _Reply(200, b"upstream is warming up", {"Content-Type": "text/plain"}),
    "not-a-completion": _Reply(200, b'{"hello": "world"}'),
    "no-choices": _Reply(200, b'{"choices": []}'),
    "drip": _Reply(200, b"", {"Content-Length": str(HUGE)}),
}
_BLANK = {"empty": "", "null": None, "content-filter": ""}


def _error(error: _Error, token: str) -> _Reply:
    status, message, code, param = error
    said = {
        "message": message.replace("{token}", token),
        "type": "error",
        "param": param,
        "code": code,
    }
    return _Reply(status, json.dumps({"error": said}).encode())


def _completion(post: _Post, texts: Sequence[str | None], finish: str = "stop") -> _Reply:
    """A chat or text completion, by the path that was asked."""
    chat = post.target.endswith("/chat/completions")
    asked = len(post.question.split())
    said = sum(text.count(" ") + 1 for text in texts if text)
    body = {
        "id": "cmpl-1",
        "object": "chat.completion" if chat else "text_completion",
        "created": 1_700_000_000,
        "model": post.body.get("model"),
        "choices": [
            {"index": index, "finish_reason": finish, "logprobs": None}
            | ({"message": {"role": "assistant", "content": text}} if chat else {"text": text})
            for index, text in enumerate(texts)
        ],
        "usage": {
            "prompt_tokens": asked,
            "completion_tokens": said,
            "total_tokens": asked + said,
        },
    }
    return _Reply(200, json.dumps(body).encode())


Answer = Callable[[str, int], list[str]]
"""The good answers to a question."""


def _reply(kind: str, post: _Post, answer: Answer) -> _Reply:
    """What the server says, or would say if the fault did not cut it."""
    if kind in _ERRORS:
        return _error(_ERRORS[kind], post.token)
    if kind in _FIXED:
        return _FIXED[kind]
    if kind in _BLANK:
        finish = "content_filter" if kind == "content-filter" else "stop"
        return _completion(post, [_BLANK[kind]] * post.n, finish)
    if kind == "redirect-loop":
        # The mark in the address keeps the loop from using up the script.
        return _Reply(307, b"", {"Location": f"{post.target.partition('?')[0]}?loop"})
    number = {"fewer": max(1, post.n // 2), "more": post.n + 2}.get(kind, post.n)
    texts = answer(post.question, number)
    match kind:
        case "length":
            return _completion(post, [text[: len(text) // 2] for text in texts], "length")
        case "huge":
            again = f"{texts[0]} " * (HUGE // len(texts[0]) + 1)
            return _completion(post, [again[:HUGE], *texts[1:]])
        case "echo-key-answer":
            return _completion(post, [f"{text} {post.token}" for text in texts])
        case "truncated-json":
            whole = _completion(post, texts).body
            return _Reply(200, whole[: len(whole) // 2])
    return _completion(post, texts)


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
                if post is None:
                    writer.write(_error(_ERRORS["404"], "").wire())
                    await writer.drain()
                    continue
                self.received.append(post.body)
                self.in_flight += 1
                self.most_in_flight = max(self.most_in_flight, self.in_flight)
                try:
                    keep = await self._meet(post, reader, writer)
                finally:
                    self.in_flight -= 1

    @staticmethod
    async def _read(reader: asyncio.StreamReader) -> _Post | None:
        """The next request, or None for one that asks for no completion."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.rstrip().split("\r\n")
        method, target, _ = first.split(" ")
        pairs = (line.partition(":") for line in lines)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        data = await reader.readexactly(int(headers.get("content-length", 0)))
        if method != "POST" or not target.partition("?")[0].endswith("/completions"):
            return None
        token = headers.get("authorization", "").removeprefix("Bearer ")
        return _Post(target, token, json.loads(data))

    def _fault(self, post: _Post) -> Fault | None:
        if post.target.endswith("?loop"):
            return Fault("redirect-loop")
        number = self._scripted
        self._scripted += 1
        if callable(self.script):
            return self.script(number, post.body)
        return self.script[number] if number < len(self.script) else None

    async def _meet(
        self, post: _Post, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
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
        reply = _reply(kind, post, self.answer)
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
        usable = {"": post.n, "fewer": max(1, post.n // 2), "more": post.n}.get(kind, 0)
        await self._write(reply.wire(), writer, post.question, usable)
        return True

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
    script: Script = (), *, delay: float = 0.0, answer: Answer = sentences
) -> Iterator[FaultServer]:
    """A server in a thread of its own; its end hangs up on whoever is still connected.

    Args:
        script: the fault of each POST, None for a good answer; what lies beyond is answered well.
            A function is called in the server's thread.
        delay: seconds before a good answer.
        answer: gives the texts of a reply to a question, ``n`` of them, in the server's thread.

    """
    listening = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
    server = FaultServer(url, script, delay, answer)
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
