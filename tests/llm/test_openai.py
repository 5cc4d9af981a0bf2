import asyncio
from typing import Any

import pytest

from cupl.errors import InputError, ServerError
from cupl.llm.base import MAX_ANSWER, Request, Response, Sampling
from cupl.llm.openai import DEFAULT_URL, OpenAIServer, endpoint_of
from tests.fakes import Reply, chat_reply, serve


def ask(url: str, n: int = 1, attempts: int = 1, **changes: Any) -> list[Response]:
    server = OpenAIServer(url, attempts=attempts)
    request = Request(
        server.endpoint, **{"model": "m", "api": "chat", "question": "What is a cat?"} | changes
    )

    async def once() -> list[Response]:
        try:
            return await server.complete(request, n)
        finally:
            await server.close()

    return asyncio.run(once())


def refusal(status: int, body: Any, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> str:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-123")
    with serve(lambda _: (status, body)) as server, pytest.raises(ServerError) as caught:
        ask(server.url, **changes)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(server.url, "URL")


def test_answers_come_with_all_the_server_said() -> None:
    with serve(lambda body: (200, chat_reply("A cat.", "Cats purr.", finish="length"))) as server:
        answers = ask(server.url, n=2, preamble="Be plain.")
    assert answers[0] == Response("A cat.", "length", "served-model", 7, 9, 1)
    assert answers[1].text == "Cats purr."
    assert server.paths == ["/v1/chat/completions"]
    assert server.requests[0]["n"] == 2
    assert server.requests[0]["messages"][0] == {"role": "system", "content": "Be plain."}


def test_completions_are_asked_at_their_own_path() -> None:
    reply = {"choices": [{"text": " A cat.", "finish_reason": "stop"}]}
    with serve(lambda body: (200, reply)) as server:
        sampling = Sampling(None, None, None, (".",))
        answers = ask(server.url, api="completions", sampling=sampling)
    assert answers == [Response(" A cat.")]
    assert server.paths == ["/v1/completions"]
    assert server.requests == [{"model": "m", "prompt": "What is a cat?", "stop": ["."]}]


def test_the_key_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    with serve(lambda body: (200, chat_reply("A cat."))) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        assert ask("")[0].text == "A cat."
    headers = {name.lower(): value for name, value in server.headers[0].items()}
    assert headers["authorization"] == "Bearer sk-test"


def test_what_may_heal_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def no_sleep(seconds: float) -> None:
        pass

    monkeypatch.setattr("cupl.llm.openai.sleep", no_sleep)
    replies: list[Reply] = [(429, {}), (500, "oops"), (503, {}), (200, chat_reply("A cat."))]
    with serve(lambda body: replies.pop(0)) as server:
        assert ask(server.url, attempts=4)[0].text == "A cat."
    assert len(server.requests) == 4


def test_what_will_not_heal_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    body = {"error": {"message": "You exceeded", "code": "insufficient_quota"}}
    with serve(lambda _: (429, body)) as server, pytest.raises(ServerError, match="no quota left"):
        ask(server.url, attempts=5)
    assert len(server.requests) == 1


def test_every_refusal_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"error": {"message": "Incorrect key: sk-secret-123"}}
    assert refusal(401, said, monkeypatch) == "URL rejected the key in OPENAI_API_KEY"
    assert "URL has no model 'm' for --api chat, or the URL" in refusal(404, {}, monkeypatch)
    assert "not enough" in refusal(400, {"detail": "not enough"}, monkeypatch)
    assert "try a lower --concurrency" in refusal(429, {}, monkeypatch)
    said = {"error": {"message": "Key sk-secret-123: 'temperature' is not\nsupported"}}
    said["error"]["param"] = "temperature"
    assert refusal(400, said, monkeypatch) == (
        "URL answered 400: Key ***: 'temperature' is not supported; omit it with --temperature none"
    )


@pytest.mark.parametrize(
    "body", ["<html>hello</html>", {}, [], {"choices": []}, {"choices": [{}]}, {"choices": 3}]
)
def test_a_body_that_is_no_completion(body: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "is it the right URL?" in refusal(200, body, monkeypatch)


def test_odd_answers_are_tamed() -> None:
    reply = chat_reply("x" * (2 * MAX_ANSWER), "half \ud83d pair")
    reply["choices"].append({"message": {"content": None}})
    with serve(lambda body: (200, reply)) as server:
        answers = ask(server.url, n=3)
    assert len(answers[0].text) == MAX_ANSWER
    assert answers[1].text == "half ? pair"
    assert answers[2].text == ""


def test_an_unreachable_server_is_named() -> None:
    with serve(lambda body: (200, {})) as server:
        url = server.url
    with pytest.raises(ServerError, match=f"cannot reach {url}"):
        ask(url)


def test_a_server_that_was_never_there_is_given_up_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr("cupl.llm.openai.sleep", sleep)
    with serve(lambda body: (200, {})) as server:
        url = server.url
    with pytest.raises(ServerError, match="cannot reach"):
        ask(url, attempts=8)
    assert len(slept) == 1


def test_a_key_with_a_line_end_is_that_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test\r\n")
    with serve(lambda body: (200, chat_reply("A cat."))) as server:
        ask(server.url)
    headers = {name.lower(): value for name, value in server.headers[0].items()}
    assert headers["authorization"] == "Bearer sk-test"


def test_a_key_that_cannot_be_one_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-se\ncret")
    with pytest.raises(InputError, match="OPENAI_API_KEY holds") as caught:
        ask("http://localhost:1/v1")
    assert "cret" not in str(caught.value)


def test_a_base_url_with_a_query_is_refused_without_repeating_it() -> None:
    with pytest.raises(InputError, match="must end with its path") as caught:
        endpoint_of("https://example.org/v1?key=secret")
    assert "secret" not in str(caught.value)


def test_a_server_that_wants_a_key_says_so() -> None:
    with serve(lambda _: (401, {})) as server, pytest.raises(ServerError, match="wants a key"):
        ask(server.url)


def test_openai_without_a_key_says_what_to_do() -> None:
    with pytest.raises(ServerError, match="OPENAI_API_KEY is not set.*--base-url.*--model mini"):
        ask(DEFAULT_URL)


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        (None, DEFAULT_URL),
        ("http://localhost:8000/v1/", "http://localhost:8000/v1"),
        ("https://me:pass@example.org/v1", "https://example.org/v1"),
        ("http://[::1]:80/v1", "http://[::1]:80/v1"),
    ],
)
def test_the_endpoint_has_no_credentials(url: str | None, endpoint: str) -> None:
    assert endpoint_of(url) == endpoint


@pytest.mark.parametrize(
    "url", ["localhost:8000", "ftp://x/v1", "http://", "http://x:y/", "http://["]
)
def test_a_base_url_that_is_none(url: str) -> None:
    with pytest.raises(InputError, match="must look like"):
        endpoint_of(url)
