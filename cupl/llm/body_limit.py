"""Responses that may be so long and no longer, whatever a server sends or has us unpack."""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx2

MAX_BODY = 16 * 2**20
"""Bytes of the largest response that is read, unpacked."""


class BodyTooLargeError(Exception):
    """A response takes more memory than it may; the message says how much that is."""


def limit_body(response: httpx2.Response) -> None:
    """Let no response of an asynchronous client take more memory than it may, packed or not."""
    _limit(response, _capped())


def limit_sync_body(response: httpx2.Response, seconds: float) -> None:
    """The same for a client that nothing else stops after so many seconds."""
    _limit(response, functools.partial(_capped_sync(), until=time.monotonic() + seconds))


def _limit(response: httpx2.Response, capped: Callable[[Any], Any]) -> None:
    import httpx2

    stream: Any = response.stream
    if "Content-Encoding" in response.headers:
        stream = httpx2.Response(200, headers=response.headers, stream=stream)
        del response.headers["Content-Encoding"]
    response.stream = capped(stream)
    response.encoding = "utf-8"  # a header may name any codec of Python, such as "zlib"


def _more(size: int, chunk: bytes) -> int:
    size += len(chunk)
    if size > MAX_BODY:
        raise BodyTooLargeError(f"more than {MAX_BODY // 2**20} MiB")
    return size


# The classes are made at first use: their bases need the heavy import.


@functools.cache
def _capped() -> Callable[[Any], httpx2.AsyncByteStream]:
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
                    size = _more(size, chunk)
                    yield chunk

        async def aclose(self) -> None:
            await self.stream.aclose()

    return Capped


@functools.cache
def _capped_sync() -> Callable[..., httpx2.SyncByteStream]:
    import httpx2

    class Capped(httpx2.SyncByteStream):
        def __init__(self, stream: Any, until: float) -> None:
            self.stream = stream
            self.until = until

        def __iter__(self) -> Iterator[bytes]:
            size = 0
            packed = isinstance(self.stream, httpx2.Response)
            for chunk in self.stream.iter_bytes() if packed else self.stream:
                size = _more(size, chunk)
                if time.monotonic() > self.until:
                    raise httpx2.ReadTimeout("the body takes too long")
                yield chunk

        def close(self) -> None:
            self.stream.close()

    return Capped
