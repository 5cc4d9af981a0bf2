"""How work that takes long says how far it is."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

_T = TypeVar("_T")

Progress = Callable[[int, int], None]
"""Called with how much is done and how much there is in all; 0 where that is not known."""


def ignore(*what: object) -> None:
    """Take whatever it is told and do nothing: the default for callbacks."""


def counted(items: Iterable[_T], progress: Progress, total: int) -> Iterator[_T]:
    """The items as they are; ``progress`` is told before each how many there have been.

    Where ``total`` is not known, 0, or turns out to be too small, there are as many as there were.
    """
    for done, item in enumerate(items, 1):
        progress(done, max(done, total))
        yield item
