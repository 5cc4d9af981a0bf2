"""Several encoders and data sets as a terminal shows them."""

from __future__ import annotations

from cupl.evaluation.grid import EvaluationGrid, GridCell
from cupl.evaluation.numbers import percent, short
from cupl.evaluation.schema import Interval
from cupl.evaluation.verdict import explain_asked, verdicts
from cupl.io.tables import Column, TableCell, draw_table
from cupl.io.terminal import folded, printable, terminal_width


def summarize_grid(grid: EvaluationGrid) -> str:
    """The table encoder by data set by candidate, with means over the data sets."""
    data_sets, means = grid.data_sets, {(one.encoder, one.name): one for one in grid.means}
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
    for encoder in grid.encoders:
        cells = {cell.data: cell for cell in grid.of(encoder)}
        rows += [None] if rows else []
        for name in grid.candidates:
            found = [cells[data].candidate(name) if data in cells else None for data in data_sets]
            mean = means.get((encoder, name))
            rows.append([
                short(encoder, 60),
                short(name, 60),
                *(_shares(one.top1) if one else "" for one in found),
                *([_shares(mean.top1) if mean else ""] if means else []),
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
