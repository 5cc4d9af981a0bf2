"""What a completion of OpenAI's protocol says, read from JSON that anything may have written."""

from __future__ import annotations

from typing import Any

from cupl.llm.base import Response

MAX_CHOICES = 10_000


def read_completion(body: object) -> list[Response]:
    """The answers of a chat or text completion, in their order.

    Raises:
        ValueError: it is no completion, or has no answers.

    """
    try:
        choices = body["choices"]  # type: ignore[index]
        usage = _dict(body.get("usage"))  # type: ignore[attr-defined]
        responses = [
            Response(
                text=_text_of(choice),
                finish_reason=_text(choice.get("finish_reason")) or "stop",
                model=_text(body.get("model")),  # type: ignore[attr-defined]
                prompt_tokens=_count(usage.get("prompt_tokens")),
                completion_tokens=_count(usage.get("completion_tokens")),
                created=_count(body.get("created")),  # type: ignore[attr-defined]
            )
            for choice in _in_order(choices[:MAX_CHOICES])
        ]
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError("not a completion") from error
    if not responses:
        raise ValueError("a completion without an answer")
    return responses


def _in_order(choices: list[Any]) -> list[Any]:
    indexed = all(type(choice.get("index")) is int for choice in choices)
    return sorted(choices, key=lambda choice: int(choice["index"])) if indexed else choices


def _text_of(choice: dict[str, Any]) -> str:
    return _text(choice["message"].get("content") if "message" in choice else choice["text"]) or ""


def _text(value: object) -> str | None:
    """The text, if it is one. Half a surrogate pair is legal JSON and no valid UTF-8."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else None


def _count(value: object) -> int | None:
    return value if type(value) is int and 0 <= value < 2**53 else None


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
