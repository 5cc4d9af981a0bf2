"""A completion that came in pieces, as server-sent events, put together to a whole one.

The format of the stream: https://html.spec.whatwg.org/multipage/server-sent-events.html.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from cupl.llm.parsing import MAX_CHOICES, THOUGHTS

_LINE_END = re.compile(r"\r\n|\n|\r")
"""Others that Python knows, such as U+2028, may stand inside of JSON."""
_FIELD = re.compile(r"(?:data|event|id|retry)?:|(?:data|event|id|retry)\s*$")
_DONE = "[DONE]"
_MAX_DATA = 300_000
"""Lines of data in the longest stream; a token and all that stands around it is one."""


def read_body(content: bytes) -> object:
    """The JSON of a response, whole or in pieces, whatever its header calls it.

    Args:
        content: the body. Behind a whole JSON there may be the end of a stream.

    Returns:
        The JSON; of a stream, a completion in the form that it has when it comes whole, or
        ``{"error": ...}``.

    Raises:
        ValueError: it is neither.
        EOFError: it is a stream that breaks off.
        RecursionError: it has too many levels.

    """
    text = content.decode(json.detect_encoding(content), "surrogatepass").strip("\ufeff \t\r\n")
    if _is_stream(text):
        return _completion(_payloads(text))
    body, end = json.JSONDecoder().raw_decode(text)
    rest = text[end:].lstrip()
    if rest and not _is_stream(rest):
        raise ValueError("something behind the JSON")
    error = next(_errors(_payloads(rest)), None)
    return body if error is None else {"error": error}


def _is_stream(text: str) -> bool:
    return bool(_FIELD.match(_LINE_END.split(text[:100], 1)[0]))


class _Event(NamedTuple):
    kind: str
    data: list[str]


def _lines(text: str) -> Iterator[str]:
    """One after the other, and an empty one at the end; a list of all may take much memory."""
    start = 0
    for end in _LINE_END.finditer(text):
        yield text[start : end.start()]
        start = end.end()
    yield text[start:]
    yield ""


def _events(text: str) -> Iterator[_Event]:
    event, number = _Event("", []), 0
    for line in _lines(text):
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            number += 1
            if number > _MAX_DATA:
                raise ValueError("too many pieces")
            event.data.append(value)
        elif name == "event":
            event = event._replace(kind=value.strip())
        elif not line:
            if event.data:
                yield event
            event = _Event("", [])


def _payloads(text: str) -> Iterator[Any]:
    """The JSON of each event, an error as ``{"error": ...}``, and None for the sign of the end.

    Raises:
        ValueError: an event is no JSON.
        EOFError: nor is the last one, as where it was cut.

    """
    events = _events(text)
    event = next(events, None)
    while event is not None:
        following = next(events, None)
        try:
            payloads = list(_parsed(event))
        except ValueError:
            if following is None:
                raise EOFError from None
            raise
        yield from payloads
        if None in payloads:
            return
        event = following


def _parsed(event: _Event) -> Iterator[Any]:
    try:
        whole = [json.loads("\n".join(event.data))]
        lines = whole
    except ValueError:
        # The sign of the end is no JSON, and some servers leave out the empty lines.
        said = [line.strip() for line in event.data if line.strip()]
        if event.kind == "error" and said != [_DONE]:
            whole = ["\n".join(said)]
            lines = whole
        else:
            lines = [None if line == _DONE else json.loads(line) for line in said]
    for value in lines:
        failed = event.kind == "error" and not (isinstance(value, dict) and "error" in value)
        yield {"error": value} if failed else value


def _errors(payloads: Iterator[Any]) -> Iterator[Any]:
    return (body["error"] for body in payloads if isinstance(body, dict) and body.get("error"))


def _completion(payloads: Iterator[Any]) -> dict[str, Any]:
    whole: dict[str, Any] = {}
    choices: dict[int, _Choice] = {}
    ended = False
    for chunk in payloads:
        if chunk is None:
            ended = True
            break
        if not isinstance(chunk, dict):
            raise ValueError("an event that is no part of a completion")
        if chunk.get("error"):
            return {"error": chunk["error"]}
        for name in ("model", "created", "usage"):
            if chunk.get(name) is not None:
                whole[name] = chunk[name]
        parts = chunk.get("choices") or []
        if not isinstance(parts, list):
            raise ValueError("choices that are no list")
        for part in parts:
            number = part.get("index") if isinstance(part, dict) else 0
            if type(number) is not int or not 0 <= number < MAX_CHOICES:
                number = 0
            choices.setdefault(number, _Choice()).add(part)
    if not ended and not (choices and all(choice.finish_reason for choice in choices.values())):
        raise EOFError
    whole["choices"] = [choices[number].whole(number) for number in sorted(choices)]
    return whole


class _Choice:
    """One of the answers, as far as it has come."""

    def __init__(self) -> None:
        self.finish_reason: object = None
        self._error: object = None
        self._parts: list[Any] = []
        self._thoughts: list[str] = []
        self._refusals: list[str] = []
        self._calls: object = None

    def add(self, part: object) -> None:
        """Take in a piece.

        Raises:
            ValueError: it is none.

        """
        if not isinstance(part, dict):
            raise ValueError("a choice that is none")
        self.finish_reason = part.get("finish_reason") or self.finish_reason
        self._error = part.get("error") or self._error
        # Text completions have it in the choice itself; some servers send a message in one piece.
        delta = part.get("delta") or part.get("message")
        delta = delta if isinstance(delta, dict) else {}
        said = delta.get("content", part.get("text"))
        self._parts += said if isinstance(said, list) else [] if said is None else [said]
        thought = next((delta[name] for name in THOUGHTS if delta.get(name)), None)
        if isinstance(thought, str):
            self._thoughts.append(thought)
        if isinstance(refusal := delta.get("refusal"), str):
            self._refusals.append(refusal)
        self._calls = delta.get("tool_calls") or delta.get("function_call") or self._calls

    def whole(self, number: int) -> dict[str, Any]:
        """The choice as it is in a completion that comes whole."""
        said: Any = self._parts
        if all(isinstance(part, str) for part in said):
            said = "".join(said)
        else:
            said = [
                {"type": "text", "text": part} if isinstance(part, str) else part for part in said
            ]
        message: dict[str, Any] = {"role": "assistant", "content": said}
        if self._thoughts:
            message["reasoning_content"] = "".join(self._thoughts)
        if self._refusals:
            message["refusal"] = "".join(self._refusals)
        if self._calls:
            message["tool_calls"] = self._calls
        choice = {"index": number, "finish_reason": self.finish_reason, "message": message}
        return choice if self._error is None else choice | {"error": self._error}
