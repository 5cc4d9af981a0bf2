import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cupl.errors import InputError
from cupl.llm.extra import MAX_EXTRA, parse_extra
from cupl.llm.protocol import Request, Sampling


def request_with(extra: Any, **more: Any) -> Request:
    sampling = Sampling(extra=extra, **more)
    return Request("http://localhost/v1", "m", "chat", "Q?", sampling=sampling)


def test_extra_is_sent_and_part_of_the_key() -> None:
    request = request_with({"top_k": 20, "chat_template_kwargs": {"enable_thinking": False}})
    assert request.body()["top_k"] == 20
    assert request.body()["chat_template_kwargs"] == {"enable_thinking": False}
    keys = {request.digest, request_with({"top_k": 21}).digest, request_with({"min_p": 20}).digest}
    assert len(keys | {request_with(None).digest}) == 4


def test_one_setting_is_one_key() -> None:
    same = [{"a": 1, "b": [2.0]}, {"b": (2,), "a": 1.0}, {"b": [2], "a": 1}]
    assert len({request_with(extra).digest for extra in same}) == 1
    assert request_with({"a": True}).digest != request_with({"a": 1}).digest
    assert request_with({"a": 1.5}).digest != request_with({"a": 1}).digest


def test_no_extra_has_the_key_of_old() -> None:
    assert request_with({}).digest == request_with(None).digest
    assert Sampling(extra={}) == Sampling()
    assert len({Sampling(extra={"a": 1}), Sampling(extra={"a": 1})}) == 1


def test_what_is_changed_later_changes_nothing() -> None:
    extra: dict[str, Any] = {"a": {"b": 1}}
    request = request_with(extra)
    extra["a"]["b"] = 2
    request.body()["a"]["b"] = 3
    assert request.body()["a"] == {"b": 1}


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("model", {"model"}),
        ("messages", {"questions", "preamble"}),
        ("prompt", {"questions", "preamble"}),
        ("n", {"n"}),
        ("temperature", {"temperature"}),
        ("top_p", {"top_p"}),
        ("max_tokens", {"max_tokens"}),
        ("max_completion_tokens", {"max_tokens"}),
        ("stop", {"stop"}),
        ("seed", {"seed"}),
        ("stream", {"extra"}),
        ("stream_options", {"extra"}),
    ],
)
def test_what_cupl_sets_itself_is_refused(name: str, arguments: set[str]) -> None:
    with pytest.raises(InputError, match=name) as caught:
        Sampling(extra={name: 1})
    assert set(caught.value.arguments) == arguments


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def endless() -> dict[str, Any]:
    value: dict[str, Any] = {}
    value["a"] = value
    return value


@pytest.mark.parametrize(
    "extra",
    [
        [1], "a", 3, {1: 2}, {"a": float("nan")}, {"a": [float("inf")]}, {"a": {2}},
        {"a": object()},
        {"a": deep(11)}, {"a": deep(100_000)}, {"a": list(range(1001))}, {"a": "x" * MAX_EXTRA},
        {"a": 10**5000}, {"a": "\ud83d"}, {"a": b"x"}, endless(), {"a": {None: 1}},
    ],
)  # fmt: skip
def test_what_is_no_json_object_or_too_much_of_it(extra: Any) -> None:
    with pytest.raises(InputError, match="^extra ") as caught:
        Sampling(extra=extra)
    assert caught.value.arguments == {"extra": ...}
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    "extra",
    [
        {"api_key": "hunter22"},
        {"a": {"Authorization": "hunter22"}},
        {"client_secret": "hunter22"},
        {"access_token": "hunter22"},
        {"a": ["sk-hunter2200"]},
        {"headers": "Bearer hunter22"},
        {"a": "my-very-own-key-hunter22"},
    ],
)
def test_a_key_is_neither_stored_nor_shown(extra: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "my-very-own-key-hunter22")
    with pytest.raises(InputError, match="key or password") as caught:
        Sampling(extra=extra)
    assert "hunter22" not in str(caught.value)
    assert caught.value.arguments == {"api_key_env": ...}


@pytest.mark.parametrize(
    "name", ["thinking_token_budget", "eos_token", "bad_words", "keyed", "pass"]
)
def test_other_names_are_no_keys(name: str) -> None:
    assert Sampling(extra={name: 1}).extra == {name: 1}


@pytest.mark.parametrize(
    "text",
    ["", "{", "[1]", "null", "3", '{"a": NaN}', '{"a": -Infinity}', '{"a": 1, "a": 2}', "'{}'",
     "[" * 9000, "[" * 90_000, '{"a": ' + "1" * 5000 + "}", '{"a": "secret'],
)  # fmt: skip
def test_text_that_is_no_json_object(text: str) -> None:
    with pytest.raises(InputError, match="^extra ") as caught:
        parse_extra(text)
    assert "secret" not in str(caught.value)
    assert len(str(caught.value)) < 200


names = st.text(max_size=5).map(lambda text: f"x{text}")
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=10,
)  # fmt: skip


@given(st.dictionaries(names, values, max_size=4))
def test_what_is_checked_is_json_of_the_same_value(extra: dict[str, Any]) -> None:
    checked = Sampling(extra=extra).extra or {}
    assert checked == extra
    assert parse_extra(json.dumps(checked)) == checked
    assert request_with(checked).digest == request_with(extra).digest
