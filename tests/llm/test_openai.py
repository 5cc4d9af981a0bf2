"""Answers, and every fault that a server can have."""

import time

import pytest

from cupl.errors import InputError, ServerError
from cupl.llm.openai import OpenAIServer
from cupl.llm.protocol import MAX_ANSWER, Response, RetryableError, Sampling
from tests.fakes import chat_reply, serve
from tests.faults import FATAL, HEALING, KINDS, SLOW, Fault, fault_server, sentences
from tests.llm.one_request import QUESTION, met, refused, run_requests, with_key


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
    asked = {"model": "m", "prompt": "What is a cat?", "stop": ["."], "stream": False}
    assert server.requests == [asked]


def test_one_try_is_one_request(key: str) -> None:
    with fault_server([Fault("503")] * 3) as server:
        refused(server.url, api_key_env="OPENAI_API_KEY")
        assert len(server.received) == 1


# Every fault there is


def test_every_fault_has_its_test() -> None:
    elsewhere = {"429", "failed-choice"}  # the second in tests/generation/test_servers.py
    assert {*ANSWERED, *UNANSWERED, *SAID_NO, *GOOD, *SLOW, *elsewhere} == set(KINDS)
    assert {*ANSWERED, *UNANSWERED, *GOOD, "429"} >= set(HEALING)
    assert set(SAID_NO) >= set(FATAL)


GOOD = ("fewer", "more", "empty", "null", "content-filter", "length", "huge", "echo-key-answer")


@pytest.mark.parametrize("kind", GOOD)
def test_an_answer_that_is_one(kind: str, key: str) -> None:
    with fault_server([Fault(kind)]) as server:
        answers = with_key(server.url, n=4)
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
    "html": "URL answers with a web page",
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
        error = refused(server.url, api_key_env="OPENAI_API_KEY", timeout=0.1)
        assert time.monotonic() - began < 5
    assert isinstance(error, RetryableError)
    assert "did not answer within 0.1 s" in str(error)
    assert (error.answered, error.unreachable) == (False, False)


def test_a_limited_rate(key: str) -> None:
    with fault_server([Fault("429", "7.5")]) as server:
        error = refused(server.url, api_key_env="OPENAI_API_KEY")
    assert isinstance(error, RetryableError)
    assert error.limited
    assert error.answered
    assert error.after == 7.5
    assert "limits the rate (Rate limit reached for requests); try a lower concurrency" in str(
        error
    )


SAID_NO = {
    "401": "URL rejected the key in OPENAI_API_KEY",
    "echo-key": "URL rejected the key in OPENAI_API_KEY",
    "403": "URL does not let this key use 'm' for the API chat "
    "(You are not allowed to sample from this model)",
    "404": "URL has no 'm' for the API chat (The model does not exist)",
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


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf")])
def test_a_timeout_is_a_number_of_seconds(timeout: float) -> None:
    with pytest.raises(InputError, match="timeout"):
        OpenAIServer(None, timeout)
