"""What a search has found: photos with their scores, the best first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, overload

from cupl.index.rows import COLUMNS, ID, SCORE, PhotoRow, rows_of

SHOWN = tuple(name for name in COLUMNS if name not in (ID, "raw_path"))
"""Columns of tables that are given away."""


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

    @property
    def paths(self) -> list[str]:
        """Of the files, the best first."""
        return [one.path for one in self._found]

    def to_arrow(self) -> Any:
        r"""As a table of pyarrow: the score, and all else that is known of each photo.

        Its texts are UTF-8: a path that is not has its odd bytes spelled out, as ``\xff``.
        """
        return self._table.select([SCORE, *SHOWN])

    def to_pandas(self) -> Any:
        """The same as a table of pandas, with the paths as Python names files."""
        return with_paths(self.to_arrow(), self.paths)


def with_paths(table: Any, paths: Sequence[str]) -> Any:
    """A table of pyarrow as one of pandas, with paths as Python names files."""
    frame = table.to_pandas()
    # The type of pandas for texts holds none whose bytes are not UTF-8.
    frame["path"] = frame["path"].astype(object)
    frame.loc[:, "path"] = paths
    return frame
