"""How fast requests may go out when the server limits their rate."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from cupl.generation.retry import RetryPolicy


class RateLimiter:
    """One pause for all: what one request is told of the rate, the others need not learn again.

    At each pause half as many requests may be under way as before, at each answer a little more
    (additive increase, multiplicative decrease: Chiu and Jain 1989), so that a run settles at what
    the server takes.

    Args:
        most: requests under way at once.
        clock: seconds; only their differences count.
        sleep: waits so many seconds.
        longest: seconds of the longest pause that no server asked for.

    """

    def __init__(
        self,
        most: int,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
        longest: float = RetryPolicy.longest_wait,
    ) -> None:
        self._most = most
        self._now_most = float(most)
        self._clock = clock
        self._sleep = sleep
        self._longest = longest
        self._until = self._paused_at = -float("inf")
        self._pauses = 0
        """One after the other, without an answer between them."""
        self._under_way = 0
        self._first = asyncio.Lock()
        """Held by the one who is next: the others queue for it, first come, first served."""
        self._place = asyncio.Event()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[float]:
        """Wait until a request may go out, and hold a place for it; gives the time it starts."""
        async with self._first:
            while True:
                if (left := self._until - self._clock()) > 0:
                    await self._sleep(left)
                elif self._under_way >= int(self._now_most):
                    self._place.clear()
                    await self._place.wait()
                else:
                    break
            self._under_way += 1
        try:
            yield self._clock()
        finally:
            self._under_way -= 1
            self._place.set()

    def pause(self, started: float, after: float | None) -> float | None:
        """A request that ``started`` then was told that it came too fast.

        Args:
            started: from :meth:`turn`.
            after: seconds that the server asks to wait; None for a time of our own, which doubles
                with each pause.

        Returns:
            Seconds of the pause; None where it goes on already, or ended since.

        """
        now = self._clock()
        if started <= self._paused_at:
            if after is not None:
                self._until = max(self._until, now + after)
            return None
        self._pauses += 1
        self._paused_at = now
        self._now_most = max(1.0, self._now_most / 2)
        if after is None:
            after = min(self._longest, 2.0 ** min(self._pauses, 10))
            after *= random.uniform(0.5, 1.0)  # noqa: S311
        self._until = now + after
        return after

    def went_well(self) -> None:
        """Note that an answer came, so that more requests may go out at once again."""
        self._pauses = 0
        self._now_most = min(float(self._most), self._now_most + 1 / self._now_most)
