"""Any server that speaks OpenAI's protocol, through the ``openai`` package."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import math
import os
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from cupl.errors import InputError, ServerError
from cupl.llm.errors import is_filtered, to_server_error
from cupl.llm.parsing import read_completion
from cupl.llm.protocol import Request, Response, RetryableError
from cupl.llm.redaction import api_key, credentials, secrets_of

if TYPE_CHECKING:
    import httpx2
    import openai

DEFAULT_URL = "https://api.openai.com/v1"
TIMEOUT = 120.0
"""Seconds that one request may take in all."""
MAX_BODY = 16 * 2**20
"""Bytes of the largest response that is read, unpacked."""


def endpoint_of(base_url: str | None) -> str:
    """Address of the server without credentials, as it enters cache keys and messages.

    Args:
        base_url: the address, or None for ``$OPENAI_BASE_URL`` or else OpenAI itself.

    Raises:
        InputError: it is no http(s) address.

    """
    url = _address(base_url)
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        parts, port = urlsplit(""), ""
    if parts.query or parts.fragment or "@" in parts.path:
        raise InputError(
            "the base URL must end with its path, such as /v1, without ?, # or @; "
            "in a password they are %3F, %23 and %40, and / is %2F"
        )
    if parts.scheme not in ("http", "https") or not parts.hostname or not url.isprintable():
        raise InputError("the base URL must look like http://localhost:8000/v1")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return urlunsplit((parts.scheme, host + port, parts.path.rstrip("/"), "", ""))


def _address(base_url: str | None) -> str:
    return (base_url or os.environ.get("OPENAI_BASE_URL") or "").strip() or DEFAULT_URL


def key_for(endpoint: str) -> str:
    """The key to send; servers that want none ignore it.

    Raises:
        ServerError: OpenAI itself is meant and there is no key.

    """
    key = api_key()
    if not key and urlsplit(endpoint).hostname == "api.openai.com":
        raise ServerError(
            "OPENAI_API_KEY is not set; set it, or name a local server (base_url), or use the "
            "model mini, which needs neither",
            arguments={"base_url": ..., "model": "mini"},
        )
    return key or "none"


class OpenAIServer:
    """Asks an OpenAI-compatible server; the key comes from ``$OPENAI_API_KEY`` alone.

    The client is made at the first request, so a run that finds everything in the cache needs
    neither key nor server.

    Args:
        base_url: see :func:`endpoint_of`; user and password in it are sent and never shown.
        timeout: seconds that one request may take, from connecting to the last byte.

    Raises:
        InputError: the address or the time is none.

    """

    def __init__(self, base_url: str | None = None, timeout: float = TIMEOUT) -> None:
        if not 0 < timeout < math.inf:
            raise InputError(f"the timeout is a number of seconds above 0, not {timeout}")
        self.base_url = _address(base_url)
        self.endpoint = endpoint_of(base_url)
        self.timeout = timeout
        self._client: openai.AsyncOpenAI | None = None

    def connect(self) -> openai.AsyncOpenAI:
        """The client, made at first use.

        Raises:
            ServerError: OpenAI itself is meant and there is no key.

        """
        return client(self.base_url, key_for(self.endpoint), self.timeout)

    async def complete(self, request: Request, n: int) -> list[Response]:
        """Up to ``n`` answers, at least one, from one try.

        Raises:
            RetryableError: the server cannot be reached or cannot answer now, or answers with
                something else than a completion.
            ServerError: it says no.
            InputError: the request holds what is no text.

        """
        import httpx2
        from openai import APIError, AsyncStream

        if self._client is None:
            self._client = self.connect()
        where, secrets = self.endpoint, secrets_of(self.base_url)
        # What is raised here may hold a key: "from None" keeps it out of tracebacks.
        try:
            async with asyncio.timeout(self.timeout):
                # Not read by the SDK, whose types would turn down what some servers leave out.
                answer: Any = await self._client.post(
                    request.path, cast_to=httpx2.Response, body=request.body(n),
                    stream=True, stream_cls=AsyncStream[Any],
                )  # fmt: skip
                await answer.aread()
            return read_completion(_json(answer), *secrets)
        except TimeoutError:
            raise RetryableError(
                f"{where} did not answer within {self.timeout:g} s; "
                "a slow one needs a longer timeout or a lower concurrency",
                arguments={"timeout": ..., "concurrency": ...},
            ) from None
        except APIError as error:
            if is_filtered(error):
                return [Response("", "content_filter")] * n
            asked = f"{request.model!r} for the API {request.api}"
            raise to_server_error(error, where, asked, *secrets) from None
        except httpx2.HTTPError:
            raise RetryableError(f"{where} broke off in the middle of an answer") from None
        except _TooLargeError:
            size = f"{MAX_BODY // 2**20} MiB"
            raise RetryableError(f"{where} sent an answer of more than {size}") from None
        except UnicodeEncodeError:
            raise InputError("the question, preamble or model name is no valid Unicode") from None
        except (ValueError, RecursionError):
            raise RetryableError(
                f"{where} did not answer with a completion; is it the right URL?"
            ) from None

    async def close(self) -> None:
        """Let go of connections."""
        if self._client is not None:
            await self._client.close()
            self._client = None


def client(url: str, key: str, timeout: float, *, trust_env: bool = True) -> openai.AsyncOpenAI:
    """A client of the SDK without tries of its own: they would multiply with ours.

    Args:
        url: the server.
        key: its key, which is not sent where the address has user and password.
        timeout: seconds for a request.
        trust_env: whether a proxy that the environment names is used.

    Raises:
        InputError: the address, or what the environment says of connections, cannot be used.

    """
    import httpx2
    from openai import AsyncOpenAI, DefaultAsyncHttpxClient

    endpoint = endpoint_of(url)
    try:
        web = DefaultAsyncHttpxClient(
            # Apart from the address, which stands in logs and errors of the SDK.
            auth=credentials(url),
            trust_env=trust_env,
            event_hooks={"response": [_tame]},
        )
        return AsyncOpenAI(
            api_key=key,
            base_url=endpoint,
            max_retries=0,
            timeout=httpx2.Timeout(timeout, connect=min(timeout, 20.0)),
            http_client=web,
            default_headers={"Accept-Encoding": "identity"},
        )
    except (httpx2.InvalidURL, ValueError, OSError, ImportError):
        raise InputError(
            f"no connection to {endpoint} can be set up; check it, and HTTP_PROXY, HTTPS_PROXY, "
            "ALL_PROXY, NO_PROXY and SSL_CERT_FILE in the environment"
        ) from None


class _TooLargeError(Exception):
    """A response takes more memory than it may."""


async def _tame(response: httpx2.Response) -> None:
    """Let no response, also of an error, take more memory than it may, packed or not."""
    import httpx2

    stream: Any = response.stream
    if "Content-Encoding" in response.headers:
        stream = httpx2.Response(200, headers=response.headers, stream=stream)
        del response.headers["Content-Encoding"]
    response.stream = _capped()(stream)
    response.encoding = "utf-8"  # a header may name any codec of Python, such as "zlib"


@functools.cache
def _capped() -> Callable[[Any], httpx2.AsyncByteStream]:
    """The class of a body that may be so long and no longer; its base needs the heavy import."""
    import httpx2

    class Capped(httpx2.AsyncByteStream):
        def __init__(self, stream: Any) -> None:
            self.stream = stream

        async def __aiter__(self) -> AsyncIterator[bytes]:
            size = 0
            packed = isinstance(self.stream, httpx2.Response)
            chunks = self.stream.aiter_bytes() if packed else aiter(self.stream)
            async with contextlib.aclosing(chunks):
                async for chunk in chunks:
                    size += len(chunk)
                    if size > MAX_BODY:
                        raise _TooLargeError
                    yield chunk

        async def aclose(self) -> None:
            await self.stream.aclose()

    return Capped


def _json(answer: httpx2.Response) -> object:
    """The body, unless it is that of an error in spite of the status 200.

    Raises:
        openai.APIStatusError: it is.
        ValueError: it is no JSON.
        RecursionError: it has too many levels.

    """
    import openai

    body = answer.json()
    if isinstance(body, dict) and body.get("error") and not body.get("choices"):
        raise openai.APIStatusError("", response=answer, body=body["error"])
    return body
