"""Evaluations with several encoders on several data sets, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from cupl.evaluation.numbers import percent, short
from cupl.evaluation.records import Record, candidate_records, interval_record
from cupl.evaluation.schema import CandidateResult, Evaluation, Interval
from cupl.evaluation.verdict import explain_asked, verdicts
from cupl.io.tables import Column, TableCell, draw_table
from cupl.io.terminal import folded, printable, terminal_width
from cupl.io.words import number_of


@dataclass(frozen=True)
class GridCell:
    """One encoder on one data set.

    Attributes:
        encoder: its name in tables.
        data: the name of the data set in tables.
        evaluation: all figures.
        folder: of its report, below that of the grid; None where none was written.

    """

    encoder: str
    data: str
    evaluation: Evaluation
    folder: str | None = None

    def candidate(self, name: str) -> CandidateResult | None:
        """A bank or control by its name; None where this data set has none of that name."""
        return next((one for one in self.evaluation.candidates if one.name == name), None)


@dataclass(frozen=True)
class GridMean:
    """A candidate with one encoder: means over the data sets, each of which counts the same."""

    encoder: str
    name: str
    kind: str
    data_sets: int
    top1: Interval
    per_class: Interval | None
    difference: Interval | None
    """To the reference; None for itself."""


@dataclass(frozen=True)
class GridRow:
    """A candidate with one encoder, as tables show it.

    Attributes:
        encoder: its name in tables.
        name: of the bank or control.
        found: on each data set; None where that has none of this name.
        mean: over the data sets, where there is one.

    """

    encoder: str
    name: str
    found: list[CandidateResult | None]
    mean: GridMean | None


@dataclass(frozen=True)
class EvaluationGrid:
    """A table encoder by data set by candidate.

    Attributes:
        cells: encoder after encoder, each with the data sets in their order.

    """

    cells: list[GridCell]

    def __repr__(self) -> str:
        encoders = number_of(len(self.encoders), "encoder")
        data = number_of(len(self.data_sets), "data set")
        found = number_of(len(self.candidates), "candidate")
        return f"{type(self).__name__}({encoders}, {data}, {found})"

    def __str__(self) -> str:
        return _table(self)

    @property
    def encoders(self) -> list[str]:
        """Their names, in order."""
        return list(dict.fromkeys(cell.encoder for cell in self.cells))

    @property
    def data_sets(self) -> list[str]:
        """Their names, in order."""
        return list(dict.fromkeys(cell.data for cell in self.cells))

    @property
    def candidates(self) -> list[str]:
        """Names of banks, then of controls, of all cells."""
        found = [one for cell in self.cells for one in cell.evaluation.candidates]
        banks_first = sorted(found, key=lambda one: one.kind != "bank")
        return list(dict.fromkeys(one.name for one in banks_first))

    def of(self, encoder: str) -> list[GridCell]:
        """The cells of one encoder."""
        return [cell for cell in self.cells if cell.encoder == encoder]

    @property
    def rows(self) -> list[GridRow]:
        """A row an encoder and candidate, those of an encoder together."""
        means = {(one.encoder, one.name): one for one in self.means}
        rows = []
        for encoder in self.encoders:
            cells = {cell.data: cell for cell in self.of(encoder)}
            for name in self.candidates:
                there = map(cells.get, self.data_sets)
                found = [cell.candidate(name) if cell else None for cell in there]
                rows.append(GridRow(encoder, name, found, means.get((encoder, name))))
        return rows

    @property
    def means(self) -> list[GridMean]:
        """Of every encoder and candidate; none where there is one data set."""
        every = [_mean(encoder, name, self.of(encoder))
                 for encoder in self.encoders for name in self.candidates]  # fmt: skip
        return [one for one in every if one is not None]

    def to_records(self) -> list[Record]:
        """A flat row an encoder, data set and candidate: the columns of ``summary.csv``."""
        return [
            {"encoder": cell.encoder, "data": cell.data, **record}
            for cell in self.cells
            for record in candidate_records(cell.evaluation)
        ]

    def means_to_records(self) -> list[Record]:
        """A flat row an encoder and candidate: the columns of ``means.csv``."""
        return [
            {
                "encoder": one.encoder, "name": one.name, "kind": one.kind,
                "data_sets": one.data_sets, **interval_record("top1", one.top1),
                **interval_record("per_class", one.per_class),
                **interval_record("difference", one.difference),
            }
            for one in self.means
        ]  # fmt: skip


def _mean(encoder: str, name: str, cells: Sequence[GridCell]) -> GridMean | None:
    """None where a data set lacks the candidate: means of different data sets say nothing."""
    found = [one for cell in cells if (one := cell.candidate(name)) is not None]
    if len(found) < len(cells) or len(found) < 2:
        return None
    per_class = [one.per_class for one in found if one.per_class is not None]
    compared = [one.comparison.difference for one in found if one.comparison is not None]
    return GridMean(
        encoder, name, found[0].kind, len(found),
        mean_interval([one.top1 for one in found]),
        mean_interval(per_class) if len(per_class) == len(found) else None,
        mean_interval(compared) if len(compared) == len(found) else None,
    )  # fmt: skip


def mean_interval(intervals: Sequence[Interval]) -> Interval:
    """The mean of figures on different images, and its 95 % interval.

    The limits of independent figures are combined as their variances would be (MOVER; Zou &
    Donner, Statistics in Medicine 27, 2008). It is about other images of the same data sets, not
    about other data sets, of which a few say little.
    """
    number = len(intervals)
    value = sum(one.value for one in intervals) / number
    below = sum((one.value - one.low) ** 2 for one in intervals) ** 0.5 / number
    above = sum((one.high - one.value) ** 2 for one in intervals) ** 0.5 / number
    return Interval(value=value, low=value - below, high=value + above)


def _table(grid: EvaluationGrid) -> str:
    """Encoder by data set by candidate, with means over the data sets, for a terminal."""
    data_sets, means = grid.data_sets, grid.means
    columns = [
        Column("encoder"),
        Column(""),
        *(
            Column(short(name, 30), "number", rank=place + 1)
            for place, name in enumerate(data_sets)
        ),
        *([Column("mean", "number")] if means else []),
    ]
    rows: list[list[TableCell] | None] = []
    for _, of_encoder in groupby(grid.rows, lambda row: row.encoder):
        rows += [None] if rows else []
        for row in of_encoder:
            shown = [*row.found, *([row.mean] if means else [])]
            rows.append([
                short(row.encoder, 60),
                short(row.name, 60),
                *(_shares(one.top1) if one else "" for one in shown),
            ])  # fmt: skip
    width = terminal_width()
    head = "Top-1 accuracy in %, with 95 % intervals." + (
        " The mean counts every data set the same; its interval is about other images of these "
        "data sets, not about other data sets."
        if means
        else ""
    )
    said = "\n".join(printable(line) for cell in grid.cells for line in _said(cell))
    return f"{folded(head, width)}\n\n{draw_table(columns, rows, width)}{folded(said, width)}\n"


def _said(cell: GridCell) -> list[str]:
    found = cell.evaluation
    sentences = [one.sentence for one in (*verdicts(found), *explain_asked(found))]
    return ["", f"{short(cell.encoder, 60)} on {short(cell.data, 60)}:", *sentences]


def _shares(interval: Interval) -> tuple[str, str]:
    return percent(interval.value), f"{percent(interval.low)}–{percent(interval.high)}"
