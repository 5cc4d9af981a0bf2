"""Errors in the words and shapes of real servers."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cupl.errors import ServerError
from cupl.llm.error_bodies import delay_of, message_of
from cupl.llm.errors import is_filtered, to_server_error
from cupl.llm.protocol import RetryableError
from tests.fakes import serve
from tests.llm.one_request import KEY, refused, with_key
from tests.llm.test_errors import KEYED, explained, failing, said

RAW = '{"error":{"message":"max_tokens must be at least 64","code":400}}'


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (
            {"metadata": {"raw": RAW, "provider_name": "Azure"}},
            "Provider returned error (Azure: max_tokens must be at least 64)",
        ),
        ({"metadata": {"raw": "Too Many Requests"}}, "Provider returned error (Too Many Requests)"),
        ({"metadata": {"raw": {"detail": "no such deployment"}}},
         "Provider returned error (no such deployment)"),
        ({"metadata": {"raw": '[{"error": {"message": "one"}}]'}}, "Provider returned error (one)"),
        ({"metadata": {"raw": '{"cut off'}}, 'Provider returned error ({"cut off)'),
        ({"metadata": {"raw": "[" * 5000}}, "Provider returned error ([[["),
        ({"metadata": {"raw": "<html>busy</html>"}}, "Provider returned error"),
        ({"metadata": {"raw": None}}, "Provider returned error"),
        ({"metadata": []}, "Provider returned error"),
    ],
)  # fmt: skip
def test_what_a_gateway_hides_is_shown(error: dict[str, Any], shown: str) -> None:
    assert said(400, {"error": error | {"message": "Provider returned error"}}).startswith(
        f"URL answered 400: {shown}"
    )


def test_what_a_gateway_hides_has_no_key_and_is_short() -> None:
    raw = {"raw": f"{KEY} {'x' * 5000}", "provider_name": "y" * 5000}
    sentence = said(400, {"error": {"message": "Provider returned error", "metadata": raw}})
    assert KEY not in sentence
    assert len(sentence) < 400


@pytest.mark.parametrize(
    ("body", "seconds"),
    [
        ([{"error": {"details": [{"@type": "RetryInfo", "retryDelay": "1s"}]}}], 1.0),
        ({"error": {"details": [{}, {"retryDelay": "37.5s"}]}}, 37.5),
        ({"error": {"message": "Quota exceeded. Please retry in 0.5s."}}, 0.5),
        ({"error": {"message": "Please try again in 20s. Contact us"}}, 20.0),
        ({"error": {"message": "Please try again in 6m36.48s."}}, 396.48),
        ({"error": {"message": "Please try again in 820ms."}}, 0.82),
        ({"error": {"message": "try again in 1h2m3s"}}, 3723.0),
        ({"error": {"message": "Please retry after 26 seconds."}}, 26.0),
        ({"error": {"message": "try again later, at most 5 a minute"}}, None),
        ({"error": {"details": [{"retryDelay": "soon"}, {"retryDelay": -1}, 3]}}, None),
        ({"error": {"details": {"retryDelay": "1s"}}}, None),
        ({}, None),
    ],
)
def test_how_long_a_body_asks_to_wait(body: Any, seconds: float | None) -> None:
    assert delay_of(body) == seconds
    error = explained(429, body)
    assert isinstance(error, RetryableError)
    assert error.limited
    assert error.after == seconds
    assert explained(429, body, retry_after="3").__dict__["after"] == 3.0


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"error": {"message": "Internal Server Error", "code": 500}},
        {"error": "internal error"},
        {"error": {"message": "An unexpected error occurred."}},
        b"",
    ],
)
def test_a_bare_fault_at_several_answers_names_the_way_out(body: Any) -> None:
    def sent(status: int, **request: Any) -> ServerError:
        return to_server_error(failing(status, body), "'m'", KEYED, request)

    error = sent(500, n=10)
    assert isinstance(error, RetryableError)
    assert str(error).endswith("; one that gives a single answer at a time needs n=None")
    assert error.arguments == {"n": None}
    for other in (sent(500), sent(500, n=1), sent(503, n=10)):
        assert other.arguments == {}
    told = failing(500, {"error": {"message": "out of memory"}})
    assert to_server_error(told, "'m'", KEYED, {"n": 10}).arguments == {}


FILTERED: list[tuple[int, Any]] = [
    (400, {"error": {"message": "Content Exists Risk", "type": "invalid_request_error"}}),
    (400, {"error": {"code": "data_inspection_failed", "message": "no"}}),
    (400, {"error": {"message": "Output data may contain inappropriate content."}}),
    (400, {"error": {"message": "no", "innererror": {"code": "ResponsibleAIPolicyViolation"}}}),
    (400, {"error": {"code": "1301", "message": "输入或生成内容可能包含敏感内容"}}),
    (500, {"error": {"code": "content_filter", "message": "no"}}),
    (403, {"error": {"code": 403, "message": "Your input was flagged for violence"}}),
    (400, {"error": {"message": "triggering Azure OpenAI's content management policy"}}),
]


@pytest.mark.parametrize(("status", "body"), FILTERED)
def test_filters_of_servers_are_told_by_kind_or_words(status: int, body: Any) -> None:
    assert is_filtered(failing(status, body))


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, {"error": {"message": "the key was flagged"}}),
        (403, {"error": {"message": "your account violates our usage policies"}}),
        (403, {"error": {"status": "PERMISSION_DENIED", "message": "API_KEY_SERVICE_BLOCKED"}}),
        (400, {"error": {"message": "unknown parameter: content_filter"}}),
        (429, {"error": {"message": "safety system: slow down"}}),
        (500, {"error": {"message": "the model crashed"}}),
        (503, {"error": {"message": "the content filter is unavailable"}}),
    ],
)
def test_other_refusals_are_no_filter(status: int, body: Any) -> None:
    assert not is_filtered(failing(status, body))


@given(st.text() | st.from_regex(r"retry in [0-9hms. ]{0,40}"))
def test_no_words_break_the_wait(message: str) -> None:
    seconds = delay_of({"error": {"message": message}})
    assert seconds is None or seconds > 0


QUOTA = "You exceeded your current quota, please check your plan and billing details."


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (429, {"message": QUOTA}),
        (400, {"message": "Your credit balance is too low to access the API."}),
        (403, {"message": "Insufficient Balance"}),
        (400, {"code": "Arrearage", "message": "Your account is not in good standing"}),
        (429, {"message": f"{QUOTA} Please retry in 9s.", "details": [
            {"violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}]}]}),
        (200, {"message": "This request requires more credits", "code": 402}),
        (200, {"message": "Insufficient quota"}),
    ],
)  # fmt: skip
def test_an_account_that_is_empty_by_its_words(status: int, error: dict[str, Any]) -> None:
    found = explained(status, {"error": error}) if status != 200 else with_success(error)
    assert not isinstance(found, RetryableError)
    assert "has no quota left (" in str(found)


def test_a_quota_that_fills_again_is_a_rate() -> None:
    error = explained(429, [{"error": {"message": f"{QUOTA} Please retry in 0.5s."}}])
    assert isinstance(error, RetryableError)
    assert error.limited


def with_success(error: Any) -> ServerError:
    """What is made of an error that comes with the status 200."""
    with serve(lambda _: (200, {"id": None, "choices": None, "error": error})) as server:
        found = refused(server.url)
    assert isinstance(found, ServerError)
    return found


@pytest.mark.parametrize(
    "error",
    [
        "Invalid API key",
        "Model 'x' not found",
        "No models loaded. Please load a model in the developer page.",
        "parameter n is not supported",
        "temperature must be between 0 and 2",
        "Unauthorized",
        "Access denied",
        {"message": "no such route", "code": "404"},
        {"message": "", "code": 401},
        {"message": "no", "type": "invalid_request_error"},
        "This model's maximum context length is 16 tokens",
    ],
)
def test_what_will_not_heal_is_not_tried_again_though_it_comes_as_a_success(error: Any) -> None:
    assert not isinstance(with_success(error), RetryableError)


@pytest.mark.parametrize(
    "error",
    [
        "upstream broke",
        "Invalid response from upstream",
        "The model is overloaded",
        "Service temporarily unavailable, the model may not be supported",
        "Loading model",
        "Something went wrong",
        {"message": "Provider returned error", "code": 429},
        "Too many requests",
    ],
)
def test_what_may_heal_is_tried_again(error: Any) -> None:
    assert isinstance(with_success(error), RetryableError)


@pytest.mark.parametrize(
    "body",
    [
        [{"error": {"code": 503, "message": "overloaded"}}],
        {"object": "error", "message": "overloaded", "code": 50001},
        {"detail": "overloaded"},
    ],
)
def test_an_error_that_comes_as_a_success_in_any_shape(body: Any) -> None:
    with serve(lambda _: (200, body)) as server:
        error = refused(server.url)
    assert isinstance(error, RetryableError)
    assert str(error).endswith(": overloaded")


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (404, {"message": 'model "m" not found, try pulling it first', "type": "api_error"}),
        (404, "model 'm' not found"),
        (404, {"message": "The model `m` does not exist or you do not have access to it."}),
        (404, {"message": "models/m is not found for API version v1main"}),
        (404, {"code": "DeploymentNotFound", "message": "The API deployment does not exist"}),
        (400, {"message": "Model Not Exist"}),
        (400, {"message": "m is not a valid model ID"}),
        (400, {"message": "No models loaded. Please load a model with `lms load`."}),
        (400, {"message": "Invalid model: m"}),
        (400, {"message": "Invalid model name passed in model=m. Call `/v1/models`"}),
        (500, {"message": "Model not loaded"}),
    ],
)
def test_a_model_that_is_not_there(status: int, error: Any) -> None:
    found = explained(status, {"error": error})
    assert type(found) is ServerError
    assert str(found).startswith("URL has no 'm' (")
    assert found.arguments == {"model": ...}


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, "This model's maximum context length is 16 tokens. However, you requested 70 tokens"),
        (400, "'max_tokens' is too large: 50. This model's maximum context length is 16 tokens"),
        (400, "the request exceeds the available context size, try increasing it"),
        (500, "the request exceeds the available context size. try increasing the context size"),
        (400, "Trying to keep the first 9 tokens when context overflows; context length is 8"),
        (413, "prompt is too long: 210 tokens > 200 maximum"),
    ],
)
def test_a_context_that_is_too_small(status: int, message: str) -> None:
    found = explained(status, {"error": {"message": message}})
    assert type(found) is ServerError
    assert str(found).startswith("the question and its answer do not fit into the model's context")
    assert found.arguments == {"max_tokens": ..., "preamble": ...}


@pytest.mark.parametrize("status", [500, 503])
def test_a_model_that_is_not_there_for_a_while(status: int) -> None:
    error = explained(status, {"error": {"message": "The model is currently not available."}})
    assert isinstance(error, RetryableError)


def test_a_model_that_is_too_big_is_not_tried_again() -> None:
    message = "model requires more system memory (8.0 GiB) than is available (4.0 GiB)"
    assert type(explained(500, {"error": {"message": message}})) is ServerError


def test_a_page_is_no_message() -> None:
    assert message_of("  <!DOCTYPE html><p>no</p>") is None
    assert message_of("\ufeff<?xml version='1.0'?><Error/>") is None
    assert message_of("<400> Range of n should be [1, 4]") == "<400> Range of n should be [1, 4]"


def test_a_key_that_is_wrong_comes_as_a_success(key: str) -> None:
    with (
        serve(lambda _: (200, {"error": f"Invalid API key {KEY}"})) as server,
        pytest.raises(ServerError, match="rejected the key in OPENAI_API_KEY"),
    ):
        with_key(server.url)
