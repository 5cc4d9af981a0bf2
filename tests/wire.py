"""Clients that look at what a server does on the wire."""

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx2

from tests.faults import (
    Fault,
    FaultServer,
    fault_server,
)

QUESTION = "Describe what an abacus looks like:"
KEY = "key-0123456789"


def chat(n: int = 3, question: str = QUESTION) -> dict[str, Any]:
    return {"model": "m-1", "n": n, "messages": [{"role": "user", "content": question}]}


def post(
    server: FaultServer, body: dict[str, Any] | None = None, path: str = "/chat/completions"
) -> httpx2.Response:
    """One POST on a connection of its own."""
    headers = {"Authorization": f"Bearer {KEY}"}
    with httpx2.Client(trust_env=False, timeout=5) as client:
        return client.post(server.url + path, json=body or chat(), headers=headers)


def meet(kind: str, n: int = 3) -> httpx2.Response:
    with fault_server([Fault(kind)]) as server:
        return post(server, chat(n))


def texts(response: httpx2.Response) -> list[str | None]:
    assert response.status_code == 200
    return [choice["message"]["content"] for choice in response.json()["choices"]]


@contextmanager
def raw(server: FaultServer, body: dict[str, Any] | None = None) -> Iterator[socket.socket]:
    """A socket on which a POST was sent."""
    data = json.dumps(body or chat()).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(data)}\r\n\r\n"
    port = urlsplit(server.url).port
    with closing(socket.create_connection(("127.0.0.1", port), timeout=5)) as connection:
        connection.sendall(head.encode() + data)
        yield connection


def read_all(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(65_536), b""))


def until(true: Callable[[], bool]) -> None:
    """Wait for what the server's thread does a moment later."""
    deadline = time.monotonic() + 5
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.001)
