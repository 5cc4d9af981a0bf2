"""The Batch API of OpenAI, through ``files`` and ``batches`` of the ``openai`` package.

https://developers.openai.com/api/docs/guides/batch
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from cupl.errors import CuplError, InputError, ServerError
from cupl.generation.event_loop import run
from cupl.llm.access import access_to, warn
from cupl.llm.address import ServerAddress
from cupl.llm.body_limit import BodyTooLargeError
from cupl.llm.error_bodies import is_page
from cupl.llm.errors import to_server_error
from cupl.llm.protocol import RetryableError
from cupl.llm.redaction import redact
from cupl.llm.sdk import async_client, sync_client
from cupl.llm.wrong_address import WrongAddressError, with_right_url

MAX_RESULT = 4 * 10**9
"""Bytes of the largest result file that is fetched: ten answers to each of 50,000 requests have
some 10 % of it."""
_OVER = ("completed", "failed", "expired", "cancelled")
_MOST_BATCHES = 10_000
_TIMEOUT = 600.0
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
        clock: seconds; only their differences count.

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
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._access = access_to(ServerAddress.parse(base_url), api_key_env, notice)
        self.endpoint = self._access.address.endpoint
        self._client = sync_client(self._access, _TIMEOUT)

    def __enter__(self) -> BatchServer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._client.close()

    def batches(self) -> Iterator[Batch]:
        """Every batch that cupl submitted, the newest first.

        Raises:
            ServerError: the server does not say.

        """
        seen: set[str] = set()
        with self._explained("batches"):
            for answer in itertools.islice(self._client.batches.list(limit=100), _MOST_BATCHES):
                batch = self._read(answer)
                if batch.id in seen:
                    return  # a server without pages gives the first one for ever
                seen.add(batch.id)
                if batch.sha256:
                    yield batch

    def batch(self, id: str) -> Batch:
        """One batch.

        Raises:
            InputError: that is no id.
            ServerError: there is none, or the server does not say.

        """
        if not id.strip():
            raise InputError("the id of a batch is not empty")
        with self._explained(f"batch {id!r}"):
            return self._read(self._client.batches.retrieve(id))

    def submit(self, path: Path, sha256: str, url: str) -> Batch:
        """Upload a file of requests and have it answered, which costs money.

        Args:
            path: the file.
            sha256: of its content, by which the batch is found again.
            url: of all requests in it.

        Raises:
            ServerError: the server says no; whether a batch was made is not known if it said
                nothing.

        """
        name = f"{path.stem}.jsonl"  # what OpenAI wants it to end with
        with self._explained("Batch API"), path.open("rb") as file:
            uploaded = self._client.files.create(file=(name, file), purpose="batch")
            return self._read(
                self._client.batches.create(
                    input_file_id=_text(uploaded, "id") or _unreadable(),
                    endpoint=url,  # type: ignore[arg-type]
                    completion_window="24h",
                    metadata={_HASH: sha256, _FILE: path.name[:512]},
                )
            )

    def download(self, file_id: str, to: BinaryIO) -> int:
        """Write the content of a file, piece by piece.

        Returns:
            Its bytes.

        Raises:
            ServerError: the server does not give it, or it is not what a result file can be.

        """
        size, began = 0, self._clock()
        with self._explained(f"file {file_id!r}"):
            answer = self._client.files.with_streaming_response.content(file_id)
            with answer as content:
                for chunk in content.iter_bytes(2**16):
                    if not size and is_page(chunk[:2000].decode("utf-8", "replace")):
                        raise ServerError(f"{self.endpoint} gives a web page as {file_id!r}")
                    size += len(chunk)
                    sent = content.http_response.num_bytes_downloaded
                    if size > min(MAX_RESULT, _LEAST_PACKED + _MOST_PACKED * sent):
                        raise ServerError(
                            f"{self.endpoint} sends more than {MAX_RESULT // 10**9} GB as "
                            f"{file_id!r}, or unpacks to a multiple of what it sends; nothing "
                            "was kept"
                        )
                    if size < _SLOWEST * (self._clock() - began - _TIMEOUT):
                        raise ServerError(f"{self.endpoint} sends {file_id!r} too slowly")
                    to.write(chunk)
        return size

    async def _with_right_url(self, error: WrongAddressError) -> ServerError:
        async with async_client(self._access, _TIMEOUT) as client:
            return await with_right_url(error, client)

    def _read(self, answer: object) -> Batch:
        return _read(answer, self._access.secrets)

    @contextlib.contextmanager
    def _explained(self, asked: str) -> Iterator[None]:
        """What the SDK raises may hold a key: "from None" keeps it out of tracebacks."""
        import httpx2
        from openai import APIError

        try:
            yield
        except APIError as error:
            said = self._corrected(to_server_error(error, asked, self._access))
            if isinstance(said, RetryableError) and said.limited:
                said = ServerError(f"{self.endpoint} limits the rate; try again in some minutes")
            raise said from None
        except CuplError:
            raise
        except httpx2.HTTPError:
            raise ServerError(f"{self.endpoint} broke off; try again") from None
        except BodyTooLargeError as error:
            raise ServerError(f"{self.endpoint} sent an answer of {error}") from None
        except (ValueError, TypeError, AttributeError, RecursionError):
            what = f"{self.endpoint} did not answer as a Batch API does"
            raise self._corrected(
                WrongAddressError(
                    what,
                    self._access.address,
                    otherwise=ServerError(f"{what}; is it the right URL?"),
                )
            ) from None

    def _corrected(self, error: ServerError) -> ServerError:
        """The error with the base URL that would be right, where that is another."""
        if isinstance(error, WrongAddressError):
            error = run(self._with_right_url(error))
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
