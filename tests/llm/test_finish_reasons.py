import pytest
from hypothesis import given
from hypothesis import strategies as st

from cupl.llm.finish_reasons import finish_kind, finish_word

WORDS = {
    "stop": """
        stop stopped eos eos_token eos_token_id eos_found end end_turn end_of_turn end_of_text
        endoftext end_of_sequence stop_sequence stop_sequences stop_token stop_string stop_str
        stop_word stop_words stop_criteria matched_stop complete completed completion done finish
        finished success succeeded natural normal null none STOP COMPLETE FinishReason.STOP
        FINISH_REASON_STOP endTurn stopsequence model_stop natural_end ok
    """,
    "length": """
        length length_limit length_capped max_length max_len max_tokens max_token max_new_tokens
        max_output_tokens max_completion_tokens max_output_reached model_length
        model_context_window_exceeded context_length context_length_exceeded context_limit
        context_window token_limit tokens_limit limit error_limit ERROR_LIMIT time_limit truncated
        incomplete max_tokens_reached length_exceeded budget_exhausted MAX_TOKENS MaxTokens
        output_truncated max_time MaxCompletionLength stop_max_length unfinished cutoff
    """,
    "content_filter": """
        content_filter content_filtered content_filter_error content_policy
        content_policy_violation filter filtered safety image_safety sensitive recitation blocklist
        blocked prohibited_content spii guardrail guardrails guardrail_intervened moderation
        moderated flagged error_toxic toxic risk security responsibleaipolicyviolation
        data_inspection_failed SAFETY RECITATION ContentFiltered stopped_by_safety unsafe
    """,
    "refusal": "refusal refused REFUSAL model_refusal",
    "tool": "tool_calls tool_use function_call TOOL_CALL ToolCalls toolcalls",
    "fault": """
        error errored network_error networkerror server_error internal_error internal_server_error
        provider_error upstream_error model_error engine_error api_error unexpected_error
        insufficient_system_resource insufficient_resources resource_exhausted out_of_memory oom
        abort aborted cancel canceled cancelled cancellation disconnect disconnected
        connection_error timeout time_out timed_out deadline_exceeded fail failed failure exception
        interrupted interrupt preempted evicted eviction unload unloaded overloaded
        overloaded_error load rate_limit rate_limited malformed_response user_cancel crash crashed
        MALFORMED_FUNCTION_CALL worker_died service_unavailable NetworkError client_disconnect
        quota_exceeded killed 500 503 429 broken_pipe throttled engine_dead repetition no_capacity
    """,
    "unknown": "banana ERR other 1 2 0 not_stopped pause_turn language True",
    "no content": "reasoning_content",
}


@pytest.mark.parametrize(("kind", "words"), WORDS.items())
def test_servers_have_many_words_for_one_thing(kind: str, words: str) -> None:
    assert {word: finish_kind(word) for word in words.split()} == dict.fromkeys(words.split(), kind)


def test_the_name_of_an_enumeration_says_nothing() -> None:
    for spelled in (
        "FINISH_REASON_MAX_TOKENS",
        "finishReason.maxTokens",
        "Finish-Reason: max tokens",
    ):
        assert finish_kind(spelled) == "length"


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        ({"type": "abort", "message": "gone"}, "abort"),
        ({"type": "stop", "matched": 151645}, "stop"),
        ({"type": "LENGTH", "length": 50}, "LENGTH"),
        ({"reason": {"name": "error"}}, "error"),
        ({"finish_reason": "length"}, "length"),
        (["stop"], "stop"),
        ([{"type": "error"}], "error"),
        (2, "2"),
        (500, "500"),
        (None, None),
        ("", None),
        ({}, None),
        ([], None),
        ({"type": None}, None),
        ([[[[[["stop"]]]]]], None),
    ],
)
def test_a_reason_comes_as_a_word_an_object_or_a_number(reason: object, word: str | None) -> None:
    assert finish_word(reason) == word


@given(st.text(max_size=300))
def test_any_text_is_a_reason(text: str) -> None:
    assert finish_kind(text) in WORDS
