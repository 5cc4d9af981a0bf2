"""Any server that speaks OpenAI's protocol, through the ``openai`` package."""

from __future__ import annotations

import os
import re
from asyncio import sleep
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    wait_exponential_jitter,
)

from cupl.errors import CuplError, InputError, ServerError
from cupl.llm.base import MAX_ANSWER, Request, Response

if TYPE_CHECKING:
    from openai import AsyncOpenAI

DEFAULT_URL = "https://api.openai.com/v1"
_FLAGS = {
    "temperature": "--temperature none",
    "top_p": "--top-p none",
    "max_tokens": "--max-tokens none",
    "max_completion_tokens": "--max-tokens none",
    "stop": "--stop none",
    "n": "--n none",
}


def endpoint_of(base_url: str | None) -> str:
    """Address of the server without credentials, as it enters cache keys and messages.

    Args:
        base_url: the address, or None for ``$OPENAI_BASE_URL`` or else OpenAI itself.

    Raises:
        InputError: it is no http(s) address.

    """
    url = base_url or os.environ.get("OPENAI_BASE_URL") or DEFAULT_URL
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        parts, port = urlsplit(""), ""
    if parts.query or parts.fragment:
        raise InputError("the base URL must end with its path, such as /v1, without ? or #")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InputError("the base URL must look like http://localhost:8000/v1")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return urlunsplit((parts.scheme, host + port, parts.path.rstrip("/"), "", ""))


class OpenAIServer:
    """Asks an OpenAI-compatible server; the key comes from ``$OPENAI_API_KEY`` alone.

    The client is made at the first request, so a run that finds everything in the cache needs
    neither key nor server.
    """

    def __init__(self, base_url: str | None = None, attempts: int = 8) -> None:
        self.base_url = base_url or os.environ.get("OPENAI_BASE_URL") or DEFAULT_URL
        self.endpoint = endpoint_of(base_url)
        self.attempts = attempts
        self.timeout = 120.0
        self._reached = False
        self._client: AsyncOpenAI | None = None

    def connect(self) -> AsyncOpenAI:
        """The client, made at first use.

        Raises:
            ServerError: OpenAI itself is meant and there is no key.

        """
        from openai import AsyncOpenAI

        key = _key()
        if not key and urlsplit(self.endpoint).hostname == "api.openai.com":
            raise ServerError(
                "OPENAI_API_KEY is not set; set it, or name a local server with --base-url, "
                "or use --model mini, which needs neither"
            )
        # The SDK's own retries would multiply with tenacity's. Servers without keys ignore it.
        return AsyncOpenAI(
            api_key=key or "none", base_url=self.base_url, max_retries=0, timeout=self.timeout
        )

    async def complete(self, request: Request, n: int) -> list[Response]:
        """Up to ``n`` answers, at least one.

        Raises:
            ServerError: the server cannot be reached, says no, or answers with something else.

        """
        if self._client is None:
            self._client = self.connect()
        retrying = AsyncRetrying(
            retry=retry_if_exception(_may_heal),
            stop=self._give_up,
            wait=wait_exponential_jitter(initial=1, max=30),
            sleep=sleep,
            reraise=True,
        )
        try:
            answer: Any = await retrying(self._post, self._client, request, n)
        except CuplError:
            raise
        except Exception as error:
            raise self._explain(error, request) from error
        self._reached = True
        return self._responses(answer)

    def _give_up(self, state: RetryCallState) -> bool:
        """Soon where the server was never there, late where it answered before."""
        import openai

        error = state.outcome.exception() if state.outcome else None
        never_there = isinstance(error, openai.APIConnectionError) and not self._reached
        return state.attempt_number >= min(self.attempts, 2 if never_there else self.attempts)

    @staticmethod
    async def _post(client: AsyncOpenAI, request: Request, n: int) -> Any:
        import httpx2

        answer = await client.post(request.path, cast_to=httpx2.Response, body=request.body(n))
        return answer.json()

    async def close(self) -> None:
        """Let go of connections."""
        if self._client is not None:
            await self._client.close()
            self._client = None

    def _responses(self, answer: Any) -> list[Response]:
        try:
            usage = answer.get("usage") or {}
            responses = [
                Response(
                    text=_text_of(choice)[:MAX_ANSWER],
                    finish_reason=str(choice.get("finish_reason") or "stop"),
                    model=answer.get("model"),
                    prompt_tokens=usage.get("prompt_tokens"),
                    completion_tokens=usage.get("completion_tokens"),
                    created=answer.get("created"),
                )
                for choice in answer["choices"]
            ]
        except (AttributeError, KeyError, TypeError):
            responses = []
        if not responses:
            raise ServerError(
                f"{self.endpoint} did not answer with a completion; is it the right URL?"
            )
        return responses

    def _explain(self, error: Exception, request: Request) -> ServerError:
        """The one sentence for what the SDK raised; never what could hold a key."""
        import openai

        where = self.endpoint
        if isinstance(error, openai.RateLimitError) and error.code == "insufficient_quota":
            return ServerError(f"the account at {where} has no quota left")
        sentences: dict[type[Exception], str] = {
            openai.APITimeoutError: f"{where} did not answer within {self.timeout:.0f} s",
            openai.APIConnectionError: f"cannot reach {where}; is the server running and the URL "
            "right?",
            openai.AuthenticationError: f"{where} rejected the key in OPENAI_API_KEY"
            if _key()
            else f"{where} wants a key; set OPENAI_API_KEY",
            openai.PermissionDeniedError: f"{where} does not let this key use {request.model!r}",
            openai.NotFoundError: f"{where} has no model {request.model!r} for --api "
            f"{request.api}, or the URL is not whole (does it end in /v1?)",
            openai.RateLimitError: f"{where} still limits the rate; try a lower --concurrency",
        }
        for kind, sentence in sentences.items():
            if isinstance(error, kind):
                return ServerError(sentence)
        if isinstance(error, openai.APIStatusError):
            flag = _FLAGS.get(error.param or "")
            way_out = f"; omit it with {flag}" if flag else ""
            said = _redact(_message(error.body) or error.message)
            return ServerError(f"{where} answered {error.status_code}: {said}{way_out}")
        return ServerError(f"{where} did not answer with JSON; is it the right URL?")


def _may_heal(error: BaseException) -> bool:
    import openai

    if isinstance(error, openai.RateLimitError):
        return error.code != "insufficient_quota"
    return isinstance(error, openai.APIConnectionError | openai.InternalServerError)


def _text_of(choice: dict[str, Any]) -> str:
    text = choice["message"].get("content") if "message" in choice else choice["text"]
    # Half a surrogate pair is legal JSON and cannot be written as UTF-8.
    return text.encode("utf-8", "replace").decode() if isinstance(text, str) else ""


def _message(body: object) -> str | None:
    """What the server says in the body of an error, in either of the two usual places."""
    if isinstance(body, dict) and isinstance(body.get("error"), dict):
        body = body["error"]
    said = body.get("message", body.get("detail")) if isinstance(body, dict) else None
    return said if isinstance(said, str) else None


def _key() -> str:
    """The key, without the line end that a file of settings leaves on it.

    Raises:
        InputError: it holds what no key holds; the message does not repeat it.

    """
    key = os.environ.get("OPENAI_API_KEY", "").strip()
    if not (key.isascii() and key.isprintable()):
        raise InputError("OPENAI_API_KEY holds a character that no key has; set it again")
    return key


def _redact(message: str) -> str:
    """First line of a server's message without anything that looks like a key."""
    line = " ".join(message.split())[:300]
    if key := _key():
        line = line.replace(key, "***")
    return re.sub(r"\b(sk-|Bearer )\S+", "***", line)
