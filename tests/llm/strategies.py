"""JSON that looks like a server's, and is anything."""

from hypothesis import strategies as st

_NAMES = [
    "choices", "message", "content", "text", "delta", "index", "finish_reason", "usage", "model",
    "prompt_tokens", "completion_tokens", "created", "error", "code", "type", "param", "detail",
    "loc", "msg", "temperature", "metadata", "raw", "provider_name", "details", "retryDelay",
    "violations", "quotaId", "status",
]  # fmt: skip
_LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=10)  # lone surrogates too
    | st.sampled_from([*_NAMES, 400, 2**53, -1, "insufficient_quota", "content_filter", "<p>"])
)
json_values = st.recursive(
    _LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(_NAMES) | st.text(max_size=3), inner, max_size=5)
    ),
    max_leaves=20,
)
choices = st.fixed_dictionaries(
    {},
    optional={
        "message": json_values | st.fixed_dictionaries({"content": json_values}),
        "text": json_values,
        "index": json_values,
        "finish_reason": json_values,
    },
)
completions = st.fixed_dictionaries(
    {"choices": st.lists(choices, max_size=4) | json_values},
    optional={"usage": json_values, "model": json_values, "created": json_values},
)
statuses = st.sampled_from([200, 302, 400, 401, 403, 404, 405, 407, 422, 429, 500, 501, 511])
