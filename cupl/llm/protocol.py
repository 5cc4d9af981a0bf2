"""A request, a response, and what a language model is to the rest of cupl."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field, fields
from typing import Any, Literal, Protocol

from cupl.errors import InputError, ServerError
from cupl.llm.extra import checked_extra
from cupl.llm.request_image import RequestImage, without_content

Api = Literal["chat", "completions"]

MAX_ANSWER = 100_000
"""Characters of the longest answer that is one; a description is a few hundred."""
SEED_RANGE = 2**31
"""How many seeds there are, from 0, that every server takes."""
LIMIT_NAMES = ("max_tokens", "max_completion_tokens")
"""What servers call the limit of an answer; OpenAI's current chat models know only the second."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How answers are drawn. ``None`` is not sent, so that the server's own default holds.

    Args:
        temperature: how much chance has a say.
        top_p: the part of the probability from which is drawn.
        max_tokens: of an answer.
        stop: texts that end an answer.
        seed: of the first sample; the others' follow from it.
        extra: what a server wants to be told beyond that, as JSON has it: names and values such as
            ``{"enable_thinking": False}`` or ``{"chat_template_kwargs": {...}}``.

    Raises:
        InputError: a value that no server can take.

    """

    temperature: float | None = 0.99
    top_p: float | None = None
    max_tokens: int | None = 50
    stop: tuple[str, ...] | None = None
    seed: int | None = None
    extra: Mapping[str, Any] | None = field(default=None, hash=False)

    def __post_init__(self) -> None:
        for name in ("temperature", "top_p"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < math.inf:
                raise InputError(f"{name} must be a number of at least 0, not {value}")
            if value is not None:
                # 1 and 1.0 are one setting and must be one cache key.
                object.__setattr__(self, name, float(value))
        if self.stop is not None:
            stop = self.stop
            if isinstance(stop, str) or not all(isinstance(text, str) and text for text in stop):
                raise InputError(f"stop is a tuple of texts that are not empty, not {stop!r:.100}")
            object.__setattr__(self, "stop", tuple(stop))
        if self.max_tokens is not None and not (
            type(self.max_tokens) is int and self.max_tokens > 0
        ):
            raise InputError(f"max_tokens must be at least 1, not {self.max_tokens}")
        if self.seed is not None and not (type(self.seed) is int and 0 <= self.seed < SEED_RANGE):
            raise InputError(
                f"seed must be a whole number from 0 to {SEED_RANGE - 1}, not {self.seed}"
            )
        if self.extra is not None:
            extra = checked_extra(self.extra, limited=self.max_tokens is not None)
            object.__setattr__(self, "extra", extra)


@dataclass(frozen=True, slots=True)
class Request:
    """One question to one model, with everything that can change the answer.

    ``preamble`` goes before the question: the system message of a chat, or the beginning of the
    text that a completion continues, where ``{}`` is the place of the question. ``images`` go with
    the question to a chat model that can see.
    """

    endpoint: str
    model: str
    api: Api
    question: str
    preamble: str | None = None
    sampling: Sampling = field(default_factory=Sampling)
    images: tuple[RequestImage, ...] = ()

    def __post_init__(self) -> None:
        if self.images and self.api != "chat":
            raise InputError("images go to a chat model alone: leave api out, or set it to chat")

    @property
    def path(self) -> str:
        """Path below the endpoint."""
        return "/chat/completions" if self.api == "chat" else "/completions"

    def body(self, n: int = 1) -> dict[str, Any]:
        """The JSON body that asks for ``n`` answers."""
        return self._body(n, whole=True)

    def _body(self, n: int, *, whole: bool) -> dict[str, Any]:
        """With the content of its images, or digests."""
        body: dict[str, Any] = {"model": self.model}
        if self.api == "chat":
            system = [{"role": "system", "content": self.preamble}] if self.preamble else []
            said: str | list[dict[str, Any]] = self.question
            if self.images:  # a text alone is asked, and filed, as it always was
                shown = [image.part(whole=whole) for image in self.images]
                said = [*shown, {"type": "text", "text": self.question}]
            body["messages"] = [*system, {"role": "user", "content": said}]
        else:
            before, _, after = (self.preamble or "").partition("{}")
            body["prompt"] = before + self.question + after
        # Not asdict, which copies each number: a plan has hundreds of thousands of bodies.
        given = ((one.name, getattr(self.sampling, one.name)) for one in fields(self.sampling))
        sent: dict[str, Any] = {name: value for name, value in given if value is not None}
        extra: dict[str, Any] = deepcopy(sent.pop("extra", {}))
        if "stop" in sent:
            sent["stop"] = list(sent["stop"])
        if n > 1:
            body["n"] = n
        return _with_usual_limit(self.endpoint, self.path, body | sent) | extra

    @property
    def digest(self) -> str:
        """sha256 over all that decides the answers."""
        return digest_of(self.endpoint, self.path, self._body(1, whole=False))


def digest_of(endpoint: str, path: str, body: dict[str, Any]) -> str:
    """The digest of the request with this body, which asks for one answer."""
    body = _with_usual_limit(endpoint, path, without_content(body))
    content = {"endpoint": endpoint, "path": path, "body": body}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _with_usual_limit(endpoint: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """The body with the limit by the name that its server usually has for it.

    Cache keys have that name, also where the server turns out to want the other one.
    """
    name = LIMIT_NAMES[path == "/chat/completions" and "api.openai.com" in endpoint]
    given = [other for other in LIMIT_NAMES if other in body]
    if len(given) != 1 or given == [name]:
        return body
    return {key: value for key, value in body.items() if key != given[0]} | {name: body[given[0]]}


def cache_key(digest: str, sample: int) -> str:
    """Name in the cache of one of the answers to the request with this digest."""
    return hashlib.sha256(f"{digest} {sample}".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Response:
    """One answer as the server gave it; the tokens are those of the request it came with."""

    text: str
    finish_reason: str = "stop"
    model: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    created: int | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """In place of an answer that is of no use: why, and how often it was asked for."""

    reason: str
    tries: int


class RetryableError(ServerError):
    """The server could not answer now and may at another try.

    Args:
        message: what happened, for the case that no try succeeds.
        after: seconds that the server asks to wait.
        limited: requests come too fast, so that all of them have to wait.
        unreachable: there was no connection at all.
        answered: the server said so itself; otherwise it may have worked, and charge for it.
        arguments: see :class:`~cupl.errors.CuplError`.

    """

    def __init__(
        self,
        message: str,
        *,
        after: float | None = None,
        limited: bool = False,
        unreachable: bool = False,
        answered: bool = False,
        arguments: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message, arguments=arguments)
        self.after = after
        self.limited = limited
        self.unreachable = unreachable
        self.answered = answered


class AdaptedError(RetryableError):
    """The server wants to be asked in another form, and is from now on: no fault of anything.

    Args:
        message: what is done otherwise.
        new: nobody has been told yet.

    """

    def __init__(self, message: str, *, new: bool) -> None:
        super().__init__(message, answered=True)
        self.new = new


class LLM(Protocol):
    """Something that answers requests; whoever made it closes it."""

    async def complete(self, request: Request, n: int) -> list[Response]:
        """Up to ``n`` answers, at least one, from one try; the caller tries again.

        Raises:
            RetryableError: there is no answer now.
            ServerError: there is no answer to be had; the message says why and what to do.

        """
