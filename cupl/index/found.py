"""What a search has found: photos with their scores, the best first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, overload

from cupl.index.rows import SCORE, PhotoRow, rows_of


@dataclass(frozen=True, slots=True)
class FoundPhoto:
    """A photo that was found.

    Attributes:
        score: the cosine of its vector and the query's.
        photo: what the index knows of it.

    """

    score: float
    photo: PhotoRow

    @property
    def path(self) -> str:
        """Of the file."""
        return self.photo.path


class FoundPhotos(Sequence[FoundPhoto]):
    """The photos of one query, the best first.

    Args:
        table: of the columns of :mod:`cupl.index.rows`, and ``score``.

    """

    def __init__(self, table: Any) -> None:
        self._table = table
        scores = table.column(SCORE).to_pylist()
        self._found = [
            FoundPhoto(score, row) for score, row in zip(scores, rows_of(table), strict=True)
        ]

    def __len__(self) -> int:
        return len(self._found)

    @overload
    def __getitem__(self, place: int) -> FoundPhoto: ...
    @overload
    def __getitem__(self, place: slice) -> list[FoundPhoto]: ...
    def __getitem__(self, place: int | slice) -> FoundPhoto | list[FoundPhoto]:
        return self._found[place]

    def __iter__(self) -> Iterator[FoundPhoto]:
        return iter(self._found)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} photos)"

    def to_arrow(self) -> Any:
        """As a table of pyarrow: score, path and all else that is known of each."""
        return self._table
