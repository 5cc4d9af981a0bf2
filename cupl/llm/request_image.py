"""An image that goes with a question to a chat model."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Literal

Detail = Literal["low", "high", "auto"]

_JPEG = "data:image/jpeg;base64,"
_PATCH = 28
"""Pixels of a side of what many models count as a token."""
_TILE, _TILE_TOKENS, _BASE_TOKENS = 512, 5667, 2833
"""The most that a hosted model is known to count: OpenAI's for gpt-4o-mini."""


@dataclass(frozen=True, slots=True)
class RequestImage:
    """A JPEG, whose content is read when it is sent.

    Attributes:
        digest: sha256 of the content, which stands for it in cache keys.
        width: in pixels.
        height: in pixels.
        read: gives the content.
        detail: how closely the server is to look, where its API has such a setting; None is not
            sent.

    """

    digest: str
    width: int
    height: int
    read: Callable[[], bytes] = field(repr=False, compare=False)
    detail: Detail | None = None

    @property
    def content(self) -> bytes:
        """The JPEG."""
        return self.read()

    def part(self, *, whole: bool = True) -> dict[str, Any]:
        """Its part of a message; unless ``whole`` with the digest in the place of the content."""
        url = _JPEG + base64.b64encode(self.content).decode() if whole else _short(self.digest)
        detail = {} if self.detail is None else {"detail": self.detail}
        return {"type": "image_url", "image_url": {"url": url} | detail}

    @property
    def tokens(self) -> int:
        """About how many tokens a model counts: one for 28 x 28 pixels, as Qwen's and Mistral's do.

        Others count otherwise, a few of them thirty times as much.
        """
        return -(-self.width // _PATCH) * -(-self.height // _PATCH)

    @property
    def most_tokens(self) -> int:
        """What no model is known to exceed."""
        tiles = -(-self.width // _TILE) * -(-self.height // _TILE)
        return _BASE_TOKENS + _TILE_TOKENS * tiles


def without_content(body: Mapping[str, Any]) -> dict[str, Any]:
    """The body of a request with digests in the place of the content of its images."""
    messages = body.get("messages")
    if not isinstance(messages, list):
        return dict(body)
    return {**body, "messages": [_message(message) for message in messages]}


def images_in(body: Mapping[str, Any]) -> int:
    """How many images the body of a request shows."""
    messages = body.get("messages")
    several = messages if isinstance(messages, list) else []
    contents = [one.get("content") for one in several if isinstance(one, dict)]
    parts = [part for parts in contents if isinstance(parts, list) for part in parts]
    return sum(isinstance(part, dict) and "image_url" in part for part in parts)


def _message(message: Any) -> Any:
    match message:
        case {"content": list(parts)}:
            return {**message, "content": [_part(part) for part in parts]}
    return message


def _part(part: Any) -> Any:
    match part:
        case {"image_url": {"url": str(url)} as image} if url.startswith(_JPEG):
            content = base64.b64decode(url[len(_JPEG) :])
            return {**part, "image_url": {**image, "url": _short(sha256(content).hexdigest())}}
    return part


def _short(digest: str) -> str:
    return f"sha256:{digest}"
