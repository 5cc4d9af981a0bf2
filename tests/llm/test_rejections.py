"""What servers turn down, in their own words."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cupl.llm.rejections import (
    advice_on,
    answers_allowed,
    is_unsupported,
    rejected_parameter,
    wants_stream,
)

SENT: dict[str, Any] = {
    "model": "m", "messages": [], "temperature": 0.99, "top_p": 0.9, "max_tokens": 50,
    "stop": ["."], "seed": 1, "n": 10, "stream": False, "top_k": 20,
}  # fmt: skip


@pytest.mark.parametrize(
    ("said", "most"),
    [
        ("Invalid n value (currently only n = 1 is supported)", 1),
        ("Multiple candidates is not enabled for this model", 1),
        ("Only one candidate can be specified", 1),
        ("candidateCount must be 1 but the entered value was 10. Update the candidateCount", 1),
        ("it has a candidateCount value of 10 but the supported range is from 1 (inclusive) to 9 "
         "(exclusive). Update the value and try again.", 8),
        ("Only one completion choice is allowed", 1),
        ("n_cmpl cannot be greater than the number of slots, please increase -np", 1),
        ("Field 'n': Value must be between 1 <= value <= 4, but got 10", 4),
        ("does not support the n parameter for multiple choices. Send n separate requests", 1),
        ("'n' : number must be at most 1", 1),
        ("anthropic does not support parameters: ['n'], for model=claude.", 1),
        ("bedrock does not support parameters: {'n': 10}, for model=titan", 1),
        ("best_of/n must be 1 when using greedy sampling, got 10.", 1),
        ("n must be 1 when using greedy sampling, got 10.", 1),
        ("Invalid 'n': integer above maximum value. Expected a value <= 8, but got 10 instead.", 8),
        ("10 is greater than the maximum of 8 - 'n'", 8),
        ("'n': Input should be less than or equal to 5", 5),
        ("'n': Input should be less than 5", 4),
        ("'n': Extra inputs are not permitted", 1),
        ("property 'n' is unsupported", 1),
        ("<400> InternalError.Algo.InvalidParameter: Range of n should be [1, 4]", 4),
        ("n > 1 is not supported", 1),
        ("n: Must be 1", 1),
        ("Unsupported parameter: n", 1),
        ("Argument not supported on this model: n", 1),
        ("The number of completions cannot exceed 2", 2),
        ("returns only a single response; multiple responses are not available", 1),
        ("multiple generations are not supported", 1),
        ("n must be between 1 and 6 inclusive", 6),
        ("n should not be greater than 3", 3),
    ],
)  # fmt: skip
def test_how_many_answers_there_are_to_be_had(said: str, most: int | None) -> None:
    assert answers_allowed(said, None, 10) == most


@pytest.mark.parametrize(
    "said",
    [
        "Please stop: n requests were too many",
        "Unsupported value: 'temperature' does not support 0.99 with this model.",
        "max_tokens must be at most 4096",
        "The model `m` does not exist",
        "Invalid value for top_p: only values in (0, 1]",
        "parameter.enable_thinking must be set to false for non-streaming calls",
        "This model only support stream mode, please enable the stream parameter",
        "the choice of model is yours",
        "only one response format is supported",
        "This model's maximum context length is 10 tokens",
    ],
)
def test_another_refusal_says_nothing_of_the_number(said: str) -> None:
    assert answers_allowed(said, None, 10) is None


def test_the_servers_own_name_of_the_parameter_counts() -> None:
    assert answers_allowed("Invalid value", "n", 10) == 1
    assert answers_allowed("Invalid value", "body.n", 10) == 1
    assert answers_allowed("'n' is fine", "temperature", 10) is None
    assert answers_allowed("'n' is not", "None", 10) == 1


@pytest.mark.parametrize(
    ("said", "hint", "arguments"),
    [
        ("Model grok-4 does not support parameter stop.", "stop=None omits it", {"stop": None}),
        ("Argument not supported on this model: stop", "stop=None omits it", {"stop": None}),
        ("stop is not supported with reasoning models", "stop=None omits it", {"stop": None}),
        ("Unrecognized request argument supplied: seed", "seed=None omits it", {"seed": None}),
        ("`temperature` and `top_p` cannot both be specified", "top_p=None omits it",
         {"top_p": None}),
        ("temperature and top_p are set; only one of both may be", "top_p=None omits it",
         {"top_p": None}),
        ("invalid temperature: only 1 is allowed for this model", "it takes temperature=1",
         {"temperature": 1}),
        ("invalid temperature, only 0.6 is allowed for this model", "it takes temperature=0.6",
         {"temperature": 0.6}),
        ("'temperature' does not support 0.99. Only the default (1) value is supported.",
         "temperature=None omits it", {"temperature": None}),
        ("temperature must be at least 0 and at most 0.9", "it takes temperature=0.9",
         {"temperature": 0.9}),
        ("max_tokens must be at least 64 for this model", "it takes max_tokens=64",
         {"max_tokens": 64}),
        ("max_tokens is too large", "max_tokens=None omits it", {"max_tokens": None}),
        ("maxOutputTokens is too small", "", {}),
        ("parameter.enable_thinking must be set to false for non-streaming calls",
         "extra={'enable_thinking': False} does", {"extra": {"enable_thinking": False}}),
        ("`include_reasoning` must be true", "extra={'include_reasoning': True} does",
         {"extra": {"include_reasoning": True}}),
        ("'include_reasoning': Input should be True", "extra={'include_reasoning': True} does",
         {"extra": {"include_reasoning": True}}),
        ("Missing required parameter: 'reasoning_effort'.", "extra can hold reasoning_effort",
         {"extra": ...}),
        ("Unknown parameter: 'top_k'", "leave top_k out of extra", {"extra": ...}),
        ("'model' is a required property", "", {}),
        ("Missing required parameter: 'messages'", "", {}),
    ],
)  # fmt: skip
def test_the_way_out_is_named(said: str, hint: str, arguments: dict[str, object]) -> None:
    sent = {name: value for name, value in SENT.items() if name != "n"}
    if "maxOutput" in said:
        del sent["max_tokens"]
    assert advice_on(said, None, sent) == (hint and f"; {hint}", arguments)


def test_what_was_not_sent_was_not_turned_down() -> None:
    said = "`temperature` and `top_p` cannot both be specified"
    assert rejected_parameter(said, None, {"temperature": 1.0}) == "temperature"
    assert rejected_parameter("Unsupported: stop sequences and 'stop'", None, {}) is None


@pytest.mark.parametrize(
    ("said", "unsupported"),
    [
        ("Unsupported parameter: 'max_tokens' is not supported with this model. Use "
         "'max_completion_tokens' instead.", True),
        ("`max_tokens` is deprecated", True),
        ("Unrecognized request argument supplied: max_tokens", True),
        ("'max_tokens': Extra inputs are not permitted", True),
        ("this model doesn't support max_tokens", True),
        ("max_tokens must be at least 64 for this model", False),
        ("max_tokens is too large: 50. This model supports at most 20", False),
        ("max_tokens or model output limit was reached. Try again with higher max_tokens.", False),
        ("'temperature' is not supported", False),
    ],
)  # fmt: skip
def test_a_parameter_that_is_unknown_is_told_from_a_value(said: str, unsupported: bool) -> None:
    assert is_unsupported("max_tokens", said, None, SENT) == unsupported


@pytest.mark.parametrize(
    "said",
    [
        "This model only support stream mode, please enable the stream parameter to access it.",
        "Non-streaming requests are not supported by this model",
        "stream must be true",
        "Streaming is required for operations that may take longer",
        "This model does not support non-streaming output",
        "Please set stream=true",
        "'stream': Input should be True; only streaming is available",
    ],
)
def test_a_server_that_answers_in_pieces_only(said: str) -> None:
    assert wants_stream(said)


@pytest.mark.parametrize(
    "said",
    [
        "parameter.enable_thinking must be set to false for non-streaming calls",
        "Upstream connection error",
        "n must be 1",
        "the mainstream model only",
    ],
)
def test_other_servers(said: str) -> None:
    assert not wants_stream(said)


@given(st.text() | st.from_regex(r"(n|stop|'n'|top_p|only|[0-9]+|<=|must| |be)*", fullmatch=True),
       st.none() | st.text() | st.integers())  # fmt: skip
def test_no_sentence_breaks_the_reading(said: str, param: object) -> None:
    most = answers_allowed(said, param, 10)
    assert most is None or 1 <= most < 10
    wants_stream(said)
    hint, arguments = advice_on(said, param, SENT)
    assert bool(hint) == bool(arguments)
