"""Base URLs at which there is no API: said at once, with the one that would be right."""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from cupl.errors import ServerError
from cupl.llm.address import ServerAddress
from cupl.llm.first_alone import UnaskedError
from cupl.llm.openai import OpenAIServer
from cupl.llm.protocol import Request, Response, RetryableError
from cupl.llm.wrong_address import WrongAddressError
from tests.fakes import chat_reply, listen
from tests.llm.one_request import KEY, QUESTION, refused, run_requests

MODELS = {"object": "list", "data": [{"id": "m"}]}
PAGE = "<!doctype html><html><head><title>Open &amp; WebUI</title></head></html>"
Nowhere = Callable[[str, str], tuple[int, Any]]


@dataclass
class Site:
    """What is at which path of a server."""

    root: str = ""
    asked: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)


@contextmanager
def site(nowhere: Nowhere, api: str = "/v1", **more: str) -> Iterator[Site]:
    """An API at a path, and something else everywhere besides."""
    seen = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer((200, MODELS) if self.path.startswith(f"{api}/models") else None)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            here = self.path.partition("?")[0] == f"{api}/chat/completions"
            self._answer((200, chat_reply("A cat.")) if here else None)

        def _answer(self, known: tuple[int, Any] | None) -> None:
            seen.asked.append(f"{self.command} {self.path}")
            seen.headers.append({name.lower(): value for name, value in self.headers.items()})
            status, body = known or nowhere(self.command, self.path)
            data = (body if isinstance(body, str) else json.dumps(body)).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            for name, value in more.items() if not known else ():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with listen(Handler) as url:
        seen.root = url.removesuffix("/v1")
        yield seen


NOWHERE: dict[str, Nowhere] = {
    "lmstudio": lambda verb, path: (
        200, {"error": f"Unexpected endpoint or method. ({verb} {path})"}
    ),
    "ollama": lambda *_: (404, "404 page not found"),
    "vllm": lambda *_: (404, {"detail": "Not Found"}),
    "fastapi": lambda *_: (405, {"detail": "Method Not Allowed"}),
    "llamacpp": lambda *_: (
        404, {"error": {"code": 404, "message": "File Not Found", "type": "not_found_error"}}
    ),
    "express": lambda verb, path: (404, f"<html><body><pre>Cannot {verb} {path}</pre></html>"),
    "webui": lambda *_: (200, PAGE),
    "python": lambda *_: (501, "<html><title>Error response</title></html>"),
    "nothing": lambda *_: (404, ""),
    "health": lambda *_: (200, {"status": "ok"}),
    "ollama's own": lambda *_: (200, {"message": {"role": "assistant", "content": "A cat."}}),
    "empty": lambda *_: (200, " \n"),
    "no content": lambda *_: (204, ""),
    "portal": lambda *_: (511, "<html><title>Network login</title></html>"),
}  # fmt: skip


@pytest.mark.parametrize("kind", NOWHERE)
@pytest.mark.parametrize("path", ["", "/v1/v1", "/api", "/v1/chat"])
def test_the_url_that_answers_is_named(kind: str, path: str) -> None:
    with site(NOWHERE[kind]) as server:
        error = refused(server.root + path)
    assert isinstance(error, WrongAddressError)
    assert str(error).endswith(f"; the right base URL is {server.root}/v1")
    assert error.arguments == {"base_url": f"{server.root}/v1"}
    assert sum(line.startswith("POST") for line in server.asked) == 1


def test_a_page_is_called_by_its_title() -> None:
    with site(NOWHERE["webui"]) as server:
        said = str(refused(server.root))
    assert said.startswith(f"{server.root} answers with a web page (Open & WebUI); the right")


@pytest.mark.parametrize("kind", NOWHERE)
def test_where_nothing_answers_it_is_a_guess(kind: str) -> None:
    with site(NOWHERE[kind], api="/elsewhere") as server:
        error = refused(server.root)
        assert str(error).endswith(f"; try the base URL {server.root}/v1")
        other = refused(f"{server.root}/v1")
        assert str(other).endswith(f"; is {server.root}/v1 the right base URL?")
    assert not isinstance(error, RetryableError)
    assert not isinstance(other, RetryableError)
    assert len(server.asked) < 10


def test_a_list_behind_a_key_is_an_api_too() -> None:
    def nowhere(verb: str, path: str) -> tuple[int, Any]:
        known = path == "/v1/models"
        return (401, {"error": {"message": "no key"}}) if known else (404, "404 page not found")

    with site(nowhere, api="/none") as server:
        assert f"the right base URL is {server.root}/v1" in str(refused(server.root))


def test_a_page_where_there_is_an_api_may_pass() -> None:
    with site(NOWHERE["webui"]) as server:
        error = refused(f"{server.root}/v1", api="completions")
    assert isinstance(error, RetryableError)
    assert str(error) == f"{server.root}/v1 answers with a web page (Open & WebUI)"


def test_an_empty_answer_where_there_is_an_api_may_pass() -> None:
    with site(NOWHERE["empty"]) as server:
        error = refused(f"{server.root}/v1", api="completions")
    assert isinstance(error, RetryableError)
    assert str(error) == f"{server.root}/v1 answered 200 without a body"


def test_what_an_api_lacks_is_not_blamed_on_its_address() -> None:
    with site(NOWHERE["vllm"]) as server:
        error = refused(f"{server.root}/v1", api="completions")
    assert str(error) == f"{server.root}/v1 has no 'm' for the API completions (Not Found)"


@pytest.mark.parametrize(
    ("url", "right"),
    [
        ("https://openrouter.ai/v1", "https://openrouter.ai/api/v1"),
        ("https://api.groq.com", "https://api.groq.com/openai/v1"),
        ("https://generativelanguage.googleapis.com/v1beta",
         "https://generativelanguage.googleapis.com/v1beta/openai"),
        ("https://dashscope-intl.aliyuncs.com/api/v1",
         "https://dashscope-intl.aliyuncs.com/compatible-mode/v1"),
        ("https://me.openai.azure.com", "https://me.openai.azure.com/openai/v1"),
        ("https://me.openai.azure.com/openai/deployments/d",
         "https://me.openai.azure.com/openai/v1"),
        ("https://example.org/prefix", "https://example.org/prefix/v1"),
        ("https://example.org/v1/v1", "https://example.org/v1"),
        ("https://example.org/api/v1/chat", "https://example.org/api/v1"),
        ("https://api.openai.com", "https://api.openai.com/v1"),
        ("https://example.org//v1", "https://example.org/v1"),
    ],
)  # fmt: skip
def test_where_an_api_usually_is(url: str, right: str) -> None:
    error = WrongAddressError("no", ServerAddress.parse(url))
    assert str(error) == f"no; try the base URL {right}"
    assert error.arguments == {"base_url": right}


def test_a_hint_has_no_password_and_keeps_the_version() -> None:
    secret = WrongAddressError("no", ServerAddress.parse("http://me:pw@host"))
    assert secret.arguments == {"base_url": ...}
    assert "pw" not in str(secret)
    azure = WrongAddressError("no", ServerAddress.parse("http://host?api-version=1"))
    assert azure.arguments == {"base_url": "http://host/v1?api-version=1"}


@pytest.mark.parametrize(
    "said",
    [
        "Client sent an HTTP request to an HTTPS server.",
        "<html><head><title>400 The plain HTTP request was sent to HTTPS port</title></html>",
    ],
)
def test_a_server_that_speaks_only_https(said: str) -> None:
    with site(lambda *_: (400, said), api="/none") as server:
        error = refused(f"{server.root}/v1")
    right = server.root.replace("http://", "https://")
    assert str(error) == f"{server.root}/v1 speaks only https; the right base URL is {right}/v1"


# Redirects


@pytest.mark.parametrize("status", [301, 302, 303])
@pytest.mark.parametrize(
    ("location", "end"),
    [
        ("https://other.example/v1/chat/completions",
         "; the right base URL is https://other.example/v1"),
        ("/api/v1/chat/completions/", "; the right base URL is ROOT/api/v1"),
        ("https://login.example/?to=secret", ", a page and no API; try the base URL ROOT/x/v1"),
        ("/login", ", a page and no API; try the base URL ROOT/x/v1"),
    ],
)  # fmt: skip
def test_no_redirect_makes_a_page_of_a_question(status: int, location: str, end: str) -> None:
    with site(lambda *_: (status, "moved"), api="/none", Location=location) as server:
        error = refused(f"{server.root}/x")
    assert isinstance(error, WrongAddressError)
    assert "secret" not in str(error)
    assert str(error).replace(server.root, "ROOT").endswith(end)
    assert f"POST {'/x/chat/completions'}" in server.asked
    assert f"GET {location}" not in server.asked


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize("location", ["http://host:99999/v1", "http://host:0/", "ftp://host/"])
def test_a_redirect_to_nowhere(status: int, location: str) -> None:
    with site(lambda *_: (status, ""), api="/none", Location=location) as server:
        error = refused(f"{server.root}/v1")
    assert "redirects to what is no address" in str(error)
    assert not isinstance(error, RetryableError)


def test_who_looks_for_the_url_follows_no_redirect() -> None:
    with site(lambda *_: (200, PAGE)) as other:
        location = f"{other.root}/v1/models"

        def nowhere(verb: str, path: str) -> tuple[int, Any]:
            return (307, "") if verb == "GET" else (404, "")

        with site(nowhere, api="/none", Location=location) as server:
            refused(server.root)
    assert other.asked == []


# Azure


def test_a_version_is_sent_with_every_request_and_the_key_as_azure_wants_it(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with site(NOWHERE["vllm"], api="/openai/deployments/d") as server:
        base = f"{server.root}/openai/deployments/d?api-version=2024-10-21"
        for _ in range(2):
            assert run_requests(base, api_key_env="OPENAI_API_KEY") == [
                Response("A cat.", "stop", "served-model", 7, 9, 1)
            ]
        monkeypatch.setenv("TOKEN", "eyJhbGciOiJ.eyJ.sig")
        run_requests(base, api_key_env="TOKEN")
    path = "POST /openai/deployments/d/chat/completions?api-version=2024-10-21"
    assert server.asked == [path] * 3
    sent = [(one.get("api-key"), one.get("authorization")) for one in server.headers]
    assert sent == [(KEY, None)] * 2 + [(None, "Bearer eyJhbGciOiJ.eyJ.sig")]


def test_azures_key_goes_to_no_other_host(key: str) -> None:
    with site(NOWHERE["vllm"]) as other:
        location = f"{other.root}/v1/chat/completions"
        with site(lambda *_: (307, ""), api="/none", Location=location) as server:
            run_requests(f"{server.root}/v1?api-version=1", api_key_env="OPENAI_API_KEY")
    assert server.headers[0]["api-key"] == KEY
    assert KEY not in str(other.headers)


def test_a_version_changes_no_name_of_an_answer() -> None:
    plain, azure = (OpenAIServer(f"http://host/v1{end}") for end in ("", "?api-version=1"))
    assert plain.endpoint == azure.endpoint


# One for all


@pytest.mark.parametrize("kind", ["lmstudio", "ollama", "webui"])
def test_what_one_request_learns_is_not_asked_by_many(kind: str) -> None:
    async def many(url: str) -> list[Any]:
        async with OpenAIServer(url) as server:
            request = Request(server.endpoint, "m", "chat", QUESTION)
            tasks = [server.complete(request, 1) for _ in range(8)]
            return await asyncio.gather(*tasks, return_exceptions=True)

    with site(NOWHERE[kind]) as server:
        errors = asyncio.run(many(server.root))
        assert {type(error) for error in errors} == {WrongAddressError, UnaskedError}
        assert len({str(error) for error in errors}) == 1
        assert sum(line.startswith("POST") for line in server.asked) == 1
        answers = asyncio.run(many(f"{server.root}/v1"))
        assert [answer[0].text for answer in answers] == ["A cat."] * 8


def test_a_server_that_was_wrong_is_asked_again_later() -> None:
    states = [(404, {"error": {"message": "model 'm' not found, try pulling it first"}})]

    def nowhere(*_: str) -> tuple[int, Any]:
        return states.pop() if states else (200, chat_reply("A cat."))

    async def twice(url: str) -> str:
        async with OpenAIServer(url) as server:
            request = Request(server.endpoint, "m", "chat", QUESTION)
            with pytest.raises(ServerError, match="has no 'm' for the API chat .*pulling it first"):
                await server.complete(request, 1)
            return (await server.complete(request, 1))[0].text

    with site(nowhere, api="/none") as server:
        assert asyncio.run(twice(f"{server.root}/v1")) == "A cat."
