"""What a completion of OpenAI's protocol says, read from JSON that anything may have written."""

from __future__ import annotations

from typing import Any

from cupl.llm.finish_reasons import NO_CONTENT, finish_kind
from cupl.llm.protocol import MAX_ANSWER, Response
from cupl.llm.redaction import redact, scrub

MAX_CHOICES = 10_000
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


def read_completion(body: object, *secrets: str) -> list[Response]:
    """The answers of a chat or text completion, in their order, without those that failed.

    Args:
        body: the JSON.
        secrets: what must not be in them, such as the key: a server may echo it.

    Raises:
        FailedGenerationError: all of its answers failed.
        ValueError: it is no completion, or has no answers.

    """
    try:
        choices = _in_order(body["choices"][:MAX_CHOICES])  # type: ignore[index]
        whole = [choice for choice in choices if not _failed(choice)]
        if choices and not whole:
            raise _failure(choices[0], *secrets)
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
            for choice in whole
        ]
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError("not a completion") from error
    if not responses:
        raise ValueError("a completion without an answer")
    return responses


def _failed(choice: dict[str, Any]) -> bool:
    """Whether a fault broke it off: what there is of a text is then half a sentence."""
    return bool(choice.get("error")) or finish_kind(_finish(choice)) == "fault"


def _failure(choice: dict[str, Any], *secrets: str) -> FailedGenerationError:
    error = choice.get("error")
    code = _count(_dict(error).get("code"))
    ended = _name(choice.get("finish_reason")) or (f"status {code}" if code else "no reason given")
    said = _text(error) or _text(_dict(error).get("message")) or ended
    return FailedGenerationError(redact(said, *secrets), code)


def _in_order(choices: list[Any]) -> list[Any]:
    indexed = all(type(choice.get("index")) is int for choice in choices)
    return sorted(choices, key=lambda choice: int(choice["index"])) if indexed else choices


def _finish(choice: dict[str, Any]) -> str:
    """Why it ended, in the server's word where it has one.

    A refusal, and a text that stands beside the place for it, are no empty answers.
    """
    finish = _name(choice.get("finish_reason")) or "stop"
    message = _dict(choice.get("message"))
    if finish_kind(finish) not in ("stop", "unknown") or _text_of(choice).strip():
        return finish
    if _text(message.get("refusal")):
        return "content_filter"
    thought = (_text(message.get(name)) for name in ("reasoning_content", "reasoning"))
    return NO_CONTENT if any(thought) else finish


def _text_of(choice: dict[str, Any]) -> str:
    """What was said; no message, as some servers put it, is one that says nothing."""
    said = _dict(choice["message"]).get("content") if "message" in choice else choice["text"]
    if isinstance(said, list):  # parts, of which some are no text
        said = "".join(_text(_dict(part).get("text")) or "" for part in said)
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
