"""Saying before long work how much there is to do, and about how long that takes."""

import time
from collections.abc import Callable

_LONG = 60.0
"""Seconds of work from which on it is told."""
_SOON = 2.0
"""Seconds after which a pace is known."""
_FEW = 3
"""Things after which it is; one alone may be slower than others."""


class Pace:
    """Watches a count that grows, and tells once what is left, if that takes long.

    The first count is where the work begins: what a cache has is no work. What is done next is
    left out as well, as a server or a model starts before. The estimate is what is left at the pace
    since then.

    Args:
        label: what is counted, such as ``prompts``.
        tell: takes the line.
        clock: seconds; only their differences count.

    """

    def __init__(
        self, label: str, tell: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._label, self._tell, self._clock = label, tell, clock
        self._cached: int | None = None
        self._first: tuple[float, int] | None = None
        self._told = False

    def update(self, done: int, total: int) -> None:
        """Take note of a count; ``total`` is 0 where nobody knows it."""
        now = self._clock()
        if self._cached is None:
            self._cached = done
        if self._first is None:
            self._first = (now, done) if done > self._cached else None
            return
        began, before = self._first
        if self._told or done < before + _FEW or now - began < _SOON:
            return
        left = (now - began) * (total - done) / (done - before)
        if left >= _LONG:
            self._told = True
            self._tell(f"{total - done:,} {self._label} to go, about {duration(left)}")


def duration(seconds: float) -> str:
    """``1 min``, ``9 min``, ``2 h 10 min``: no finer than an estimate is."""
    minutes = max(1, round(seconds / 60))
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes if minutes < 600 else round(minutes, -1), 60)
    return f"{hours:,} h {minutes} min" if minutes else f"{hours:,} h"
