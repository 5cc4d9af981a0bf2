"""The numbers of an evaluation as CSV, safe to open in a spreadsheet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cupl.evaluation.schema import CandidateResult, Evaluation, Interval
from cupl.io.csv import Cell, csv_lines


def summary_sheet(evaluation: Evaluation) -> bytes:
    """A row a contender; shares between 0 and 1, at full precision."""
    figures = ("top1", "top5", "per_class", "difference")
    bounds = [f"{figure}{end}" for figure in figures for end in ("", "_low", "_high")]
    errors = ["temperature", "calibration_error_before", "calibration_error_after"]
    header = ["name", "kind", "seeds", "prompts", *bounds, "compared_to", "won", "lost", "p"]
    return _sheet([*header, *errors], map(_summary_row, evaluation.contenders))


def _summary_row(one: CandidateResult) -> list[Cell]:
    row: list[Cell] = [one.name, one.kind, one.seeds, one.prompts]
    row += _interval(one.top1) + _interval(one.top5) + _interval(one.per_class)
    if compared := one.comparison:
        row += _interval(compared.difference)
        row += [compared.to, compared.won, compared.lost, compared.p]
    else:
        row += [None] * 7
    if fitted := one.calibration:
        return [*row, fitted.temperature, fitted.before, fitted.after]
    return [*row, None, None, None]


def _interval(interval: Interval) -> list[Cell]:
    return [interval.value, interval.low, interval.high]


def classes_sheet(evaluation: Evaluation) -> bytes:
    """A row a class and contender: its images and the share of them that is right."""
    rows: Iterable[list[Cell]] = (
        [contender.name, contender.kind, one.name, one.id, one.images, one.accuracy]
        for contender in evaluation.contenders
        for one in contender.classes
    )
    return _sheet(["contender", "kind", "class", "id", "images", "accuracy"], rows)


def _sheet(header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> bytes:
    # File names may be no valid text.
    return "".join(csv_lines([header, *rows])).encode("utf-8", "surrogateescape")
