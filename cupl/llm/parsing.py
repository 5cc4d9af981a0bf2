"""What a completion of OpenAI's protocol says, read from JSON that anything may have written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from cupl.llm.error_bodies import is_about_content
from cupl.llm.finish_reasons import NO_CONTENT, finish_kind, finish_word
from cupl.llm.protocol import MAX_ANSWER, Response
from cupl.llm.redaction import redact, scrub

MAX_CHOICES = 10_000
THOUGHTS = ("reasoning_content", "reasoning", "reasoning_text", "thinking", "thought")
"""Fields of a message in which servers put what a model thought."""
_MAX_NAME = 200
"""Characters of the longest name of a model, and of a reason to finish."""


class FailedGenerationError(ValueError):
    """Every answer of a completion broke off by a fault of the server.

    Args:
        said: what the server says of it.
        code: its HTTP status, where it names one.

    """

    def __init__(self, said: str, code: int | None = None) -> None:
        super().__init__(said)
        self.code = code


class Completion(NamedTuple):
    """What a completion holds."""

    responses: list[Response]
    failures: list[FailedGenerationError]
    """One for each answer that a fault broke off."""


def read_completion(body: object, *secrets: str) -> list[Response]:
    """The answers of a chat or text completion, in their order, without those that failed.

    Args:
        body: the JSON.
        secrets: what must not be in them, such as the key: a server may echo it.

    Raises:
        FailedGenerationError: all of its answers failed.
        ValueError: it is no completion, or has no answers.

    """
    responses, failures = read_choices(body, *secrets)
    if not responses:
        raise failures[0]
    return responses


def read_choices(body: object, *secrets: str) -> Completion:
    """The answers of a chat or text completion, in their order, and those that failed.

    Args:
        body: the JSON.
        secrets: what must not be in them.

    Raises:
        ValueError: it is no completion, or has neither.

    """
    try:
        choices = _in_order(body["choices"][:MAX_CHOICES])  # type: ignore[index]
        if fault := _fault_in(body):
            choices = [choice | {"error": fault} for choice in choices]
        failures = [_failure(choice, *secrets) for choice in choices if _failed(choice)]
        usage = _dict(body.get("usage"))  # type: ignore[attr-defined]
        model = _name(body.get("model"))  # type: ignore[attr-defined]
        responses = [
            Response(
                text=scrub(_text_of(choice), *secrets),
                finish_reason=scrub(_finish(choice), *secrets),
                model=model and scrub(model, *secrets),
                prompt_tokens=_count(usage.get("prompt_tokens")),
                completion_tokens=_count(usage.get("completion_tokens")),
                created=_count(body.get("created")),  # type: ignore[attr-defined]
            )
            for choice in choices
            if not _failed(choice)
        ]
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError("not a completion") from error
    if not choices:
        if _is_blocked(body):
            return Completion([Response("", "content_filter", model)], [])
        raise ValueError("a completion without an answer")
    return Completion(responses, failures)


def _is_blocked(body: object) -> bool:
    """Whether a filter turned the question down and there is no choice at all: Gemini's way."""
    said = _dict(body)
    feedback = _dict(said.get("promptFeedback") or said.get("prompt_feedback"))
    return bool(feedback.get("blockReason") or feedback.get("block_reason"))


def _failed(choice: dict[str, Any]) -> bool:
    """Whether a fault broke it off: what there is of a text is then half a sentence."""
    return finish_kind(_finish(choice)) == "fault"


def _fault_in(place: object) -> object:
    """What stands as the error there; one without any value is none."""
    error = _dict(place).get("error")
    return any(error.values()) and error if isinstance(error, dict) else error


def _fault_of(choice: dict[str, Any]) -> object:
    return _fault_in(choice) or _fault_in(choice.get("message"))


def _failure(choice: dict[str, Any], *secrets: str) -> FailedGenerationError:
    error = _fault_of(choice) or choice.get("finish_reason")
    code = _count(_dict(error).get("code"))
    ended = finish_word(choice.get("finish_reason")) or "no reason given"
    ended = f"status {code}" if code else ended
    said = _text(error) or _text(_dict(error).get("message")) or ended
    return FailedGenerationError(redact(said, *secrets), code)


def _in_order(choices: list[Any]) -> list[Any]:
    indexed = all(type(choice.get("index")) is int for choice in choices)
    return sorted(choices, key=lambda choice: int(choice["index"])) if indexed else choices


def _finish(choice: dict[str, Any]) -> str:
    """Why it ended, in the server's word where it has one.

    A refusal, and a text that stands beside the place for it, are no empty answers.
    """
    if fault := _fault_of(choice):
        return "content_filter" if is_about_content({"error": fault}) else "error"
    word = finish_word(choice.get("finish_reason"))
    native = finish_word(choice.get("native_finish_reason"))  # of the server behind a gateway
    if native and (word is None or finish_kind(native) in ("fault", "length")):
        word = native
    finish = _name(word) or "stop"
    message = _dict(choice.get("message"))
    if finish_kind(finish) not in ("stop", "unknown") or _text_of(choice).strip():
        return finish
    if any(_refusals(message)):
        return "refusal"
    if message.get("tool_calls") or message.get("function_call"):
        return "tool_calls"
    return NO_CONTENT if any(_said(message.get(name)) for name in THOUGHTS) else finish


def _refusals(message: dict[str, Any]) -> Iterator[str]:
    """Why the model would not answer, as a field or as a part of the content."""
    parts = message.get("content")
    for place in (message, *(map(_dict, parts) if isinstance(parts, list) else ())):
        yield _said(place.get("refusal"))


def _text_of(choice: dict[str, Any]) -> str:
    """What was said; no message, as some servers put it, is one that says nothing."""
    if "message" not in choice:
        return _said(choice["text"])
    return _said(_dict(choice["message"]).get("content"))


def _said(said: object) -> str:
    """A text, whole or in parts, of which some may be none."""
    if isinstance(said, list):
        said = "".join(_text(part) or _text(_dict(part).get("text")) or "" for part in said)
    return _text(said) or ""


def _name(value: object) -> str | None:
    return _text(value, _MAX_NAME)


def _text(value: object, most: int = MAX_ANSWER + 1) -> str | None:
    """The text, if it is one. Half a surrogate pair is legal JSON and no valid UTF-8.

    A text that is too long for an answer is kept so long that this can be seen.
    """
    if not isinstance(value, str):
        return None
    return value[:most].encode("utf-8", "replace").decode()


def _count(value: object) -> int | None:
    return value if type(value) is int and 0 <= value < 2**53 else None


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
