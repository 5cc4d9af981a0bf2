import asyncio
import base64
import gzip
import json
import logging
import re
import threading
import time
import traceback
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from cupl.errors import CuplError, InputError, ServerError
from cupl.llm.openai import DEFAULT_URL, OpenAIServer, endpoint_of
from cupl.llm.protocol import MAX_ANSWER, Request, Response, RetryableError, Sampling
from tests.fakes import chat_reply, listen, serve
from tests.faults import FATAL, HEALING, KINDS, SLOW, Fault, fault_server, sentences

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


def run_requests(url: str, n: int = 1, timeout: float = 30.0, **changes: Any) -> list[Response]:
    return asyncio.run(once(OpenAIServer(url, timeout), n, **changes))


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
        error = refused(server.url, **changes)
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


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    return KEY


def test_answers_come_with_all_the_server_said() -> None:
    with serve(lambda body: (200, chat_reply("A cat.", "Cats purr.", finish="length"))) as server:
        answers = run_requests(server.url, n=2, preamble="Be plain.")
    assert answers[0] == Response("A cat.", "length", "served-model", 7, 9, 1)
    assert answers[1].text == "Cats purr."
    assert server.paths == ["/v1/chat/completions"]
    assert server.requests[0]["n"] == 2
    assert server.requests[0]["messages"][0] == {"role": "system", "content": "Be plain."}


def test_completions_are_asked_at_their_own_path() -> None:
    reply = {"choices": [{"text": " A cat.", "finish_reason": "stop"}]}
    with serve(lambda body: (200, reply)) as server:
        sampling = Sampling(None, None, None, (".",))
        answers = run_requests(server.url, api="completions", sampling=sampling)
    assert answers == [Response(" A cat.")]
    assert server.paths == ["/v1/completions"]
    assert server.requests == [{"model": "m", "prompt": "What is a cat?", "stop": ["."]}]


def test_one_try_is_one_request(key: str) -> None:
    with fault_server([Fault("503")] * 3) as server:
        refused(server.url)
        assert len(server.received) == 1


# Every fault there is


def test_every_fault_has_its_test() -> None:
    assert {*ANSWERED, *UNANSWERED, *SAID_NO, *GOOD, *SLOW, "429"} == set(KINDS)
    assert {*ANSWERED, *UNANSWERED, *GOOD, "429"} >= set(HEALING)
    assert set(SAID_NO) >= set(FATAL)


GOOD = ("fewer", "more", "empty", "null", "content-filter", "length", "huge", "echo-key-answer")


@pytest.mark.parametrize("kind", GOOD)
def test_an_answer_that_is_one(kind: str, key: str) -> None:
    with fault_server([Fault(kind)]) as server:
        answers = run_requests(server.url, n=4)
    good = sentences(QUESTION, 6)
    texts = {
        "fewer": good[:2],
        "more": good,
        "empty": [""] * 4,
        "null": [""] * 4,
        "content-filter": [""] * 4,
        "length": [text[: len(text) // 2] for text in good[:4]],
        "huge": [(good[0] + " ") * MAX_ANSWER, *good[1:4]],
        "echo-key-answer": [f"{text} ***" for text in good[:4]],
    }
    assert [answer.text for answer in answers] == [text[: MAX_ANSWER + 1] for text in texts[kind]]
    finish = {"length": "length", "content-filter": "content_filter"}.get(kind, "stop")
    assert {answer.finish_reason for answer in answers} == {finish}


ANSWERED = {
    "500": "URL answered 500: The server had an error while processing your request",
    "503": "URL answered 503: The engine is currently overloaded",
    "html-502": "URL answered 502: Bad Gateway",
}


@pytest.mark.parametrize("kind", ANSWERED)
def test_a_fault_that_the_server_tells(kind: str, key: str) -> None:
    error, message = met(kind)
    assert isinstance(error, RetryableError)
    assert message == ANSWERED[kind]
    assert (error.answered, error.limited, error.unreachable) == (True, False, False)
    assert error.after is None


_NO_COMPLETION = "URL did not answer with a completion; is it the right URL?"
UNANSWERED = {
    "drop": "URL closed the connection without an answer",
    "drop-midway": "URL broke off in the middle of an answer",
    "html": _NO_COMPLETION,
    "wrong-type": _NO_COMPLETION,
    "truncated-json": _NO_COMPLETION,
    "not-a-completion": _NO_COMPLETION,
    "no-choices": _NO_COMPLETION,
}


@pytest.mark.parametrize("kind", UNANSWERED)
def test_a_fault_after_which_the_server_may_charge(kind: str, key: str) -> None:
    error, message = met(kind)
    assert isinstance(error, RetryableError)
    assert message == UNANSWERED[kind]
    assert (error.answered, error.limited, error.unreachable) == (False, False, False)


@pytest.mark.parametrize("kind", SLOW)
def test_the_timeout_is_for_all_of_a_request(kind: str, key: str) -> None:
    with fault_server([Fault(kind)]) as server:
        began = time.monotonic()
        error = refused(server.url, timeout=0.1)
        assert time.monotonic() - began < 5
    assert isinstance(error, RetryableError)
    assert "did not answer within 0.1 s" in str(error)
    assert (error.answered, error.unreachable) == (False, False)


def test_a_limited_rate(key: str) -> None:
    with fault_server([Fault("429", "7.5")]) as server:
        error = refused(server.url)
    assert isinstance(error, RetryableError)
    assert error.limited
    assert error.answered
    assert error.after == 7.5
    assert "try a lower concurrency (Rate limit reached for requests)" in str(error)


SAID_NO = {
    "401": "URL rejected the key in OPENAI_API_KEY",
    "echo-key": "URL rejected the key in OPENAI_API_KEY",
    "403": "URL does not let this key use 'm' for the API chat "
    "(You are not allowed to sample from this model)",
    "404": "URL has no 'm' for the API chat, or the URL is not whole (does it end in /v1?)",
    "quota": "the account at URL has no quota left (You exceeded your current quota)",
    "bad-parameter": "URL answered 400: Unsupported value: 'temperature' does not support 0.99 "
    "with this model; temperature=None omits it",
    "redirect-loop": "URL redirects without end; is the URL right?",
}


@pytest.mark.parametrize("kind", SAID_NO)
def test_what_stays_as_it_is(kind: str, key: str) -> None:
    error, message = met(kind)
    assert type(error) is ServerError
    assert message == SAID_NO[kind]


def test_an_unreachable_server_is_named() -> None:
    with serve(lambda body: (200, {})) as server:
        url = server.url
    error = refused(url)
    assert isinstance(error, RetryableError)
    assert error.unreachable
    assert not error.answered
    assert str(error).startswith(f"cannot reach {url} (")


# Bodies that no good server sends


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"choices"',
        b'{"choices": 3}',
        b'{"choices": [{}]}',
        b'{"choices": {"a": 1}}',
        b'{"choices": [{"text": "\xff\xfe"}]}',
        b'{"choices": [{"text": "a"}], "created": 1' + b"0" * 5000 + b"}",
        b"[" * 100_000,
        b'{"choices": ' * 100_000,
        b'data: {"choices": [{"delta": {"content": "a"}}]}\n\n',
    ],
)
def test_a_body_that_is_no_completion(body: bytes) -> None:
    with replying(body) as url:
        error = refused(url)
    assert isinstance(error, RetryableError)
    assert "is it the right URL?" in str(error)


def test_numbers_that_are_none_are_left_out() -> None:
    body = (
        b'{"choices": [{"text": "a", "index": NaN}], "created": Infinity, "usage": {"x": -1e999}}'
    )
    with replying(body) as url:
        assert run_requests(url) == [Response("a")]


def test_a_text_of_half_a_pair_can_be_stored() -> None:
    with serve(lambda body: (200, chat_reply("half \ud83d pair"))) as server:
        assert run_requests(server.url)[0].text == "half ? pair"


@pytest.mark.parametrize("coding", ["gzip", "gzip, gzip"])
def test_a_packed_answer_is_read_though_none_was_asked_for(coding: str) -> None:
    body = json.dumps(chat_reply("A cat.")).encode()
    for _ in coding.split(","):
        body = gzip.compress(body)
    with replying(body, Content_Encoding=coding) as url:
        assert run_requests(url)[0].text == "A cat."


@pytest.mark.parametrize("status", [200, 302, 400, 500])
def test_what_unpacks_to_too_much_is_not_read(status: int) -> None:
    with replying(gzip.compress(b" " * 2**26), status, Content_Encoding="gzip") as url:
        tracemalloc.start()
        try:
            error = refused(url)
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert isinstance(error, RetryableError)
    assert "more than 16 MiB" in str(error)
    assert most < 2**26


def test_an_answer_without_end_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cupl.llm.openai.MAX_BODY", 2**18)
    monkeypatch.setattr("tests.faults.PACE", 0)
    error, message = met("huge-chunked")
    assert isinstance(error, RetryableError)
    assert "sent an answer of more than" in message


def test_what_cannot_be_unpacked(key: str) -> None:
    with replying(b"no gzip", Content_Encoding="gzip") as url:
        assert isinstance(refused(url), RetryableError)


def test_a_header_chooses_no_codec() -> None:
    # "zlib" would have Python unpack the body, and fail.
    with replying(b"no", 500, Content_Type="text/plain; charset=zlib") as url:
        assert str(refused(url)) == f"{url} answered 500: no"


def test_an_error_with_the_status_of_a_success() -> None:
    errors: list[Any] = [
        {"code": 429, "message": "slow down"},
        {"code": 402, "message": "no credits"},
        {"code": 503, "message": "asleep"},
        {"message": "upstream broke"},
        "upstream broke",
        {"code": "content_filter", "message": "no"},
    ]
    with serve(lambda body: (200, {"error": errors.pop(0)})) as server:
        limited = refused(server.url)
        assert isinstance(limited, RetryableError)
        assert limited.limited
        assert type(refused(server.url)) is ServerError
        assert str(refused(server.url)) == f"{server.url} answered 503: asleep"
        for _ in range(2):
            error = refused(server.url)
            assert isinstance(error, RetryableError)
            assert str(error) == f"{server.url} answered 500: upstream broke"
        assert run_requests(server.url) == [Response("", "content_filter")]


def test_an_error_beside_answers_is_none() -> None:
    with serve(lambda body: (200, chat_reply("A cat.") | {"error": None})) as server:
        assert run_requests(server.url)[0].text == "A cat."


def test_a_question_that_a_filter_turns_down_is_an_answer_of_no_use() -> None:
    error = {
        "message": "The response was filtered",
        "type": None,
        "param": "prompt",
        "code": "content_filter",
        "status": 400,
        "innererror": {"code": "ResponsibleAIPolicyViolation"},
    }
    with serve(lambda body: (400, {"error": error})) as server:
        assert run_requests(server.url, n=3) == [Response("", "content_filter")] * 3


def test_a_request_that_is_no_text(key: str) -> None:
    with serve(lambda body: (200, chat_reply("A cat."))) as server:
        assert isinstance(refused(server.url, question="caf\udce9"), InputError)
    assert server.requests == []


# Connections


def test_a_cancelled_request_leaves_nothing_behind(key: str) -> None:
    async def cancel(url: str) -> None:
        server = OpenAIServer(url)
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
    monkeypatch.setattr("cupl.llm.openai.MAX_BODY", 2**12)

    async def many(url: str) -> list[str]:
        server = OpenAIServer(url, timeout=0.1)
        request = Request(server.endpoint, "m", "chat", QUESTION)
        pool: Any = None
        for _ in range(3):
            with pytest.raises(RetryableError):
                await server.complete(request, 1)
            assert server._client is not None
            pool = server._client._client._transport._pool  # type: ignore[attr-defined]
        left = [repr(connection) for connection in pool.connections if not connection.is_idle()]
        await server.close()
        return left

    with fault_server([Fault(kind)] * 3) as fault:
        assert asyncio.run(many(fault.url)) == []


# The key, and user and password


def test_the_key_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test\r\n")  # as a file of settings may leave it
    with serve(lambda body: (200, chat_reply("A cat."))) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", f" {server.url}\n")
        assert run_requests("")[0].text == "A cat."
    headers = {name.lower(): value for name, value in server.headers[0].items()}
    assert headers["authorization"] == "Bearer sk-test"


def test_user_and_password_are_sent_and_not_shown(
    key: str, caplog: pytest.LogCaptureFixture
) -> None:
    header = "Basic " + base64.b64encode(f"m@e:{PASSWORD}".encode()).decode()
    said = f"{PASSWORD} pass%2Fw0rd pass\\/w0rd {header} m@e {KEY}"
    with serve(lambda body: (status, chat_reply(said) if status == 200 else said)) as server:
        url = server.url.replace("//", "//m%40e:pass%2Fw0rd@")
        assert OpenAIServer(url).endpoint == server.url
        caplog.set_level(logging.DEBUG)
        for status in (200, 400, 401, 403, 429, 500):
            if status == 200:
                # "m@e" is too short to be told from words of an answer.
                assert run_requests(url)[0].text.replace("m@e", "") == "*** *** *** Basic ***  ***"
            else:
                error = str(refused(url))
                assert not {"w0rd", "m@e", header[6:]} & set(re.split(r"[^\w@=]+", error))
                assert server.url in error
    for sent in server.headers:
        assert {name.lower(): value for name, value in sent.items()}["authorization"] == header
    assert "w0rd" not in caplog.text.replace(said, "")


def test_a_rejected_password_is_not_called_a_key(key: str) -> None:
    with serve(lambda body: (401, {})) as server:
        error = refused(server.url.replace("//", "//me:pass%2Fw0rd@"))
    assert str(error) == f"{server.url} rejected the user and password in the base URL"


def test_the_key_is_in_nothing_that_is_stored(key: str) -> None:
    reply = chat_reply(f"Cats like {KEY[:16]}\n{KEY[16:]} most.") | {"model": f"m {KEY}"}
    reply["choices"][0]["finish_reason"] = KEY
    with serve(lambda body: (200, reply)) as server:
        (answer,) = run_requests(server.url)
    assert answer.text == "Cats like *** most."
    assert answer.model == "m ***"
    assert answer.finish_reason == "***"


@pytest.mark.parametrize("key", ["x", "none", "EMPTY", "ollama", "sk-no-key-required", "anything"])
def test_a_key_that_is_none_blanks_out_no_answer(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    said = "No key is required for x, none: EMPTY of anything but an ollama."
    with serve(lambda body: (200, chat_reply(said))) as server:
        assert run_requests(server.url)[0].text == said


@pytest.mark.parametrize("key", ["sk-se\ncret", "Bearer sk-secret", "sk-sécret"])
def test_a_key_that_cannot_be_one_is_not_repeated(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(InputError, match="OPENAI_API_KEY holds") as caught:
        run_requests("http://localhost:1/v1")
    assert "cret" not in str(caught.value)


def test_a_server_that_wants_a_key_says_so() -> None:
    with serve(lambda _: (401, {})) as server:
        assert str(refused(server.url)) == f"{server.url} wants a key; set OPENAI_API_KEY"


def test_openai_without_a_key_says_what_to_do() -> None:
    with pytest.raises(ServerError, match="OPENAI_API_KEY is not set.*base_url.*model mini"):
        run_requests(DEFAULT_URL)


# Addresses


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        (None, DEFAULT_URL),
        (" ", DEFAULT_URL),
        ("http://localhost:8000/v1/", "http://localhost:8000/v1"),
        ("https://me:pass@example.org/v1", "https://example.org/v1"),
        ("http://[::1]:80/v1", "http://[::1]:80/v1"),
    ],
)
def test_the_endpoint_has_no_credentials(url: str | None, endpoint: str) -> None:
    assert endpoint_of(url) == endpoint


@pytest.mark.parametrize(
    "url", ["localhost:8000", "ftp://x/v1", "http://", "http://x:y/", "http://[", "http://a\0/v1"]
)
def test_a_base_url_that_is_none(url: str) -> None:
    with pytest.raises(InputError, match="must look like"):
        endpoint_of(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/v1?key=secret",
        "https://example.org/v1#secret",
        "https://me:1/secret@example.org/v1",
    ],
)
def test_a_base_url_with_more_than_a_path_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(InputError, match="must end with its path") as caught:
        endpoint_of(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "name", "value"),
    [
        ("http://\N{SNOWMAN}.net/v1", "NO_PROXY", ""),
        ("http://127.0.0.1:9/v1", "HTTP_PROXY", f"odd://me:{PASSWORD}@127.0.0.1:9"),
        ("https://127.0.0.1:9/v1", "SSL_CERT_FILE", "/nowhere/ca.pem"),
    ],
)
def test_a_connection_that_cannot_be_set_up(
    url: str, name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    error = refused(url)
    assert isinstance(error, InputError)
    assert "HTTP_PROXY" in str(error)


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf")])
def test_a_timeout_is_a_number_of_seconds(timeout: float) -> None:
    with pytest.raises(InputError, match="timeout"):
        OpenAIServer(None, timeout)
