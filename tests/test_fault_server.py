"""The fault server answers well, follows its script, counts, and ends."""

import http.client
import json
import threading
import time
from contextlib import ExitStack, closing
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from tests.faults import (
    FATAL,
    HEALING,
    KINDS,
    SLOW,
    Fault,
    Script,
    fault_server,
    sentences,
)
from tests.wire import QUESTION, chat, post, raw, read_all, texts, until


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
        assert httpx2.get(f"{server.url}/files", trust_env=False).status_code == 404
        assert httpx2.get(f"{server.url}/models", trust_env=False).json()["data"] == []
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
    assert len(set(KINDS)) == len(KINDS) == len(HEALING + SLOW + FATAL) + 3


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
