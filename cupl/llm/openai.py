"""Any server that speaks OpenAI's protocol, through the ``openai`` package."""

from __future__ import annotations

import asyncio
import functools
import math
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from cupl.errors import InputError
from cupl.io.arguments import check_numbers
from cupl.llm.access import ServerAccess, access_to, warn
from cupl.llm.address import ServerAddress
from cupl.llm.body_limit import BodyTooLargeError
from cupl.llm.dialect import Dialect, Lesson
from cupl.llm.error_bodies import is_error, is_page
from cupl.llm.errors import UnknownRefusalError, is_filtered, refusal_in, to_server_error
from cupl.llm.event_stream import read_body
from cupl.llm.first_alone import FirstAlone
from cupl.llm.parsing import FailedGenerationError, read_completion
from cupl.llm.protocol import AdaptedError, Request, Response, RetryableError
from cupl.llm.sdk import async_client
from cupl.llm.wrong_address import WrongAddressError, with_right_url

if TYPE_CHECKING:
    import httpx2
    import openai

TIMEOUT = 120.0
"""Seconds that one request may take in all."""


def check_timeout(timeout: float) -> None:
    """Accept seconds that end.

    Raises:
        InputError: none, or no end.

    """
    check_numbers(timeout=timeout)
    if not 0 < timeout < math.inf:
        raise InputError(f"the timeout is a number of seconds above 0, not {timeout}")


class OpenAIServer:
    """Asks an OpenAI-compatible server. It can be used in several event loops, also at once.

    Connections are made at the first request, so a run that finds everything in the cache needs
    neither key nor server. They belong to the event loop that runs then; ``async with`` closes
    them at its end, and so does :meth:`close`.

    Args:
        base_url: see :meth:`cupl.llm.address.ServerAddress.parse`; user and password in it are
            sent and never shown.
        timeout: seconds that one request may take, from connecting to the last byte.
        api_key_env: see :func:`cupl.llm.access.access_to`.
        notice: told where what is secret could be read on its way.

    Raises:
        InputError: the address or the time is none.

    """

    def __init__(
        self,
        base_url: str | None = None,
        timeout: float = TIMEOUT,
        *,
        api_key_env: str | None = None,
        notice: Callable[[str], None] = warn,
    ) -> None:
        check_timeout(timeout)
        self.address = ServerAddress.parse(base_url)
        self.timeout = timeout
        self.dialect = Dialect()
        self._key_env = api_key_env
        self._notice = notice
        self._clients: dict[asyncio.AbstractEventLoop, openai.AsyncOpenAI] = {}
        self._first: dict[asyncio.AbstractEventLoop, FirstAlone] = {}

    @property
    def endpoint(self) -> str:
        """Where it is, without credentials."""
        return self.address.endpoint

    @property
    def at_once(self) -> int | None:
        """Most answers that one request may ask for, where a bound is known."""
        return self.dialect.at_once

    @functools.cached_property
    def access(self) -> ServerAccess:
        """The server and the credentials for it, which are read at first use.

        Raises:
            InputError: there is no key where ``api_key_env`` says.
            ServerError: OpenAI itself is meant and there is no key.

        """
        return access_to(self.address, self._key_env, self._notice)

    def connect(self) -> openai.AsyncOpenAI:
        """A new client; it raises what :attr:`access` does."""
        return async_client(self.access, self.timeout)

    async def __aenter__(self) -> Self:
        self._connected()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def _connected(self) -> openai.AsyncOpenAI:
        """The client of the event loop that runs: connections cannot move to another."""
        loop = asyncio.get_running_loop()
        if loop not in self._clients:
            for other in list(self._clients):
                if other.is_closed():
                    self._clients.pop(other, None)
                    self._first.pop(other, None)
            self._clients[loop] = self.connect()
            self._first[loop] = FirstAlone()
        return self._clients[loop]

    async def complete(self, request: Request, n: int) -> list[Response]:
        """Up to ``n`` answers, at least one, from one try.

        Raises:
            AdaptedError: the server wants the request in another form, which the next try has.
            RetryableError: the server cannot be reached or cannot answer now, or answers with
                something else than a completion.
            ServerError: it says no.
            InputError: the request holds what is no text.

        """
        client = self._connected()
        async with self._first[asyncio.get_running_loop()].turn():
            return await self._complete(client, request, n)

    async def _complete(
        self, client: openai.AsyncOpenAI, request: Request, n: int
    ) -> list[Response]:
        import httpx2
        from openai import APIError, AsyncStream

        where, body = self.endpoint, self.dialect.body(request, n)
        # What is raised here may hold a key: "from None" keeps it out of tracebacks.
        try:
            async with asyncio.timeout(self.timeout):
                # Not read by the SDK, whose types would turn down what some servers leave out.
                answer: Any = await client.post(
                    request.path, cast_to=httpx2.Response, body=body,
                    stream=True, stream_cls=AsyncStream[Any],
                )  # fmt: skip
                await answer.aread()
            responses = read_completion(_json(answer), *self.access.secrets)
            self.dialect.answered_many |= len(responses) > 1
            return responses
        except TimeoutError:
            raise RetryableError(
                f"{where} did not answer within {self.timeout:g} s; "
                "a slow one needs a longer timeout or a lower concurrency",
                arguments={"timeout": ..., "concurrency": ...},
            ) from None
        except APIError as error:
            if is_filtered(error):
                return [Response("", "content_filter")] * n
            if lesson := self._learn(error, body):
                raise lesson from None
            asked = f"{request.model!r} for the API {request.api}"
            said = to_server_error(error, asked, self.access, body)
            if isinstance(said, WrongAddressError):
                said = await with_right_url(said, client)
            suspected = isinstance(said, UnknownRefusalError) and self.dialect.suspect(body)
            if suspected:
                raise self._adapted(suspected) from None
            raise said from None
        except (httpx2.HTTPError, EOFError):
            raise RetryableError(f"{where} broke off in the middle of an answer") from None
        except BodyTooLargeError as error:
            raise RetryableError(f"{where} sent an answer of {error}") from None
        except UnicodeEncodeError:
            raise InputError("the question, preamble or model name is no valid Unicode") from None
        except FailedGenerationError as error:
            raise RetryableError(
                f"{where} could not finish an answer: {error}",
                limited=error.code == 429,
                answered=True,
            ) from None
        except (ValueError, RecursionError):
            raise RetryableError(
                f"{where} did not answer with a completion; is it the right URL?"
            ) from None

    def _learn(self, error: openai.APIError, body: dict[str, Any]) -> AdaptedError | None:
        refusal = refusal_in(error)
        lesson = self.dialect.learn(body, *refusal) if refusal else None
        return lesson and self._adapted(lesson)

    def _adapted(self, lesson: Lesson) -> AdaptedError:
        return AdaptedError(f"{self.endpoint} {lesson.sentence}", new=lesson.new)

    async def close(self) -> None:
        """Let go of the connections that were made in this event loop."""
        client = self._clients.pop(asyncio.get_running_loop(), None)
        self._first.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.close()


def _json(answer: httpx2.Response) -> object:
    """The body, unless it is empty, a web page, or that of an error in spite of the status 200.

    Raises:
        openai.APIStatusError: it is.
        ValueError: it is no JSON.
        EOFError: it is a stream that breaks off.
        RecursionError: it has too many levels.

    """
    import openai

    if not answer.content.strip():
        raise openai.APIStatusError("", response=answer, body=None)
    if is_page(answer.text):
        raise openai.APIStatusError("", response=answer, body=answer.text)
    body = read_body(answer.content)
    if is_error(body):
        inner = body.get("error") if isinstance(body, dict) else None
        raise openai.APIStatusError("", response=answer, body=inner or body)
    return body
