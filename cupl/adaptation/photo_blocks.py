"""Photos as blocks of image vectors, read as often as is wanted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch

from cupl.embedding.normalize import directions, has_direction
from cupl.embedding.stored_vectors import Embeddings

_CELLS = 2**22
"""Numbers of one photo and one class that are in memory together: 16 MB, a few times."""
_WINDOW = 1000
"""Photos among which one that is nearly the same is looked for."""


@dataclass(frozen=True, eq=False)
class PhotoBlocks:
    """Image vectors at length 1, float32 ``[so many, dim]`` at a time.

    Where a block ends depends on the number of classes alone. So sums over blocks are the same for
    shards of any size.

    Attributes:
        source: image vectors ``[images, dim]``, or what ``cupl embed`` wrote.
        classes: how many there are.
        keep: which photos count, bool ``[images]`` in order of those that have a direction; all of
            them where it is None.

    """

    source: torch.Tensor | Embeddings
    classes: int
    keep: torch.Tensor | None = None

    def __iter__(self) -> Iterator[torch.Tensor]:
        size = max(1, _CELLS // self.classes)
        waiting, number, seen = list[torch.Tensor](), 0, 0
        for rows in self._usable():
            kept = rows if self.keep is None else rows[self.keep[seen : seen + len(rows)]]
            seen += len(rows)
            waiting, number = [*waiting, kept], number + len(kept)
            if number >= size:
                *whole, rest = torch.split(torch.cat(waiting), size)
                whole, rest = ([*whole, rest], rest[:0]) if len(rest) == size else (whole, rest)
                yield from whole
                waiting, number = [rest], len(rest)
        if number:
            yield torch.cat(waiting)

    def _usable(self) -> Iterator[torch.Tensor]:
        """Photos that have a direction, at length 1."""
        size = max(1, _CELLS // self.classes)
        parts = (
            [self.source]
            if isinstance(self.source, torch.Tensor)
            else (shard.vectors for shard in self.source)
        )
        for part in parts:
            for rows in torch.split(part, size):
                found = rows.float().cpu()
                yield directions(found[has_direction(found)])


def distinct_share(blocks: Iterable[torch.Tensor], near: float) -> float:
    """Which share of photos is not nearly the same as one shortly before, as in a burst or a film.

    Args:
        blocks: photos in order.
        near: squared distance of two that are nearly the same.

    """
    number = distinct = 0
    for block in blocks:
        for window in torch.split(block, _WINDOW):
            repeats = (2 - 2 * (window @ window.T) < near).tril(-1).any(dim=1)
            number += len(window)
            distinct += len(window) - int(repeats.sum())
    return distinct / max(number, 1)
