"""A server whose answer is any bytes, and clients that ask it."""

import asyncio
import gzip
import json
import socket
import threading
from collections.abc import Callable
from contextlib import suppress

from cupl.generation.batch.api import BatchServer
from cupl.llm.openai import OpenAIServer
from tests.fakes import chat_reply
from tests.llm.one_request import once

_TIMEOUT = 2.0


class RawServer:
    """Gives every request the same bytes, and hangs up."""

    def __init__(self) -> None:
        self._listening: socket.socket | None = None
        self._data = b""

    def meet(self, data: bytes, client: Callable[[str], object]) -> object:
        """What a client makes of these bytes."""
        if self._listening is None:
            self._listening = socket.create_server(("127.0.0.1", 0), backlog=100)
            threading.Thread(target=self._serve, daemon=True).start()
        self._data = data
        return client(f"http://127.0.0.1:{self._listening.getsockname()[1]}/v1")

    def _serve(self) -> None:
        assert self._listening is not None
        while True:
            connection, _ = self._listening.accept()
            with connection, suppress(OSError):
                head = b""
                while b"\r\n\r\n" not in head:
                    head += connection.recv(2**16) or b"\r\n\r\n"
                connection.sendall(self._data)
                connection.shutdown(socket.SHUT_WR)
                connection.settimeout(1)
                while connection.recv(2**16):
                    pass


CHAT = RawServer()


def ask(url: str) -> object:
    """One question to a language model."""
    return asyncio.run(once(OpenAIServer(url, _TIMEOUT), 2))


def list_batches(url: str) -> object:
    """What batches there are."""
    return BatchServer(url, timeout=_TIMEOUT).batches()


def _wire(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", *headers,
             "Connection: close", "", ""]  # fmt: skip
    return "\r\n".join(lines).encode() + body


def _sized(data: object, **more: str) -> bytes:
    body = json.dumps(data).encode()
    return _wire(body, f"Content-Length: {len(body)}", **more)


def _packed(data: object) -> bytes:
    body = gzip.compress(json.dumps(data).encode(), mtime=0)
    return _wire(body, f"Content-Length: {len(body)}", "Content-Encoding: gzip")


def _chunked(data: object) -> bytes:
    body = json.dumps(data).encode()
    parts = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:20], body[20:], b""))
    return _wire(parts, "Transfer-Encoding: chunked")


_ANSWER = chat_reply("A cat is small.", "A cat has fur.")
_EVENT = {"id": "x", "object": "chat.completion.chunk", "choices": [
    {"index": 0, "delta": {"content": "A cat"}, "finish_reason": "stop"}]}  # fmt: skip
REPLIES: list[tuple[str, bytes | str]] = [
    ("chat", _sized(_ANSWER)),
    ("chat", _packed(_ANSWER)),
    ("chat", _chunked(_ANSWER)),
    ("chat", _sized({"error": {"message": "slow down", "code": 7}}, status="429 Too Many")),
    ("chat", _sized({"error": {"message": "bad n", "param": "n"}}, status="400 Bad Request")),
    ("chat", _wire(f"data: {json.dumps(_EVENT)}\n\ndata: [DONE]\n\n".encode())),
]
_BATCH = {
    "id": "batch_1", "object": "batch", "status": "completed", "created_at": 1_700_000_000,
    "endpoint": "/v1/chat/completions", "input_file_id": "file-1", "output_file_id": "file-2",
    "request_counts": {"total": 2, "completed": 1, "failed": 1}, "completion_window": "24h",
    "metadata": {"cupl_sha256": "ab" * 32, "cupl_file": "r.jsonl"},
    "errors": {"data": [{"message": "no", "line": 1}]},
}  # fmt: skip
_LIST = {"object": "list", "data": [_BATCH], "has_more": False}
LISTS: list[tuple[str, bytes | str]] = [
    ("list", _sized(_LIST)),
    ("list", _packed(_LIST)),
    ("list", _chunked(_LIST)),
]
