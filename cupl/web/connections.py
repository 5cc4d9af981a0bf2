"""Connections that keep nobody else out: a request that does not come is not waited for."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

SECONDS_FOR_A_HEAD = 10.0


class ImpatientProtocol(H11Protocol):
    """uvicorn's, which ends a connection that does not send the head of a request in time.

    Else as many as may be open at once could be held by whoever sends nothing. Bodies have a limit
    of their own, and between two requests uvicorn's applies.
    """

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._wait_no_more()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.cycle is None or self.cycle.response_complete:
            self._wait()
        else:
            self._wait_no_more()

    def _wait(self) -> None:
        if self._late is None:
            self._late = self.loop.call_later(SECONDS_FOR_A_HEAD, self.transport.close)

    def _wait_no_more(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None
