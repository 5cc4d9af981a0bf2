"""A language model and an HTTP server that answer what a test tells them."""

import asyncio
import json
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import BaseRequestHandler
from typing import Any

from cupl.errors import ServerError
from cupl.llm.protocol import Request, Response


class QueueLLM:
    """Answers from a queue; remembers what it was asked. An exception in the queue is raised."""

    def __init__(self, answers: list[str | Response | Exception], at_most: int = 100) -> None:
        self.answers = deque(answers)
        self.at_most = at_most
        self.asked: list[tuple[Request, int]] = []
        self.closed = False

    async def complete(self, request: Request, n: int) -> list[Response]:
        self.asked.append((request, n))
        given = []
        for _ in range(min(n, self.at_most)):
            if not self.answers:
                raise ServerError("the queue is empty")
            answer = self.answers.popleft()
            if isinstance(answer, Exception):
                raise answer
            given.append(answer if isinstance(answer, Response) else Response(answer))
        return given

    async def close(self) -> None:
        self.closed = True


class Echo:
    """Answers each question with sentences of its own; counts."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []
        self.under_way = 0
        self.most_under_way = 0
        self.closed = False

    async def complete(self, request: Request, n: int) -> list[Response]:
        self.asked.append((request.question, n))
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        await asyncio.sleep(0)
        self.under_way -= 1
        return [Response(f"Answer {len(self.asked)} {i} is a thing to see.") for i in range(n)]

    async def close(self) -> None:
        self.closed = True


Reply = tuple[int, Any]
"""Status, and a body: JSON, or text as it is."""


@dataclass
class FakeServer:
    """What the server was sent, and where it is."""

    url: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)


@contextmanager
def listen(handler: type[BaseRequestHandler]) -> Iterator[str]:
    """The base URL of an HTTP server on loopback."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            pass  # a client that went away is what some tests are about

    server = Server(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def serve(reply: Callable[[dict[str, Any]], Reply]) -> Iterator[FakeServer]:
    """An HTTP server on loopback that answers each JSON body with ``reply(body)``."""
    seen = FakeServer()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            seen.requests.append(body)
            seen.paths.append(self.path)
            seen.headers.append(dict(self.headers))
            status, content = reply(body)
            data = (content if isinstance(content, str) else json.dumps(content)).encode()
            kind = "text/html" if isinstance(content, str) else "application/json"
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with listen(Handler) as seen.url:
        yield seen


def question_in(body: dict[str, Any]) -> str:
    """What a request asks, with or without pictures."""
    content = body["messages"][-1]["content"]
    if not isinstance(content, str):
        content = next(part["text"] for part in content if part["type"] == "text")
    return str(content)


def chat_reply(*texts: str, finish: str = "stop") -> dict[str, Any]:
    """The body of a chat completion."""
    return {
        "id": "x",
        "object": "chat.completion",
        "created": 1,
        "model": "served-model",
        "choices": [
            {
                "index": index,
                "finish_reason": finish,
                "message": {"role": "assistant", "content": text},
            }
            for index, text in enumerate(texts)
        ],
        "usage": {"prompt_tokens": 7, "completion_tokens": 9, "total_tokens": 16},
    }
