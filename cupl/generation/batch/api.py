"""The Batch API of OpenAI, through ``files`` and ``batches`` of the ``openai`` package.

https://developers.openai.com/api/docs/guides/batch
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

from cupl.errors import CuplError, InputError, ServerError
from cupl.generation.event_loop import run
from cupl.llm.access import access_to, warn
from cupl.llm.address import ServerAddress
from cupl.llm.body_limit import BodyTooLargeError
from cupl.llm.error_bodies import is_page
from cupl.llm.errors import to_server_error
from cupl.llm.protocol import RetryableError
from cupl.llm.redaction import redact
from cupl.llm.sdk import async_client
from cupl.llm.wrong_address import WrongAddressError, with_right_url

if TYPE_CHECKING:
    from openai import AsyncOpenAI

_Answer = TypeVar("_Answer")

MAX_RESULT = 4 * 10**9
"""Bytes of the largest result file that is fetched: ten answers to each of 50,000 requests have
some 10 % of it."""
_OVER = ("completed", "failed", "expired", "cancelled")
_MOST_BATCHES = 10_000
_LEAST_PACKED, _MOST_PACKED = 2**24, 50
"""What is packed, though we ask for it plain, has at most so many bytes and so many times its size:
JSON lines shrink to a tenth, and what shrinks to a thousandth is meant to fill a disk."""
_SLOWEST = 1000
"""Bytes a second of a file that takes longer than one answer may."""
_HASH, _FILE = "cupl_sha256", "cupl_file"


@dataclass(frozen=True)
class Batch:
    """What the server says of a batch."""

    id: str
    status: str
    completed: int
    failed: int
    total: int
    created: int
    """Seconds since 1970."""
    file: str
    """Name of the file of requests, if cupl submitted it."""
    sha256: str
    """Of that file."""
    output_file: str | None
    error_file: str | None
    problems: tuple[str, ...]
    """Why it failed as a whole."""

    @property
    def over(self) -> bool:
        """Nothing more comes."""
        return self.status in _OVER

    @property
    def repeatable(self) -> bool:
        """To submit the same file again pays for nothing twice: this one ended without answers."""
        return self.over and self.status != "completed" and not self.completed


class BatchServer:
    """A server with the endpoints ``files`` and ``batches``.

    Args:
        base_url: see :meth:`cupl.llm.address.ServerAddress.parse`.
        api_key_env: see :func:`cupl.llm.access.access_to`.
        notice: told where what is secret could be read on its way.
        timeout: seconds that an answer may take; a file may take longer by its size.

    Raises:
        InputError: the address is none, or there is no key where ``api_key_env`` says.
        ServerError: OpenAI itself is meant and there is no key.

    """

    def __init__(
        self,
        base_url: str | None = None,
        *,
        api_key_env: str | None = None,
        notice: Callable[[str], None] = warn,
        timeout: float = 120.0,
    ) -> None:
        self._access = access_to(ServerAddress.parse(base_url), api_key_env, notice)
        self._timeout = timeout
        self.endpoint = self._access.address.endpoint

    def batches(self) -> list[Batch]:
        """Every batch that cupl submitted, the newest first.

        Raises:
            InputError: no connection can be set up.
            ServerError: the server does not say.

        """

        async def listed(client: AsyncOpenAI) -> list[Batch]:
            found: dict[str, Batch] = {}
            async for answer in client.batches.list(limit=100):
                batch = self._read(answer)
                # A server without pages gives the first one for ever.
                if batch.id in found or len(found) == _MOST_BATCHES:
                    break
                found[batch.id] = batch
            return [batch for batch in found.values() if batch.sha256]

        return self._ask("batches", listed)

    def batch(self, id: str) -> Batch:
        """One batch.

        Raises:
            InputError: that is no id, or no connection can be set up.
            ServerError: there is none, or the server does not say.

        """
        if not id.strip():
            raise InputError("the id of a batch is not empty")

        async def retrieved(client: AsyncOpenAI) -> Batch:
            return self._read(await client.batches.retrieve(id))

        return self._ask(f"batch {id!r}", retrieved)

    def submit(self, path: Path, sha256: str, url: str) -> Batch:
        """Upload a file of requests and have it answered, which costs money.

        Args:
            path: the file.
            sha256: of its content, by which the batch is found again.
            url: of all requests in it.

        Raises:
            InputError: no connection can be set up.
            ServerError: the server says no; whether a batch was made is not known if it said
                nothing.

        """
        name = f"{path.stem}.jsonl"  # what OpenAI wants it to end with

        async def submitted(client: AsyncOpenAI) -> Batch:
            with path.open("rb") as file:
                uploaded = await client.files.create(file=(name, file), purpose="batch")
            return self._read(
                await client.batches.create(
                    input_file_id=_text(uploaded, "id") or _unreadable(),
                    endpoint=url,  # type: ignore[arg-type]
                    completion_window="24h",
                    metadata={_HASH: sha256, _FILE: path.name[:512]},
                )
            )

        return self._ask("Batch API", submitted, sent=path.stat().st_size)

    def download(self, file_id: str, to: BinaryIO) -> int:
        """Write the content of a file, piece by piece.

        Returns:
            Its bytes.

        Raises:
            InputError: no connection can be set up.
            ServerError: the server does not give it, or it is not what a result file can be.

        """

        async def downloaded(client: AsyncOpenAI) -> int:
            size = 0
            answer = client.files.with_streaming_response.content(file_id)
            async with asyncio.timeout(self._timeout) as limit, answer as content:
                latest = limit.when() or 0.0
                async for chunk in content.iter_bytes(2**16):
                    size += len(chunk)
                    self._check(chunk, size, content.http_response.num_bytes_downloaded, file_id)
                    limit.reschedule(latest + size / _SLOWEST)
                    to.write(chunk)
            return size

        return self._ask(f"file {file_id!r}", downloaded, most=MAX_RESULT)

    def _check(self, chunk: bytes, size: int, sent: int, file_id: str) -> None:
        if size == len(chunk) and is_page(chunk[:2000].decode("utf-8", "replace")):
            raise ServerError(f"{self.endpoint} gives a web page as {file_id!r}")
        if size > min(MAX_RESULT, _LEAST_PACKED + _MOST_PACKED * sent):
            raise ServerError(
                f"{self.endpoint} sends more than {MAX_RESULT // 10**9} GB as {file_id!r}, or "
                "unpacks to a multiple of what it sends; nothing was kept"
            )

    def _ask(
        self, asked: str, question: Callable[[AsyncOpenAI], Awaitable[_Answer]],
        *, sent: int = 0, most: int | None = None,
    ) -> _Answer:  # fmt: skip
        """Ask by a connection of its own.

        Args:
            asked: what, for the errors.
            question: the coroutine that asks.
            sent: bytes of a file that goes with it.
            most: bytes of the file that may come, if one does.

        """
        size = sent + (most or 0)

        async def asking() -> _Answer:
            async with (
                async_client(self._access, self._timeout, limited=most is None) as client,
                self._explained(asked, client),
                asyncio.timeout(self._timeout + size / _SLOWEST),
            ):
                return await question(client)

        return run(asking())

    def _read(self, answer: object) -> Batch:
        return _read(answer, self._access.secrets)

    @contextlib.asynccontextmanager
    async def _explained(self, asked: str, client: AsyncOpenAI) -> AsyncIterator[None]:
        """What the SDK raises may hold a key: "from None" keeps it out of tracebacks."""
        import httpx2
        from openai import APIError

        try:
            yield
        except APIError as error:
            said = await _corrected(to_server_error(error, asked, self._access), client)
            if isinstance(said, RetryableError) and said.limited:
                said = ServerError(f"{self.endpoint} limits the rate; try again in some minutes")
            raise said from None
        except CuplError:
            raise
        except httpx2.HTTPError:
            raise ServerError(f"{self.endpoint} broke off; try again") from None
        except BodyTooLargeError as error:
            raise ServerError(f"{self.endpoint} sent an answer of {error}") from None
        except TimeoutError:
            raise ServerError(f"{self.endpoint} is too slow with {asked}; try again") from None
        except (ValueError, TypeError, AttributeError, RecursionError):
            what = f"{self.endpoint} did not answer as a Batch API does"
            otherwise = ServerError(f"{what}; is it the right URL?")
            wrong = WrongAddressError(what, self._access.address, otherwise=otherwise)
            raise await _corrected(wrong, client) from None


async def _corrected(error: ServerError, client: AsyncOpenAI) -> ServerError:
    """The error with the base URL that would be right, where that is another."""
    if isinstance(error, WrongAddressError):
        error = await with_right_url(error, client)
    if isinstance(error, WrongAddressError) and not error.better:
        return error.otherwise  # it is that which was asked for that is not there
    return error


def _read(answer: object, secrets: Sequence[str]) -> Batch:
    """A batch from what the SDK made of the server's answer, which it does not check.

    Raises:
        ValueError: it is none.

    """
    counts, metadata = getattr(answer, "request_counts", None), getattr(answer, "metadata", None)
    metadata = metadata if isinstance(metadata, Mapping) else {}
    problems = getattr(getattr(answer, "errors", None), "data", None)
    problems = problems if isinstance(problems, list) else []
    return Batch(
        id=_text(answer, "id") or _unreadable(),
        status=_text(answer, "status") or _unreadable(),
        completed=_number(counts, "completed"),
        failed=_number(counts, "failed"),
        total=_number(counts, "total"),
        created=_number(answer, "created_at"),
        file=str(metadata.get(_FILE) or ""),
        sha256=str(metadata.get(_HASH) or ""),
        output_file=_text(answer, "output_file_id"),
        error_file=_text(answer, "error_file_id"),
        problems=tuple(_problem(error, secrets) for error in problems[:3]),
    )


def _problem(error: Any, secrets: Sequence[str]) -> str:
    line, said = _number(error, "line"), _text(error, "message") or "no reason given"
    return (f"line {line}: " if line else "") + redact(said, *secrets)


def _text(answer: object, name: str) -> str | None:
    value = getattr(answer, name, None)
    return value if isinstance(value, str) and value else None


def _number(answer: object, name: str) -> int:
    value = getattr(answer, name, None)
    return value if type(value) is int and 0 <= value < 2**53 else 0


def _unreadable() -> str:
    raise ValueError("not a batch")
