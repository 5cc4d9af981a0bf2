"""What the environment says of connections: proxies and certificates, for both clients."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from cupl.errors import CuplError, InputError, ServerError
from cupl.generation.batch.api import BatchServer
from cupl.llm.address import ServerAddress
from cupl.llm.openai import OpenAIServer
from cupl.llm.protocol import RetryableError
from cupl.llm.proxies import proxy_of
from tests.fakes import chat_reply, listen, serve
from tests.llm.one_request import once, run_requests

PLAIN, ENCRYPTED = "http://gateway.example/v1", "https://gateway.example/v1"
PAGE = b"<html><head><title>Blocked by policy</title></head></html>"


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@contextmanager
def proxy_that_says(status: int, body: bytes = PAGE) -> Iterator[tuple[str, list[str]]]:
    """Where a proxy is, with user and password, and what it was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            asked.append(f"{self.command} {self.path}")
            self.rfile.read(int(self.headers["Content-Length"] or 0))
            self.send_response(status)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            self.close_connection = True

        do_POST = do_GET = do_CONNECT = _answer

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with listen(Handler) as url:
        yield url.removesuffix("/v1").replace("//", "//me:pass%2Fw0rd@"), asked


def chat_error(url: str) -> CuplError:
    with pytest.raises(CuplError) as caught:
        run_requests(url)
    return caught.value


def batch_error(url: str) -> CuplError:
    with pytest.raises(CuplError) as caught:
        BatchServer(url).batches()
    return caught.value


def quiet(error: CuplError) -> str:
    """What it says, which has nothing of a password."""
    said = str(error)
    assert said.isprintable()
    assert not [secret for secret in ("w0rd", "pass%2F", "me:") if secret in said]
    return said


both = pytest.mark.parametrize("error_of", [chat_error, batch_error])


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_no_proxy_is_asked_for_this_machine(
    host: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with proxy_that_says(403) as (proxy, asked), serve(lambda _: (200, chat_reply("A."))) as here:
        monkeypatch.setenv(name, proxy)
        assert run_requests(here.url.replace("127.0.0.1", host))[0].text == "A."
        assert asked == []


@pytest.mark.parametrize(
    "url",
    ["http://[::1]:1/v1", "http://0.0.0.0:1/v1", "https://localhost/v1", "http://a.localhost"],
)
@pytest.mark.parametrize("value", ["http://127.0.0.1:9", "odd://x", "http://x:99999"])
def test_what_no_proxy_can_reach(url: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", value)
    assert proxy_of(ServerAddress.parse(url)) is None


@both
@pytest.mark.parametrize("status", [403, 407])
@pytest.mark.parametrize("url", [PLAIN, ENCRYPTED])
def test_a_proxy_that_says_no_is_named(
    url: str, status: int, error_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "HTTP_PROXY" if url is PLAIN else "HTTPS_PROXY"
    with proxy_that_says(status) as (proxy, asked):
        monkeypatch.setenv(name, proxy)
        error = error_of(url)
    assert type(error) is ServerError
    shown = proxy.replace("me:pass%2Fw0rd@", "")
    assert quiet(error).startswith(f"the proxy in {name} ({shown}) answered in place of {url} (")
    assert str(status) in str(error)
    assert "add gateway.example to NO_PROXY" in str(error)
    assert len(asked) == 1


@both
@pytest.mark.parametrize("url", [PLAIN, ENCRYPTED])
@pytest.mark.parametrize("status", [502, 503])
def test_a_proxy_that_cannot_now_is_named_and_asked_again(
    status: int, url: str, error_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with proxy_that_says(status) as (proxy, _):
        monkeypatch.setenv("ALL_PROXY", proxy)
        error = error_of(url)
    assert isinstance(error, RetryableError)
    assert "the proxy in ALL_PROXY (" in quiet(error)


def test_an_error_of_the_server_is_not_called_the_proxys(monkeypatch: pytest.MonkeyPatch) -> None:
    with serve(lambda _: (403, {"error": {"message": "no"}})) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url.removesuffix("/v1"))
        assert "proxy" not in quiet(chat_error(PLAIN))


@both
def test_a_proxy_that_is_not_there(error_of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with proxy_that_says(403) as (gone, _):
        pass
    monkeypatch.setenv("HTTP_PROXY", gone)
    assert quiet(error_of(PLAIN)).startswith("cannot reach the proxy in HTTP_PROXY (http://127.")


@both
@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("ftp://me:w0rd@127.0.0.1:1", "starts with http://"),
        ("odd://me:w0rd@127.0.0.1:1", "starts with http://"),
        ("http://me:w0rd@127.0.0.1:99999", "a port from 1 to 65535"),
        ("http://me:w0rd@127.0.0.1:x", "a port from 1 to 65535"),
        ("http://", "looks like http://proxy.example:3128"),
        ("socks5://me:w0rd@127.0.0.1:1", "pip install socksio"),
        ("socks5h://me:w0rd@127.0.0.1:1", "pip install socksio"),
    ],
)
def test_a_proxy_that_cannot_be_used(
    value: str, why: str, error_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setenv("ALL_PROXY", value)
    error = error_of(ENCRYPTED)
    assert isinstance(error, InputError)
    assert quiet(error).startswith("ALL_PROXY names ")
    assert why in str(error)


@pytest.mark.parametrize(
    "left_out", ["*", "gateway.example", "example", ".example", "a, gateway.example"]
)
def test_what_needs_no_proxy(left_out: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    address = ServerAddress.parse(ENCRYPTED)
    assert str(proxy_of(address)) == "the proxy in HTTPS_PROXY (http://127.0.0.1:9)"
    monkeypatch.setenv("NO_PROXY", left_out)
    assert proxy_of(address) is None


@pytest.mark.parametrize(
    ("host", "out"), [("10.1.2.3", True), ("[fd00::1]", True), ("11.1.2.3", False)]
)
def test_networks_that_need_no_proxy(host: str, out: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "example.org, 10.0.0.0/8,fd00::/8,x/y")
    assert (proxy_of(ServerAddress.parse(f"http://{host}/v1")) is None) == out


@both
def test_certificates_that_are_not_there(error_of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/ca.pem")
    error = error_of("https://127.0.0.1:9/v1")
    assert isinstance(error, InputError)
    assert str(error) == (
        "SSL_CERT_FILE names certificates that cannot be read (No such file or directory); "
        "mend it, or unset it"
    )


def test_plain_http_needs_no_certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/ca.pem")
    with serve(lambda _: (200, chat_reply("A."))) as here:
        assert run_requests(here.url)[0].text == "A."


def test_https_asked_of_a_server_that_has_none() -> None:
    with serve(lambda _: (200, chat_reply("A."))) as here:
        server = OpenAIServer(here.url.replace("http://", "https://"))
        with pytest.raises(
            ServerError, match="does not speak https; the right base URL is http://"
        ):
            asyncio.run(once(server, 1))
