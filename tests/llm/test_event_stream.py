import contextlib
import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cupl.llm.event_stream import read_body
from cupl.llm.parsing import read_completion
from cupl.llm.protocol import Response, RetryableError
from tests.llm.one_request import refused, replying, run_requests
from tests.llm.strategies import json_values


def chunk(content: Any = None, index: int = 0, finish: Any = None, **more: Any) -> dict[str, Any]:
    delta = {} if content is None else {"content": content}
    return {"choices": [{"index": index, "delta": delta, "finish_reason": finish}]} | more


def stream(*chunks: Any, end: str = "\n", done: bool = True) -> bytes:
    events = [f"data: {json.dumps(one, ensure_ascii=False)}" for one in chunks]
    return "".join(
        f"{event}{end}{end}" for event in [*events, *["data: [DONE]"][: int(done)]]
    ).encode()


def texts(content: bytes) -> list[str]:
    return [response.text for response in read_completion(read_body(content))]


A_CAT = [chunk("A "), chunk("cat."), chunk(finish="stop")]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    "head",
    [
        "",
        "\ufeff",
        ": keepalive\n\n",
        "\n\n",
        "event: message\n",
        "id: 7\n",
        "retry: 1\n\n",
        ":\n\n",
    ],
)
def test_a_stream_of_any_server(end: str, head: str) -> None:
    content = head.replace("\n", end).encode() + stream(*A_CAT, end=end)
    assert texts(content) == ["A cat."]


@pytest.mark.parametrize(
    "content",
    [
        stream(*A_CAT, done=False),
        stream(chunk("A cat.")),  # the sign of the end, and no reason
        stream(*A_CAT)[:-2],
        stream(*A_CAT).replace(b"\n\n", b"\n"),  # no empty lines
        stream(*A_CAT).replace(b"data: ", b"data:"),
        stream(*A_CAT) + b"anything",
        stream({"choices": [{"delta": {"role": "assistant", "content": None}}]}, *A_CAT),
        stream({"choices": None}, {"choices": []}, *A_CAT, {"choices": []}),
        stream(chunk("A "), chunk("cat.", finish="stop")),
        stream({"choices": [{"index": 0, "text": "A "}]}, {"choices": [{"text": "cat."}]}),
        stream({"choices": [{"message": {"content": "A cat."}, "finish_reason": "stop"}]}),
        b": PROCESSING\n\n: PROCESSING\n\n" + stream(*A_CAT),
        b'data: {"choices": [{"delta":\ndata: {"content": "A cat."}}]}\n\ndata: [DONE]\n\n',
        b'{"choices": [{"message": {"content": "A cat."}}]}\n\ndata: [DONE]\n\n',
        b'{"choices": [{"text": "A cat."}]}\r\n\r\n: bye\r\n\r\ndata:[DONE]',
        b'\xef\xbb\xbf  {"choices": [{"text": "A cat."}]}',
    ],
)  # fmt: skip
def test_a_text_in_pieces(content: bytes) -> None:
    assert texts(content) == ["A cat."]


def test_several_answers_come_interleaved() -> None:
    content = stream(
        chunk("B ", 1), chunk("A ", 0), chunk("b", 1, "length"), chunk("a"), chunk(finish="stop"),
        {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4}, "model": "m-1"},
    )  # fmt: skip
    assert read_completion(read_body(content)) == [
        Response("A a", "stop", "m-1", 3, 4),
        Response("B b", "length", "m-1", 3, 4),
    ]


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning", "thinking"])
def test_thoughts_are_kept_apart(name: str) -> None:
    thought = {"choices": [{"index": 0, "delta": {name: "Hm. ", "content": ""}}]}
    body: Any = read_body(stream(thought, thought, *A_CAT))
    message = body["choices"][0]["message"]
    assert (message["content"], message["reasoning_content"]) == ("A cat.", "Hm. Hm. ")


def test_content_in_parts() -> None:
    thinking = [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}]
    content = stream(chunk(thinking), chunk("A "), chunk([{"type": "text", "text": "cat."}]))
    assert texts(content) == ["A cat."]


def test_the_error_of_a_choice_is_kept() -> None:
    failed = {"choices": [{"index": 0, "error": {"code": 502}, "finish_reason": "error"}]}
    body: Any = read_body(stream(chunk("A c"), failed))
    assert body["choices"][0]["error"] == {"code": 502}
    assert body["choices"][0]["finish_reason"] == "error"


@pytest.mark.parametrize(
    "end",
    [
        b'data: {"error": {"message": "overloaded", "code": 503}}\n\n',
        b'event: error\ndata: {"message": "overloaded"}\n\n',
        b"event: error\ndata: overloaded\n\n",
        b'event: error\r\ndata: {"error": {"message": "overloaded"}}\r\n\r\ndata: [DONE]\r\n\r\n',
    ],
)
@pytest.mark.parametrize("start", [b"", stream(chunk("A c"), done=False)])
def test_an_error_in_a_stream_is_a_fault(start: bytes, end: bytes) -> None:
    with replying(start + end, Content_Type="text/event-stream") as url:
        error = refused(url)
    assert isinstance(error, RetryableError)
    assert "overloaded" in str(error)


@pytest.mark.parametrize(
    "content",
    [
        stream(chunk("A c"), done=False),
        stream(chunk("A", 0, "stop"), chunk("B", 1), done=False),
        stream(chunk("A", 0, "stop"))[:-30],
        stream(*A_CAT, done=False) + b'data: {"choi',
        b": PROCESSING\n\n",
        b"event: message",
    ],
)
def test_a_stream_that_breaks_off_is_no_answer(content: bytes) -> None:
    with pytest.raises(EOFError):
        read_body(content)


def test_a_stream_that_comes_unasked() -> None:
    with replying(stream(*A_CAT), Content_Type="text/event-stream; charset=latin-1") as url:
        assert run_requests(url) == [Response("A cat.")]


@pytest.mark.parametrize("line", ["data: {}\n\n", "data:\n", ":\n", "id: 1\r"])
def test_a_flood_of_lines_takes_little_memory(line: str) -> None:
    content = (line * 400_000).encode()
    tracemalloc.start()
    try:
        with pytest.raises((ValueError, EOFError)):
            read_body(content)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 8 * len(content) + 10**6


pieces = st.lists(
    st.tuples(st.integers(0, 2), st.text(st.characters(codec="utf-8"), max_size=6)), max_size=12
)


@given(pieces, st.sampled_from(["\n", "\r\n", "\r"]))
def test_no_piece_is_lost(pieces: list[tuple[int, str]], end: str) -> None:
    # U+2028 and the like end lines for Python and not in a stream.
    ends = [chunk(None, index, "stop") for index in range(3)]
    content = stream(*(chunk(text, index) for index, text in pieces), *ends, end=end)
    assert texts(content) == ["".join(t for i, t in pieces if i == index) for index in range(3)]


@given(st.lists(json_values, max_size=4), st.binary(max_size=20))
@example([{"choices": 1.0}], b"")
@example([{"choices": {"index": 0}}], b"")
@example([{"choices": True}], b"")
@example([{"choices": "stop"}], b"")
def test_nothing_in_a_stream_breaks_its_reading(values: list[Any], tail: bytes) -> None:
    for done in (True, False):
        content = "".join(f"data: {json.dumps(value)}\n\n" for value in values).encode()
        content += b"data: [DONE]\n\n" if done else tail
        try:
            body = read_body(content)
        except (ValueError, EOFError):
            continue
        assert isinstance(body, dict | list | str | int | float | None)


@given(
    st.binary(max_size=60) | st.text(alphabet='data: {}[]"\n\r:event', max_size=60).map(str.encode)
)
def test_no_bytes_break_it(content: bytes) -> None:
    with contextlib.suppress(ValueError, EOFError):
        read_body(content)


@pytest.mark.parametrize(
    ("delta", "reason"),
    [
        ({"refusal": "I cannot "}, "refusal"),
        ({"tool_calls": [{"index": 0}]}, "tool_calls"),
        ({"function_call": {"name": "draw"}}, "tool_calls"),
        ({"reasoning": "Hm."}, "reasoning_content"),
        ({"thinking": "Hm."}, "reasoning_content"),
    ],
)
def test_what_comes_in_place_of_a_text(delta: dict[str, Any], reason: str) -> None:
    pieces = [{"choices": [{"index": 0, "delta": delta}]}] * 2
    (response,) = read_completion(read_body(stream(*pieces, chunk(finish="stop"))))
    assert (response.text, response.finish_reason) == ("", reason)
