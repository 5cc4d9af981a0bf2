"""An evaluation as a table for a paper: figures, what is shown, and what the marks say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby

from cupl.evaluation.grid import EvaluationGrid, GridRow
from cupl.evaluation.numbers import chance, percent, points, short
from cupl.evaluation.sampled import sample_note
from cupl.evaluation.schema import CandidateResult, Comparison, Evaluation, Interval
from cupl.evaluation.verdict import explain_asked
from cupl.report.paper import BETTER, WORSE, PaperCell, PaperTable

_LONGEST = 80


def evaluation_table(evaluation: Evaluation) -> PaperTable:
    """A row a candidate, accuracies in percent with their intervals."""
    some = evaluation.candidates
    best = best_shown(some)
    columns: list[tuple[str, Callable[[CandidateResult], PaperCell]]] = [
        ("", lambda one: PaperCell(short(one.name, _LONGEST))),
        ("prompts", lambda one: PaperCell(f"{one.prompts:.3g}")),
        (
            "top-1 %",
            lambda one: PaperCell(with_interval(one.top1), one.name == best, mark_of(one)),
        ),
    ]
    if any(one.top5 for one in some):
        columns.append(
            ("top-5 %", lambda one: PaperCell(with_interval(one.top5) if one.top5 else ""))
        )
    if any(one.per_class for one in some):
        columns.append(
            (
                "mean per class %",
                lambda one: PaperCell(with_interval(one.per_class) if one.per_class else ""),
            )
        )
    if evaluation.reference is not None:
        columns += [
            (
                f"less {short(evaluation.reference, 40)}",
                lambda one: PaperCell(_gain(one.comparison)),
            ),
            ("p (Holm)", lambda one: PaperCell(_p(one.comparison))),
        ]
    if any(one.spread for one in some):
        columns.append(("mean ± SD of parts", lambda one: PaperCell(_spread(one))))
    rows = [[cell(one) for _, cell in columns] for one in some]
    kind = "bootstrap intervals"
    if evaluation.sample is not None:
        kind = "intervals (Wilson's, by weight)"
    about = (
        f"{short(evaluation.encoder, _LONGEST)}, {evaluation.images:,} images of "
        f"{evaluation.classes_with_images:,} classes, {evaluation.classes:,} to choose from; in "
        f"brackets 95 % {kind}."
    )
    if evaluation.sample is not None:
        about += f" {sample_note(evaluation.sample)}"
    return PaperTable(
        [name for name, _ in columns], [rows], [about, *notes_on_marks(evaluation.reference)]
    )


def grid_table(grid: EvaluationGrid) -> PaperTable:
    """A row an encoder and candidate, a column a data set, and their mean."""
    means, groups = grid.means, []
    for encoder, rows in groupby(grid.rows, lambda row: row.encoder):
        best = {cell.data: best_shown(cell.evaluation.candidates) for cell in grid.of(encoder)}
        groups.append([_grid_row(row, grid.data_sets, best, bool(means)) for row in rows])
    head = ["encoder", "", *(short(name, 40) for name in grid.data_sets)]
    references = dict.fromkeys(cell.evaluation.reference for cell in grid.cells)
    about = "Top-1 accuracy in percent, in brackets 95 % bootstrap intervals."
    if means:
        head.append("mean")
        about += " The mean counts every data set the same; its interval is about their images."
    notes = [note for one in references for note in notes_on_marks(one)]
    asked = [
        f"{short(cell.encoder, _LONGEST)} on {short(cell.data, 40)}: {one.sentence}"
        for cell in grid.cells
        for one in explain_asked(cell.evaluation)
    ]
    return PaperTable(head, groups, [about, *dict.fromkeys(notes), *asked])


def _grid_row(
    row: GridRow, data_sets: Sequence[str], best: Mapping[str, str | None], with_mean: bool
) -> list[PaperCell]:
    cells = [PaperCell(short(row.encoder, _LONGEST)), PaperCell(short(row.name, _LONGEST))]
    cells += [
        PaperCell(with_interval(one.top1), best[data] == row.name, mark_of(one))
        if one
        else PaperCell("")
        for data, one in zip(data_sets, row.found, strict=True)
    ]
    if with_mean:
        cells.append(PaperCell(with_interval(row.mean.top1) if row.mean else ""))
    return cells


def notes_on_marks(reference: str | None) -> list[str]:
    """What the marks and bold say."""
    marks = (
        f"{BETTER} shown better, {WORSE} shown worse than {short(reference, 40)}: the interval of "
        "the difference leaves out zero, and p, corrected for all that is tested (Holm), is below "
        "0.05. "
        if reference is not None
        else ""
    )
    return [f"{marks}Bold: shown better than all others."]


def best_shown(candidates: Sequence[CandidateResult]) -> str | None:
    """Name of the candidate that is shown to be better than every other; None where none is."""
    beaten: dict[str, set[str]] = {}
    for one in candidates:
        for other in one.against:
            winner, loser = (one.name, other.to)
            if _shown(other) == "worse":
                winner, loser = loser, winner
            if _shown(other) in ("better", "worse"):
                beaten.setdefault(winner, set()).add(loser)
    names = {one.name for one in candidates}
    return next((one for one, losers in beaten.items() if losers >= names - {one}), None)


def mark_of(one: CandidateResult) -> str:
    """Whether it is shown to differ from the reference."""
    outcome = None if one.comparison is None else _shown(one.comparison)
    return {"better": BETTER, "worse": WORSE}.get(outcome or "", "")


def _shown(comparison: Comparison) -> str:
    """Its outcome; nothing is shown where nothing was tested."""
    return "open" if comparison.p_holm is None else comparison.outcome


def with_interval(interval: Interval) -> str:
    """``74.2 [71.2, 77.2]``."""
    return f"{percent(interval.value)} [{percent(interval.low)}, {percent(interval.high)}]"


def _gain(comparison: Comparison | None) -> str:
    if comparison is None:
        return ""
    one = comparison.difference
    return f"{points(one.value)} [{points(one.low)}, {points(one.high)}]"


def _p(comparison: Comparison | None) -> str:
    return "" if comparison is None or comparison.p_holm is None else chance(comparison.p_holm)


def _spread(one: CandidateResult) -> str:
    return f"{percent(one.spread.mean)} ± {percent(one.spread.sd)}" if one.spread else ""
