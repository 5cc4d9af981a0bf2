"""Bodies that no good server sends."""

import gzip
import json
import tracemalloc
from typing import Any

import pytest

from cupl.errors import InputError, ServerError
from cupl.llm.protocol import Response, RetryableError
from tests.fakes import chat_reply, serve
from tests.llm.one_request import met, refused, replying, run_requests


@pytest.mark.parametrize(
    "body",
    [
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
        b'{"choices": [{"text": "a"}]} {}',
        b"data: [DONE]",
        b"data: 3\n\ndata: [DONE]",
        b"data: {\n\ndata: [DONE]",
        b'data: {"choices": [3]}\n\ndata: [DONE]',
    ],
)
def test_a_body_that_is_no_completion(body: bytes) -> None:
    with replying(body) as url:
        error = refused(url)
    assert isinstance(error, RetryableError)
    assert "is it the right URL?" in str(error)


@pytest.mark.parametrize(
    "body", [b'data: {"choices": [{"delta": {"content": "a"}}]}\n\n', b"data: {", b": working\n\n"]
)
def test_a_stream_that_breaks_off(body: bytes) -> None:
    with replying(body) as url:
        error = refused(url)
    assert isinstance(error, RetryableError)
    assert str(error) == f"{url} broke off in the middle of an answer"


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


def test_an_answer_without_end_is_cut(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cupl.llm.body_limit.MAX_BODY", 2**18)
    monkeypatch.setattr("tests.faults.PACE", 0)
    error, message = met("huge-chunked")
    assert isinstance(error, RetryableError)
    assert "sent an answer of more than" in message


def test_what_cannot_be_unpacked(key: str) -> None:
    with replying(b"no gzip", Content_Encoding="gzip") as url:
        assert isinstance(refused(url, api_key_env="OPENAI_API_KEY"), RetryableError)


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
        assert isinstance(
            refused(server.url, api_key_env="OPENAI_API_KEY", question="caf\udce9"), InputError
        )
    assert server.requests == []
