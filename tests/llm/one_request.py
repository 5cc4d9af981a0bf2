"""One request to a server on loopback, and what is right for every error of it."""

import asyncio
import base64
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from cupl.errors import CuplError
from cupl.llm.openai import OpenAIServer
from cupl.llm.protocol import Request, Response
from tests.fakes import listen
from tests.faults import Fault, fault_server

KEY = "sk-test-0123456789abcdef"
PASSWORD = "pass/w0rd"
QUESTION = "What is a cat?"


async def once(server: OpenAIServer, n: int, **changes: Any) -> list[Response]:
    """One try, after which nothing may be left on the loop."""
    request = Request(
        server.endpoint, **{"model": "m", "api": "chat", "question": QUESTION} | changes
    )
    try:
        return await server.complete(request, n)
    finally:
        await server.close()
        await asyncio.sleep(0)  # for generators of the HTTP library that end by themselves
        assert asyncio.all_tasks() == {asyncio.current_task()}


def run_requests(
    url: str, n: int = 1, timeout: float = 30.0, api_key_env: str | None = None, **changes: Any
) -> list[Response]:
    return asyncio.run(once(OpenAIServer(url, timeout, api_key_env=api_key_env), n, **changes))


def with_key(url: str, **changes: Any) -> list[Response]:
    return run_requests(url, api_key_env="OPENAI_API_KEY", **changes)


def refused(url: str, **changes: Any) -> CuplError:
    """The error of one try: a short line without secrets, which its traceback has neither."""
    with pytest.raises(CuplError) as caught:
        run_requests(url, **changes)
    error = caught.value
    trace = "".join(traceback.format_exception(error)) + repr(error)
    for secret in (KEY, PASSWORD, "pass%2F", base64.b64encode(f"me:{PASSWORD}".encode()).decode()):
        assert secret not in trace
    assert str(error).isprintable()
    assert len(str(error)) < 500
    return error


def met(kind: str, **changes: Any) -> tuple[CuplError, str]:
    """The error for a fault, and its message with ``URL`` in place of the server."""
    with fault_server([Fault(kind)]) as server:
        error = refused(server.url, api_key_env="OPENAI_API_KEY", **changes)
        return error, str(error).replace(server.url, "URL")


@contextmanager
def replying(body: bytes, status: int = 200, **headers: str) -> Iterator[str]:
    """The base URL of a server that answers with these bytes."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response_only(status)
            sent = {"Content-Type": "application/json", "Content-Length": str(len(body))}
            for name, value in (sent | headers).items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with listen(Handler) as url:
        yield url
