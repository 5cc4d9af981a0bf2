"""Responses that may be so long and no longer, whatever a server sends or has us unpack."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx2

MAX_BODY = 16 * 2**20
"""Bytes of the largest response that is read, unpacked."""


class BodyTooLargeError(Exception):
    """A response takes more memory than it may; the message says how much that is."""


def limit_body(response: httpx2.Response) -> None:
    """Let no response of an asynchronous client take more memory than it may, packed or not."""
    import httpx2

    stream: Any = response.stream
    if "Content-Encoding" in response.headers:
        stream = httpx2.Response(200, headers=response.headers, stream=stream)
        del response.headers["Content-Encoding"]
    response.stream = _capped()(stream)
    response.encoding = "utf-8"  # a header may name any codec of Python, such as "zlib"


def _more(size: int, chunk: bytes) -> int:
    size += len(chunk)
    if size > MAX_BODY:
        raise BodyTooLargeError(f"more than {MAX_BODY // 2**20} MiB")
    return size


# The class is made at first use: its base needs the heavy import.


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
