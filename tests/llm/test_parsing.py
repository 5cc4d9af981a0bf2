from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cupl.llm.finish_reasons import NO_CONTENT
from cupl.llm.parsing import MAX_CHOICES, FailedGenerationError, read_completion
from cupl.llm.protocol import MAX_ANSWER, Response
from tests.fakes import chat_reply
from tests.llm.strategies import completions, json_values


def only(choice: dict[str, Any], **rest: Any) -> Response:
    (response,) = read_completion({"choices": [choice]} | rest)
    return response


def test_chat_and_completion_say_the_same() -> None:
    assert read_completion(chat_reply("a", "b", finish="length")) == [
        Response("a", "length", "served-model", 7, 9, 1),
        Response("b", "length", "served-model", 7, 9, 1),
    ]
    assert only({"text": "a", "finish_reason": "length"}) == Response("a", "length")


def test_what_a_server_leaves_out_is_not_known() -> None:
    assert only({"message": {"content": "a"}, "finish_reason": None}) == Response("a", "stop")


def test_answers_come_in_the_order_of_their_indices() -> None:
    def texts(*indices: Any) -> list[str]:
        body = [{"text": str(index), "index": index} for index in indices]
        return [response.text for response in read_completion({"choices": body})]

    assert texts(2, 0, 1) == ["0", "1", "2"]
    assert texts(2, None, 1) == ["2", "None", "1"]
    assert texts(1, False, 0) == ["1", "False", "0"]


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"content": None, "reasoning_content": "Let me think."}, ""),
        ({"reasoning_content": "Let me think."}, ""),
        ({"content": None, "refusal": "I cannot."}, ""),
        ({"content": [{"type": "text", "text": "A "}, {"type": "text", "text": "cat."}]}, "A cat."),
        ({"content": [{"type": "image"}, 3, None, {"text": 3}, {"text": "A cat."}]}, "A cat."),
        ({"content": ["A ", {"text": "cat."}]}, "A cat."),
        ({"content": []}, ""),
        ({"content": {"text": "A cat."}}, ""),
        (None, ""),
        ({}, ""),
        ({"content": "half \ud83d pair"}, "half ? pair"),
    ],
)
def test_what_a_message_says(message: object, text: str) -> None:
    assert only({"message": message}).text == text


def test_a_choice_without_words_does_not_cost_the_others() -> None:
    body = {"choices": [{"message": {"content": "A cat."}}, {"message": None}]}
    assert [response.text for response in read_completion(body)] == ["A cat.", ""]


@pytest.mark.parametrize(
    "body",
    [
        None, 3, "choices", [], [{"choices": []}], {}, {"choices": None}, {"choices": []},
        {"choices": "ab"}, {"choices": {"a": 1}}, {"choices": [{}]}, {"choices": [None]},
        {"choices": [{"delta": {"content": "a"}}]}, {"error": {"message": "no"}},
    ],
)  # fmt: skip
def test_no_completion(body: object) -> None:
    with pytest.raises(ValueError, match="completion"):
        read_completion(body)


def test_nothing_takes_more_room_than_an_answer_may() -> None:
    long = "x" * (3 * MAX_ANSWER)
    response = only({"text": long, "finish_reason": long}, model=long)
    assert len(response.text) == MAX_ANSWER + 1  # one more than an answer has
    assert len(response.finish_reason) == 200
    assert len(response.model or "") == 200
    assert len(read_completion({"choices": [{"text": ""}] * (MAX_CHOICES + 5)})) == MAX_CHOICES


@pytest.mark.parametrize("count", [-1, 1.0, True, "7", None, 2**53, float("nan"), [7]])
def test_a_count_that_is_none(count: Any) -> None:
    usage = {"prompt_tokens": count, "completion_tokens": count}
    assert only({"text": "a"}, usage=usage, created=count) == Response("a")


@given(json_values | completions)
def test_any_json_is_read_or_refused(body: Any) -> None:
    try:
        responses = read_completion(body)
    except ValueError:
        return
    assert 1 <= len(responses) <= len(body["choices"])
    for response in responses:
        for name, value in asdict(response).items():
            if name in ("text", "finish_reason"):
                assert isinstance(value, str)
                value.encode()
            elif name == "model":
                assert value is None or value.encode() is not None
            else:
                assert value is None or (type(value) is int and 0 <= value < 2**53)


@given(st.lists(st.text(), min_size=1, max_size=5), st.randoms())
def test_texts_survive_in_their_order(texts: list[str], random: Any) -> None:
    body = chat_reply(*texts)
    random.shuffle(body["choices"])
    assert [response.text for response in read_completion(body)] == texts


FAILED: list[dict[str, Any]] = [
    {"message": {"content": "A cat is a"}, "finish_reason": "error"},
    {"message": {"content": "A cat is a"}, "finish_reason": "engine_error"},
    {"text": "A cat is a", "finish_reason": "abort"},
    {"message": {"content": "A cat is a"}, "finish_reason": "stop", "error": {"message": "gone"}},
    {"message": None, "finish_reason": None, "error": "gone"},
    {"message": {"content": "A cat is a", "error": "gone"}, "finish_reason": "stop"},
    {"text": "A cat is a", "finish_reason": "stop", "native_finish_reason": "error"},
    {"error": {"code": 502}},
    {"text": "A cat is a", "finish_reason": {"type": "abort", "message": "gone"}},
    {"text": "A cat is a", "finish_reason": ["ERROR"]},
    {"text": "A cat is a", "finish_reason": 503},
    {"text": "A cat is a", "finish_reason": None, "native_finish_reason": "error"},
]


@pytest.mark.parametrize("failed", FAILED)
def test_what_a_fault_broke_off_is_no_answer(failed: dict[str, Any]) -> None:
    good = {"message": {"content": "A cat."}, "finish_reason": "stop"}
    assert [one.text for one in read_completion({"choices": [failed, good]})] == ["A cat."]
    with pytest.raises(FailedGenerationError):
        read_completion({"choices": [failed, failed]})


def test_a_failed_generation_tells_why_without_the_key() -> None:
    key = "secret-key-1234567"
    choice = {"message": {}, "error": {"code": 429, "message": f"{key} is too fast"}}
    with pytest.raises(FailedGenerationError, match=r"^\*\*\* is too fast$") as error:
        read_completion({"choices": [choice]}, key)
    assert error.value.code == 429


@pytest.mark.parametrize(
    ("message", "finish", "read"),
    [
        ({"content": None, "reasoning_content": "A cat."}, "stop", NO_CONTENT),
        ({"content": "", "reasoning": "A cat."}, None, NO_CONTENT),
        ({"reasoning_content": "Hm, a cat"}, "length", "length"),
        ({"content": "A cat.", "reasoning_content": "Hm."}, "stop", "stop"),
        ({"content": None, "refusal": "I cannot."}, "stop", "refusal"),
        ({"content": [{"type": "refusal", "refusal": "I cannot."}]}, None, "refusal"),
        ({"content": "A cat.", "refusal": "I cannot."}, "stop", "stop"),
        ({"content": None, "tool_calls": [{"id": "1"}]}, "stop", "tool_calls"),
        ({"content": "A cat."}, {"type": "length", "length": 9}, "length"),
        ({"content": "A cat."}, 2, "2"),
        ({"content": "A cat.", "refusal": None}, "end_turn", "end_turn"),
    ],
)
def test_where_the_text_stands_tells_how_it_ended(message: Any, finish: Any, read: str) -> None:
    assert only({"message": message, "finish_reason": finish}).finish_reason == read


@pytest.mark.parametrize("error", [None, {}, "", {"code": None, "message": None}, [], False])
def test_an_error_without_a_value_is_none(error: object) -> None:
    assert only({"text": "A cat.", "error": error}, error=error).finish_reason == "stop"


@pytest.mark.parametrize(
    "error",
    [
        {"code": "content_filter", "message": "filtered"},
        {"code": 400, "type": "content_policy_violation"},
        {"code": 403, "message": "Your input was flagged by a moderation model"},
        {"message": "no", "innererror": {"code": "ResponsibleAIPolicyViolation"}},
    ],
)
def test_what_a_filter_broke_off_is_no_fault(error: dict[str, Any]) -> None:
    assert only({"text": "A cat is", "error": error}).finish_reason == "content_filter"
    assert only({"text": "A cat is"}, error=error).finish_reason == "content_filter"


def test_an_error_of_the_whole_is_one_of_each_answer() -> None:
    body = chat_reply("A cat is a") | {"error": {"code": 502, "message": "gone"}}
    with pytest.raises(FailedGenerationError, match="gone"):
        read_completion(body)


@pytest.mark.parametrize(
    "feedback",
    [{"promptFeedback": {"blockReason": "SAFETY"}}, {"prompt_feedback": {"block_reason": 2}}],
)
def test_a_question_that_is_blocked_has_no_choice(feedback: dict[str, Any]) -> None:
    assert read_completion({"choices": []} | feedback) == [Response("", "content_filter")]
