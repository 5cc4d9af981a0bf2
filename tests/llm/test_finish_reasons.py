import pytest
from hypothesis import given
from hypothesis import strategies as st

from cupl.llm.finish_reasons import finish_kind


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (
            "stop",
            "stop eos eos_token end STOP end_turn stop_sequence COMPLETE FinishReason.STOP",
        ),
        ("length", "length MAX_TOKENS max_tokens model_length max_output_tokens MaxTokens"),
        ("content_filter", "content_filter SAFETY sensitive RECITATION guardrail_intervened"),
        ("fault", "error network_error insufficient_system_resource abort cancelled engine_error"),
        ("unknown", "tool_calls banana ERR"),
    ],
)
def test_servers_have_many_words_for_one_thing(kind: str, words: str) -> None:
    assert {word: finish_kind(word) for word in words.split()} == dict.fromkeys(words.split(), kind)


def test_the_name_of_an_enumeration_says_nothing() -> None:
    for spelled in (
        "FINISH_REASON_MAX_TOKENS",
        "finishReason.maxTokens",
        "Finish-Reason: max tokens",
    ):
        assert finish_kind(spelled) == "length"


@given(st.text(max_size=300))
def test_any_text_is_a_reason(text: str) -> None:
    assert finish_kind(text) in (
        "stop", "length", "content_filter", "fault", "no content", "unknown",
    )  # fmt: skip
