import email.utils
import json
from collections.abc import Callable
from typing import Any

import httpx2
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cupl.errors import ServerError
from cupl.llm.access import ServerAccess
from cupl.llm.address import ServerAddress
from cupl.llm.errors import is_filtered, retry_after, to_server_error
from cupl.llm.protocol import RetryableError
from tests.llm.strategies import json_values, statuses

KEY = "sk-test-0123456789abcdef"
Handler = Callable[[httpx2.Request], httpx2.Response]


def raised(handler: Handler) -> openai.APIError:
    """What the SDK makes of an answer, or of the exception in place of one."""
    web = httpx2.Client(transport=httpx2.MockTransport(handler), follow_redirects=True)
    with openai.OpenAI(
        api_key="x", base_url="http://server/v1", max_retries=0, http_client=web
    ) as client:
        with pytest.raises(openai.APIError) as caught:
            client.completions.create(model="m", prompt="What is a cat?")
        return caught.value


def failing(status: int, body: Any, **headers: str) -> openai.APIError:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return raised(lambda _: httpx2.Response(status, content=content, headers=headers))


KEYLESS = ServerAccess(ServerAddress("URL"))
KEYED = ServerAccess(ServerAddress("URL"), KEY, "OPENAI_API_KEY")
WITH_PASSWORD = ServerAccess(ServerAddress("URL", ("me", "hunter2")))


def explained(
    status: int, body: Any, access: ServerAccess = KEYED, *, retry_after: str = ""
) -> ServerError:
    headers = {"retry-after": retry_after} if retry_after else {}
    error = to_server_error(failing(status, body, **headers), "'m'", access)
    assert "\n" not in str(error)
    return error


def said(status: int, body: Any, access: ServerAccess = KEYED) -> str:
    return str(explained(status, body, access))


# Statuses


@pytest.mark.parametrize("status", [408, 409, 425, 500, 502, 503, 504, 529])
def test_what_may_heal(status: int) -> None:
    error = explained(status, {"error": {"message": "later"}}, retry_after="3")
    assert isinstance(error, RetryableError)
    assert str(error) == f"URL answered {status}: later"
    assert (error.after, error.answered) == (3.0, True)
    assert (error.limited, error.unreachable) == (False, False)


@pytest.mark.parametrize("status", [304, 400, 401, 402, 403, 404, 405, 410, 413, 418, 422, 431])
def test_what_does_not_heal(status: int) -> None:
    error = explained(status, {})
    assert isinstance(error, ServerError)
    assert not isinstance(error, RetryableError)


def test_a_limited_rate_heals_and_an_empty_account_does_not() -> None:
    limited = explained(429, {"error": {"message": "slow", "code": "rate_limit_exceeded"}})
    assert isinstance(limited, RetryableError)
    assert limited.limited
    assert limited.answered
    empty = [
        (402, {"error": {"message": "pay"}}),
        (402, {"error": "pay"}),
        (429, {"error": {"message": "pay", "code": "insufficient_quota"}}),
        (429, {"error": {"message": "pay", "type": "insufficient_quota", "code": None}}),
        (429, {"error": {"message": "pay", "type": "exceeded_current_quota_error"}}),
        (429, {"message": "pay", "code": "billing_not_active"}),
        (400, {"error": {"message": "pay", "code": "billing_hard_limit_reached"}}),
        (403, {"error": {"message": "pay", "code": "insufficient_quota"}}),
    ]
    for status, body in empty:
        assert type(explained(status, body)) is ServerError
        assert said(status, body) == "the account at URL has no quota left (pay)"


NAME_IT = (
    "name the environment variable that holds it, for instance OPENAI_API_KEY, with api_key_env"
)


def test_401_says_what_was_rejected() -> None:
    assert said(401, {}, KEYLESS) == f"URL wants a key: {NAME_IT}"
    assert said(401, {}, WITH_PASSWORD) == "URL rejected the user and password in the base URL"
    assert said(401, {}) == "URL rejected the key in OPENAI_API_KEY"
    other = ServerAccess(ServerAddress("URL"), KEY, "GATEWAY_KEY")
    assert said(401, {}, other) == "URL rejected the key in GATEWAY_KEY"


def test_403_does_not_speak_of_a_key_that_was_not_sent() -> None:
    why = {"error": {"message": "no"}}
    assert said(403, why) == "URL does not let this key use 'm' (no)"
    assert said(403, why, KEYLESS) == (
        f"URL does not let us use 'm' (no); if it wants a key, {NAME_IT}"
    )


@pytest.mark.parametrize("status", [401, 403])
def test_who_sent_no_key_is_told_the_argument(status: int) -> None:
    assert explained(status, {}, KEYLESS).arguments == {"api_key_env": ...}
    assert explained(status, {}).arguments == {}


@pytest.mark.parametrize(
    "error",
    [
        {"code": "content_filter", "innererror": {"code": "ResponsibleAIPolicyViolation"}},
        {"code": "content_policy_violation"},
        {"type": "content_filter", "code": None},
    ],
)
def test_a_content_filter_is_told_from_a_fault(error: dict[str, Any]) -> None:
    assert is_filtered(failing(400, {"error": error | {"message": "filtered"}}))


def test_a_fault_is_no_content_filter() -> None:
    bodies: list[Any] = [
        {},
        [],
        "content_filter",
        {"error": {"message": "content_filter"}},
        {"code": 1},
    ]
    for body in bodies:
        assert not is_filtered(failing(400, body))
    assert not is_filtered(raised(_raise(httpx2.ConnectError("no"))))


# No status


def _raise(error: Exception) -> Handler:
    def handler(request: httpx2.Request) -> httpx2.Response:
        raise error

    return handler


@pytest.mark.parametrize(
    ("cause", "sentence", "unreachable"),
    [
        (httpx2.ConnectError(f"refused {KEY}"), "cannot reach URL (refused ***); is", True),
        (httpx2.ConnectTimeout(""), "cannot reach URL (no answer in time); is", True),
        (httpx2.ProxyError("407"), "cannot reach URL (407); is", True),
        (httpx2.UnsupportedProtocol("gopher"), "cannot reach URL (gopher); is", True),
        (httpx2.ReadTimeout(""), "URL did not answer in time", False),
        (httpx2.ReadError(""), "URL closed the connection without an answer", False),
        (httpx2.RemoteProtocolError(""), "URL closed the connection without an answer", False),
    ],
)
def test_a_request_that_may_have_arrived_is_told_from_one_that_has_not(
    cause: Exception, sentence: str, unreachable: bool
) -> None:
    error = to_server_error(raised(_raise(cause)), "'m'", KEYED)
    assert isinstance(error, RetryableError)
    assert str(error).startswith(sentence)
    assert error.unreachable == unreachable
    assert not error.answered


def test_a_redirect_without_end_does_not_heal() -> None:
    again = raised(lambda request: httpx2.Response(307, headers={"Location": str(request.url)}))
    error = to_server_error(again, "'m'", KEYED)
    assert type(error) is ServerError
    assert str(error) == "URL redirects without end; is the URL right?"


def test_another_error_of_the_sdk() -> None:
    error = openai.APIError(KEY, httpx2.Request("POST", "http://server"), body=None)
    assert str(to_server_error(error, "'m'", KEYED)).startswith("URL did not answer as OpenAI does")


# Parameters

UNSUPPORTED = (
    "Unsupported parameter: 'max_tokens' is not supported with this model. "
    "Use 'max_completion_tokens' instead."
)


@pytest.mark.parametrize(
    ("body", "argument"),
    [
        (  # OpenAI
            {"error": {"message": UNSUPPORTED, "param": "max_tokens", "code": "unsupported"}},
            "max_tokens=None",
        ),
        ({"error": {"message": "Invalid value", "param": "stop"}}, "stop=None"),
        ({"error": {"message": "Too many", "param": "n", "type": "x"}}, "n=None"),
        ({"error": {"message": "bad", "param": "body.top_p"}}, "top_p=None"),
        (  # vLLM
            {"object": "error", "message": "top_p must be in (0, 1], got 0.0.", "param": None},
            "top_p=None",
        ),
        ({"error": {"message": "temperature must be non-negative"}}, "temperature=None"),
        ({"error": {"code": 400, "message": "'n' must be 1"}}, "n=None"),  # llama.cpp
        ({"error": "invalid options: max_tokens"}, "max_tokens=None"),  # Ollama
        (  # FastAPI
            {"detail": [{"loc": ["body", "top_p"], "msg": "Input should be below 1"}]},
            "top_p=None",
        ),
        ({"detail": [{"loc": ["body", "stop", 0], "msg": "not text"}]}, "stop=None"),
        (
            [{"error": {"code": 400, "message": "`temperature` is out of range"}}],
            "temperature=None",
        ),
    ],
)
def test_a_rejected_parameter_is_named_with_its_argument(body: Any, argument: str) -> None:
    for status in (400, 422):
        assert f"; {argument} omits it" in said(status, body)


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "Please stop: n requests were too many"}},
        {"error": {"message": "Reduce max_tokens or the messages", "param": "messages"}},
        {"error": {"message": "'model' is a required property"}},
        {"detail": [{"loc": ["body", "messages"], "msg": "Field required"}]},
    ],
)
def test_a_word_in_passing_is_no_parameter(body: Any) -> None:
    assert "omit" not in said(400, body)


# Messages


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"error": {"message": "why\nso"}}, "why so"),
        ({"error": "why"}, "why"),
        ({"object": "error", "message": "why", "code": 400}, "why"),
        ({"message": None, "detail": "why"}, "why"),
        ({"message": ["why", "and why"]}, "why"),
        ({"detail": [{"loc": ["body", "x"], "msg": "why"}]}, "'x': why"),
        ({"detail": [{"loc": [], "msg": "why"}]}, "'the request': why"),
        ([{"error": {"message": "why"}}], "why"),
        ({"error": {"message": {"error": {"message": "why"}}}}, "why"),
        (b"why", "why"),
        (b"<html><body>why</body></html>", "Bad Request"),
        (b"", "Bad Request"),
        ({"error": None}, "Bad Request"),
        ({"error": {"message": ""}}, "Bad Request"),
        ({"error": {"message": 3, "code": {}, "param": [], "type": {}}}, "Bad Request"),
        (b'{"error": ' * 900 + b"1" + b"}" * 900, "Bad Request"),
        ({"error": {"message": "\x1b[2J\u202ewhy\ud800"}}, "[2J why"),
    ],
)
def test_what_the_server_says_is_found(body: Any, message: str) -> None:
    assert said(400, body) == f"URL answered 400: {message}"


@pytest.mark.parametrize("access", [KEYED, WITH_PASSWORD])
def test_a_message_holds_no_key(access: ServerAccess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    error = {"message": f"{KEY} and me:hunter2", "code": KEY, "param": KEY, "type": KEY}
    for status in (400, 401, 402, 403, 404, 422, 429, 500):
        sentence = said(status, {"error": error}, access)
        assert KEY not in sentence
        assert "hunter2" not in sentence or access is KEYED


@given(statuses, json_values, st.none() | st.text(st.characters(codec="ascii"), max_size=20))
def test_nothing_that_a_server_says_breaks_the_explanation(
    status: int, body: Any, location: str | None
) -> None:
    headers = {} if location is None else {"Location": location}
    request = httpx2.Request("POST", "http://server/v1/chat/completions")
    response = httpx2.Response(status, request=request, headers=headers)
    for content in (body, {"error": body}, {"detail": body}, {"message": body, "code": body}):
        error = openai.APIStatusError("", response=response, body=content)
        assert str(to_server_error(error, "'m'", KEYED))
        is_filtered(error)


# Retry-After

NOW = 1_700_000_000.0


def date(seconds: float) -> str:
    return email.utils.formatdate(NOW + seconds, usegmt=True)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "20"}, 20.0),
        ({"retry-after": " 0.25 "}, 0.25),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after-ms": "1500", "retry-after": "2"}, 1.5),
        ({"retry-after-ms": "soon", "retry-after": "2"}, 2.0),
        ({"retry-after": date(90)}, 90.0),
        ({"retry-after": date(90), "date": date(60)}, 30.0),
        ({"retry-after": date(90), "date": "today"}, 90.0),
        ({"retry-after": date(-90)}, None),
        ({"retry-after": date(90), "date": date(90)}, None),
        ({"retry-after": "0"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "1" + 400 * "0"}, None),
        ({"retry-after": "1e300"}, 366 * 86_400.0),
        ({"retry-after": "Fri, 31 Dec 9999 23:59:59 GMT"}, 366 * 86_400.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "Mon, 99 Foo 2026 99:99:99 GMT"}, None),
        ({"retry-after": "Mon, 01 Jan 0001 00:00:00 -0000"}, None),
    ],
)
def test_how_long_a_server_asks_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, NOW) == seconds


def test_headers_are_found_in_any_case() -> None:
    assert retry_after(httpx2.Headers({"Retry-After": "4"})) == 4.0


DATES = st.from_regex(r"[A-Za-z]{0,4},? ?-?[0-9]{0,12} \w{3} -?[0-9]{0,12} [0-9:.]{0,12} ?\S{0,6}")


@given(st.text() | DATES, st.text() | DATES)
def test_no_header_breaks_the_wait(after: str, today: str) -> None:
    seconds = retry_after({"retry-after": after, "date": today})
    assert seconds is None or 0 < seconds <= 366 * 86_400
