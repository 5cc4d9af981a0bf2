"""Why an answer ended, in one word for the many that servers have.

The response cache keeps the server's own word; it is read here, so that what was kept long ago
means the same as what comes today.
"""

from __future__ import annotations

import re
from typing import Literal

FinishKind = Literal["stop", "length", "content_filter", "fault", "no content", "unknown"]
"""``stop``: the model ended it. ``length``: the room for it did. ``content_filter``: the server
held it back. ``fault``: something broke, and the text is what there was until then. ``no content``:
the text came as the model's reasoning. ``unknown``: any other word; such a text may be cut off."""

NO_CONTENT = "reasoning_content"
"""Our own word for an answer that stands in ``reasoning_content`` instead of ``content``."""

_WORDS: dict[FinishKind, str] = {
    "stop": """
        stop stopped eos eos_token eos_token_id eos_found end end_turn end_of_turn end_of_text
        endoftext end_of_sequence stop_sequence stop_sequences stop_token stop_string stop_str
        stop_word stop_words stop_criteria matched_stop complete completed completion done finish
        finished success succeeded natural normal null none
    """,
    "length": """
        length length_limit length_capped max_length max_len max_tokens max_token max_new_tokens
        max_output_tokens max_completion_tokens max_output_reached model_length
        model_context_window_exceeded context_length context_length_exceeded context_limit
        context_window token_limit tokens_limit limit error_limit time_limit truncated incomplete
        max_tokens_reached length_exceeded budget_exhausted
    """,
    "content_filter": """
        content_filter content_filtered content_filter_error content_policy
        content_policy_violation filter filtered safety image_safety sensitive recitation blocklist
        blocked prohibited_content spii refusal refused guardrail guardrails
        guardrail_intervened moderation moderated flagged error_toxic toxic risk security
        responsibleaipolicyviolation data_inspection_failed
    """,
    "fault": """
        error errored network_error networkerror server_error internal_error internal_server_error
        provider_error upstream_error model_error engine_error api_error unexpected_error
        insufficient_system_resource insufficient_resources resource_exhausted out_of_memory oom
        abort aborted cancel canceled cancelled cancellation disconnect disconnected
        connection_error timeout time_out timed_out deadline_exceeded fail failed failure exception
        interrupted interrupt preempted evicted eviction unload unloaded overloaded
        overloaded_error load rate_limit rate_limited malformed_response user_cancel crash crashed
    """,
    "no content": NO_CONTENT,
}
_KINDS = {word: kind for kind, words in _WORDS.items() for word in words.split()}
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_NO_LETTERS = re.compile(r"[^a-z0-9]+")


def finish_kind(reason: str) -> FinishKind:
    """What a server's word for the end of an answer means."""
    # Enumerations come with their names: FinishReason.MAX_TOKENS, FINISH_REASON_STOP.
    words = _NO_LETTERS.sub("_", _HUMP.sub("_", reason).lower()).strip("_")
    bare = re.sub(r"^(?:finish|stop)_?reason_", "", words)
    return _KINDS.get(bare) or _KINDS.get(bare.replace("_", ""), "unknown")
