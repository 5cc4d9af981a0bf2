"""The fault server does on the wire what its faults are called."""

import http.client
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from itertools import combinations
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from tests.faults import (
    FATAL,
    HEALING,
    HUGE,
    KINDS,
    SLOW,
    Fault,
    FaultServer,
    Script,
    fault_server,
    sentences,
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


def test_a_good_chat_answer() -> None:
    with fault_server() as server:
        response = post(server)
        assert texts(response) == [*sentences(QUESTION, 3)]
        said = response.json()
        assert said["model"] == "m-1"
        assert said["created"] > 0
        assert {choice["finish_reason"] for choice in said["choices"]} == {"stop"}
        usage = said["usage"]
        assert usage["prompt_tokens"] == 6
        assert usage["completion_tokens"] == sum(len(s.split()) for s in sentences(QUESTION, 3))
        assert server.received == [chat()]
        assert server.served == {QUESTION: 3}


def test_a_good_text_answer_is_one_without_n() -> None:
    with fault_server() as server:
        body = {"model": "m-1", "prompt": QUESTION}
        response = post(server, body, "/completions")
        (choice,) = response.json()["choices"]
        assert choice["text"] == sentences(QUESTION, 1)[0]
        assert "message" not in choice
        assert server.served == {QUESTION: 1}


def test_answers_can_be_of_the_tests_own() -> None:
    with fault_server(answer=lambda question, n: [f"{question} {n}"] * n) as server:
        assert texts(post(server, chat(2, "why"))) == ["why 2", "why 2"]


def test_one_connection_carries_several_requests() -> None:
    with fault_server([Fault("500"), Fault("html")]) as server:
        port = urlsplit(server.url).port
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
            statuses, own_ports = [], set()
            for _ in range(3):
                connection.request("POST", "/v1/chat/completions", json.dumps(chat()))
                own_ports.add(connection.sock.getsockname())
                answer = connection.getresponse()
                statuses.append((answer.status, answer.read()[:1]))
        assert statuses == [(500, b"{"), (200, b"<"), (200, b"{")]
        assert len(own_ports) == 1


def test_what_is_no_completion_is_not_found_and_not_scripted() -> None:
    with fault_server([Fault("500")]) as server:
        assert httpx2.get(f"{server.url}/models", trust_env=False).status_code == 404
        assert post(server, path="/embeddings").status_code == 404
        assert server.received == []
        assert post(server).status_code == 500


@pytest.mark.parametrize(
    "script",
    [[Fault("500"), None, Fault("503")], lambda k, body: [Fault("500"), None, Fault("503")][k]],
)
def test_the_kth_request_meets_the_kth_fault(script: Script) -> None:
    with fault_server(script) as server:
        assert [post(server).status_code for _ in range(3)] == [500, 200, 503]


def test_a_fault_can_depend_on_the_question() -> None:
    def script(number: int, body: dict[str, Any]) -> Fault | None:
        return Fault("404") if "moon" in body["messages"][0]["content"] else None

    with fault_server(script) as server:
        assert post(server, chat(question="Describe the moon:")).status_code == 404
        assert post(server).status_code == 200


def test_an_unknown_fault_is_refused() -> None:
    with pytest.raises(ValueError, match="tea"):
        Fault("tea")


def test_the_sets_hold_every_kind_once() -> None:
    assert len(set(KINDS)) == len(KINDS) == len(HEALING + SLOW + FATAL) + 2


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


@pytest.mark.parametrize("kind", [*HEALING, *FATAL])
def test_a_good_answer_comes_after_every_fault(kind: str) -> None:
    with fault_server([Fault(kind)]) as server, httpx2.Client(trust_env=False, timeout=5) as client:
        for _ in range(2):
            try:
                response = client.post(f"{server.url}/chat/completions", json=chat())
            except httpx2.RemoteProtocolError:
                assert kind in ("drop", "drop-midway")
        assert texts(response) == [*sentences(QUESTION, 3)]
        assert server.served[QUESTION] == 3 + {"fewer": 1, "more": 3}.get(kind, 0)


def test_a_good_answer_can_take_its_time() -> None:
    with fault_server([Fault("500")], delay=0.05) as server:
        assert post(server).status_code == 500
        started = time.monotonic()
        assert post(server).status_code == 200
        assert time.monotonic() - started >= 0.05


def test_requests_in_flight_are_counted() -> None:
    with fault_server(delay=60) as server:
        with raw(server), raw(server), raw(server):
            until(lambda: server.in_flight == 3)
        until(lambda: server.in_flight == 0)
        with raw(server):
            until(lambda: server.in_flight == 1)
        assert server.most_in_flight == 3
        assert len(server.received) == 4


def test_who_leaves_before_the_answer_was_not_served() -> None:
    with fault_server(delay=60) as server:
        with raw(server):
            until(lambda: server.in_flight == 1)
        until(lambda: server.in_flight == 0)
        assert server.served.total() == 0


def test_the_end_hangs_up_on_everyone_and_leaves_no_thread() -> None:
    before = threading.enumerate()
    script = [Fault(kind) for kind in SLOW * 10]
    with ExitStack() as clients:
        with fault_server(script, delay=60) as server:
            connections = [clients.enter_context(raw(server)) for _ in range(40)]
            until(lambda: server.in_flight == 40)
            stopped = time.monotonic()
        assert time.monotonic() - stopped < 0.5
        assert threading.enumerate() == before
        assert server.in_flight == 0
        for connection in connections:
            read_all(connection)  # comes to an end
    with pytest.raises(httpx2.ConnectError):
        post(server)


def test_an_error_in_a_script_is_raised_at_the_end() -> None:
    def script(number: int, body: dict[str, Any]) -> Fault | None:
        raise LookupError("the script is wrong")

    with (
        pytest.raises(ExceptionGroup) as caught,
        fault_server(script) as server,
        raw(server) as connection,
    ):
        assert read_all(connection) == b""
    assert caught.group_contains(LookupError, match="the script is wrong")


def test_an_error_in_a_test_is_not_hidden() -> None:
    with pytest.raises(LookupError, match="a test is wrong"), fault_server():
        raise LookupError("a test is wrong")


@pytest.mark.parametrize(
    ("question", "thing"),
    [
        ("Describe what a lily of the valley looks like:", "lily of the valley"),
        ("What does the moon look like?", "moon"),
        ("Describe an image from the internet of a photo booth", "photo booth"),
        ("A caption of an image of a St. Bernard:", "St. Bernard"),
        ("What are the identifying characteristics of an 8-ball?", "8-ball"),
        ("Describe a cup.\nIt is round.\n\nDescribe a {brace}:", "{brace}"),
    ],
)
def test_sentences_name_the_thing(question: str, thing: str) -> None:
    for text in sentences(question, 30):
        assert f" {thing} " in text


def test_sentences_are_whole_and_different() -> None:
    questions = [QUESTION, "Describe an abacus:", "How can you identify an abacus?"]
    said = [text for question in questions for text in sentences(question, 20)]
    for text in said:
        assert re.fullmatch(r"[A-Z][a-z:, ]+\.", text)
    for one, other in combinations([set(text.split()) for text in said], 2):
        assert len(one & other) < 0.8 * len(one | other)


def test_sentences_do_not_repeat_and_begin_alike() -> None:
    assert len(set(sentences(QUESTION, 10_000))) == 10_000
    assert sentences(QUESTION, 10)[:3] == [*sentences(QUESTION, 3)]
    assert sentences("Describe a cat:", 1) != sentences("Describe the cat:", 1)
