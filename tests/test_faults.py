"""The fault server does on the wire what its faults are called."""

import json

import httpx2
import pytest

from tests.faults import (
    HUGE,
    Fault,
    fault_server,
    sentences,
)
from tests.wire import KEY, QUESTION, chat, meet, post, raw, read_all, texts, until

ERRORS = [
    ("429", 429, "rate_limit_exceeded"),
    ("500", 500, None),
    ("503", 503, None),
    ("401", 401, "invalid_api_key"),
    ("403", 403, None),
    ("404", 404, "model_not_found"),
    ("quota", 429, "insufficient_quota"),
    ("bad-parameter", 400, "unsupported_value"),
    ("echo-key", 401, "invalid_api_key"),
]


@pytest.mark.parametrize(("kind", "status", "code"), ERRORS)
def test_errors_are_json_with_a_code(kind: str, status: int, code: str | None) -> None:
    response = meet(kind)
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (status, code)
    assert error["message"]
    assert (error["param"] == "temperature") == (kind == "bad-parameter")
    assert (KEY in error["message"]) == (kind == "echo-key")
    assert "Retry-After" not in response.headers


@pytest.mark.parametrize("when", ["0.01", "2", "Wed, 21 Oct 2015 07:28:00 GMT"])
def test_retry_after_goes_out_as_it_is(when: str) -> None:
    with fault_server([Fault("429", when), Fault("503", when), Fault("429")]) as server:
        said = [post(server).headers.get("Retry-After") for _ in range(3)]
    assert said == [when, when, None]


def test_drop_closes_before_any_byte() -> None:
    with fault_server([Fault("drop")]) as server, raw(server) as connection:
        assert read_all(connection) == b""
    with pytest.raises(httpx2.RemoteProtocolError):
        meet("drop")


def test_drop_midway_closes_after_half_of_the_body() -> None:
    with fault_server([Fault("drop-midway"), None]) as server:
        with raw(server) as connection:
            head, _, half = read_all(connection).partition(b"\r\n\r\n")
        assert server.served.total() == 0
        whole = post(server).content
    assert f"Content-Length: {len(whole)}".encode() in head
    assert half == whole[: len(whole) // 2]
    with pytest.raises(httpx2.RemoteProtocolError):
        meet("drop-midway")


@pytest.mark.parametrize(("kind", "status"), [("html", 200), ("html-502", 502)])
def test_html(kind: str, status: int) -> None:
    response = meet(kind)
    assert (response.status_code, response.headers["Content-Type"]) == (status, "text/html")
    assert response.text.startswith("<!DOCTYPE html>")


def test_wrong_type_is_no_json() -> None:
    response = meet("wrong-type")
    assert (response.status_code, response.headers["Content-Type"]) == (200, "text/plain")
    with pytest.raises(json.JSONDecodeError):
        response.json()


def test_truncated_json_is_whole_http() -> None:
    response = meet("truncated-json")
    assert response.status_code == 200
    assert int(response.headers["Content-Length"]) == len(response.content)
    assert response.text.startswith('{"id"')
    with pytest.raises(json.JSONDecodeError):
        response.json()


def test_other_json() -> None:
    assert meet("not-a-completion").json() == {"hello": "world"}
    assert meet("no-choices").json() == {"choices": []}


@pytest.mark.parametrize(
    ("kind", "n", "given"),
    [("fewer", 1, 1), ("fewer", 2, 1), ("fewer", 10, 5), ("more", 1, 3), ("more", 3, 5)],
)
def test_fewer_and_more_are_good_but_of_another_number(kind: str, n: int, given: int) -> None:
    with fault_server([Fault(kind)]) as server:
        assert texts(post(server, chat(n))) == [*sentences(QUESTION, given)]
        assert server.served == {QUESTION: min(n, given)}


@pytest.mark.parametrize(
    ("kind", "text", "finish"),
    [("empty", "", "stop"), ("null", None, "stop"), ("content-filter", "", "content_filter")],
)
def test_choices_without_text(kind: str, text: str | None, finish: str) -> None:
    response = meet(kind)
    assert texts(response) == [text] * 3
    assert {choice["finish_reason"] for choice in response.json()["choices"]} == {finish}


def test_length_is_half_a_sentence() -> None:
    response = meet("length", n=2)
    for half, whole in zip(texts(response), sentences(QUESTION, 2), strict=True):
        assert half
        assert half == whole[: len(whole) // 2]
        assert not half.endswith(".")
    assert {choice["finish_reason"] for choice in response.json()["choices"]} == {"length"}


def test_huge_is_one_long_text() -> None:
    first, second = texts(meet("huge", n=2))
    assert first is not None
    assert len(first) == HUGE
    assert first.startswith(sentences(QUESTION, 1)[0])
    assert second == sentences(QUESTION, 2)[1]


def test_echo_key_answer_repeats_the_key() -> None:
    assert texts(meet("echo-key-answer")) == [f"{text} {KEY}" for text in sentences(QUESTION, 3)]


def test_the_redirect_loops_and_uses_the_script_up_once() -> None:
    with fault_server([Fault("redirect-loop"), None]) as server:
        with (
            httpx2.Client(follow_redirects=True, trust_env=False) as client,
            pytest.raises(httpx2.TooManyRedirects),
        ):
            client.post(f"{server.url}/chat/completions", json=chat())
        assert len(server.received) > 10
        assert post(server).status_code == 200


def test_hang_says_nothing() -> None:
    with fault_server([Fault("hang")]) as server:
        with raw(server) as connection:
            until(lambda: server.in_flight == 1)
            connection.settimeout(0.05)
            with pytest.raises(TimeoutError):
                connection.recv(1)
        until(lambda: server.in_flight == 0)


def test_drip_sends_a_head_and_a_body_that_does_not_end() -> None:
    with fault_server([Fault("drip")]) as server:
        with raw(server) as connection:
            said, pieces = b"", 0
            while not said.endswith(b"\r\n\r\n   "):
                said += connection.recv(4096)
                pieces += 1
        until(lambda: server.in_flight == 0)
    assert said.startswith(b"HTTP/1.1 200 OK\r\n")
    assert f"Content-Length: {HUGE}".encode() in said
    assert pieces > 20


def test_huge_chunked_does_not_end() -> None:
    with fault_server([Fault("huge-chunked")]) as server:
        with (
            httpx2.Client(trust_env=False, timeout=5) as client,
            client.stream("POST", f"{server.url}/chat/completions", json=chat()) as response,
        ):
            assert response.headers["Transfer-Encoding"] == "chunked"
            assert "Content-Length" not in response.headers
            said = b""
            for piece in response.iter_raw():
                said += piece
                if len(said) > 1_000_000:
                    break
        assert said.startswith(b'{"choices": [{"index": 0, "message": {')
        assert said.endswith(b"aaaa")
        until(lambda: server.in_flight == 0)
