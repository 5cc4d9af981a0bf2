"""One request before the others, of which all of them learn what is wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from cupl.errors import ServerError
from cupl.llm.protocol import AdaptedError, RetryableError

_PATIENCE = 2.0
"""Seconds for which others wait: who says no says it soon."""


class UnaskedError(ServerError):
    """Nothing was sent, since what another request was told would be said to this one too."""


class FirstAlone:
    """Has the first request of many go alone until it is answered.

    A wrong address, key or model costs one request then, and not as many as may be under way. It
    belongs to one event loop.
    """

    def __init__(self) -> None:
        self._first: asyncio.Future[ServerError | None] | None = None
        self._answered = False

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Hold the place of the first, or wait for it.

        Raises:
            UnaskedError: in the words that the first was told.

        """
        while not self._answered and (first := self._first):
            await asyncio.wait([first], timeout=_PATIENCE)
            said = first.result() if first.done() else None
            if isinstance(said, AdaptedError):
                continue  # the other form is one request's to try too
            if said is not None and not isinstance(said, RetryableError):
                raise UnaskedError(str(said), arguments=said.arguments)
            break
        if self._answered or self._first:
            yield
            return
        self._first = first = asyncio.get_running_loop().create_future()
        said = None
        try:
            yield
            self._answered = True
        except ServerError as error:
            said = error
            raise
        finally:
            first.set_result(said)
            self._first = None  # who comes later tries for itself
