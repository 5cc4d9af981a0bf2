"""What a server that fails says in place of a good answer; tests/faults.py sends it."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

HEALING = (
    "429",
    "500",
    "503",
    "html-502",
    "drop",
    "drop-midway",
    "html",
    "wrong-type",
    "truncated-json",
    "not-a-completion",
    "no-choices",
    "fewer",
    "more",
    "empty",
    "null",
    "content-filter",
    "length",
    "huge",
)
"""Faults that a client gets over by asking again; none of them takes time.

``fewer`` and ``more`` are about the number of answers; asked for a single one, ``fewer`` gives it.
"""
SLOW = ("hang", "drip", "huge-chunked")
"""Faults that last until the client leaves or the server stops."""
FATAL = ("401", "403", "404", "quota", "bad-parameter", "echo-key")
"""Faults that the next request would meet again."""
KINDS = (*HEALING, *SLOW, *FATAL, "failed-choice", "echo-key-answer", "redirect-loop")
"""All faults. The last three are half a sentence that the server could not finish, a good answer
that repeats the key, and 307 to itself for ever."""

HUGE = 10_000_000
"""Characters of the first text of ``huge``."""


@dataclass(frozen=True)
class Fault:
    """What a request meets in place of a good answer; ``retry_after`` goes out as it is."""

    kind: str
    retry_after: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"unknown kind of fault: {self.kind!r}")


@dataclass(frozen=True)
class Post:
    target: str
    token: str
    body: dict[str, Any]

    @property
    def n(self) -> int:
        return int(self.body.get("n") or 1)

    @property
    def question(self) -> str:
        """The last message of a chat, or the whole prompt."""
        said = self.body["messages"][-1]["content"] if "messages" in self.body else None
        return str(self.body["prompt"] if said is None else said)


@dataclass(frozen=True)
class Reply:
    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)

    def wire(self) -> bytes:
        headers = {
            "Content-Type": "application/json",
            "Content-Length": str(len(self.body)),
        } | self.headers
        lines = [f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return "\r\n".join([*lines, "", ""]).encode() + self.body


_Error = tuple[int, str, str | None, str | None]
ERRORS: dict[str, _Error] = {  # status, message, code, param
    "429": (429, "Rate limit reached for requests", "rate_limit_exceeded", None),
    "500": (500, "The server had an error while processing your request", None, None),
    "503": (503, "The engine is currently overloaded", None, None),
    "401": (401, "Incorrect API key provided", "invalid_api_key", None),
    "403": (403, "You are not allowed to sample from this model", None, None),
    "404": (404, "The model does not exist", "model_not_found", None),
    "quota": (429, "You exceeded your current quota", "insufficient_quota", None),
    "bad-parameter": (
        400,
        "Unsupported value: 'temperature' does not support 0.99 with this model",
        "unsupported_value",
        "temperature",
    ),
    "echo-key": (401, "Incorrect API key provided: {token}.", "invalid_api_key", None),
}
_PAGE = b"<!DOCTYPE html><html><body><h1>Something went wrong</h1></body></html>"
_FIXED = {
    "html": Reply(200, _PAGE, {"Content-Type": "text/html"}),
    "html-502": Reply(502, _PAGE, {"Content-Type": "text/html"}),
    "wrong-type": Reply(200, b"upstream is warming up", {"Content-Type": "text/plain"}),
    "not-a-completion": Reply(200, b'{"hello": "world"}'),
    "no-choices": Reply(200, b'{"choices": []}'),
    "drip": Reply(200, b"", {"Content-Length": str(HUGE)}),
}
_BLANK = {"empty": "", "null": None, "content-filter": ""}


def error_reply(error: _Error, token: str) -> Reply:
    status, message, code, param = error
    said = {
        "message": message.replace("{token}", token),
        "type": "error",
        "param": param,
        "code": code,
    }
    return Reply(status, json.dumps({"error": said}).encode())


def models_reply(*names: str) -> Reply:
    """The list of models."""
    data = [{"id": name, "object": "model", "owned_by": "us"} for name in names]
    return Reply(200, json.dumps({"object": "list", "data": data}).encode())


def _completion(post: Post, texts: Sequence[str | None], finish: str = "stop") -> Reply:
    """A chat or text completion, by the path that was asked."""
    chat = post.target.endswith("/chat/completions")
    asked = len(post.question.split())
    said = sum(text.count(" ") + 1 for text in texts if text)
    body = {
        "id": "cmpl-1",
        "object": "chat.completion" if chat else "text_completion",
        "created": 1_700_000_000,
        "model": post.body.get("model"),
        "choices": [
            {"index": index, "finish_reason": finish, "logprobs": None}
            | ({"message": {"role": "assistant", "content": text}} if chat else {"text": text})
            for index, text in enumerate(texts)
        ],
        "usage": {
            "prompt_tokens": asked,
            "completion_tokens": said,
            "total_tokens": asked + said,
        },
    }
    return Reply(200, json.dumps(body).encode())


Answer = Callable[[str, int], list[str]]
"""The good answers to a question."""


def reply_to(kind: str, post: Post, answer: Answer) -> Reply:
    """What the server says, or would say if the fault did not cut it."""
    if kind in ERRORS:
        return error_reply(ERRORS[kind], post.token)
    if kind in _FIXED:
        return _FIXED[kind]
    if kind in _BLANK:
        finish = "content_filter" if kind == "content-filter" else "stop"
        return _completion(post, [_BLANK[kind]] * post.n, finish)
    if kind == "redirect-loop":
        # The mark in the address keeps the loop from using up the script.
        return Reply(307, b"", {"Location": f"{post.target.partition('?')[0]}?loop"})
    number = {"fewer": max(1, post.n // 2), "more": post.n + 2}.get(kind, post.n)
    texts = answer(post.question, number)
    match kind:
        case "failed-choice":
            return _completion(post, [text[: len(text) // 2] for text in texts], "error")
        case "length":
            return _completion(post, [text[: len(text) // 2] for text in texts], "length")
        case "huge":
            again = f"{texts[0]} " * (HUGE // len(texts[0]) + 1)
            return _completion(post, [again[:HUGE], *texts[1:]])
        case "echo-key-answer":
            return _completion(post, [f"{text} {post.token}" for text in texts])
        case "truncated-json":
            whole = _completion(post, texts).body
            return Reply(200, whole[: len(whole) // 2])
    return _completion(post, texts)
