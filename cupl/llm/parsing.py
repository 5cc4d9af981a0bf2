"""What a completion of OpenAI's protocol says, read from JSON that anything may have written."""

from __future__ import annotations

from typing import Any

from cupl.llm.protocol import MAX_ANSWER, Response
from cupl.llm.redaction import scrub

MAX_CHOICES = 10_000
_MAX_NAME = 200
"""Characters of the longest name of a model, and of a reason to finish."""


def read_completion(body: object, *secrets: str) -> list[Response]:
    """The answers of a chat or text completion, in their order.

    Args:
        body: the JSON.
        secrets: what must not be in them, such as the key: a server may echo it.

    Raises:
        ValueError: it is no completion, or has no answers.

    """
    try:
        choices = body["choices"]  # type: ignore[index]
        usage = _dict(body.get("usage"))  # type: ignore[attr-defined]
        model = _name(body.get("model"))  # type: ignore[attr-defined]
        responses = [
            Response(
                text=scrub(_text_of(choice), *secrets),
                finish_reason=scrub(_name(choice.get("finish_reason")) or "stop", *secrets),
                model=model and scrub(model, *secrets),
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
