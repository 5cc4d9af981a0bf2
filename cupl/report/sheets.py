"""The numbers of an evaluation as CSV, safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from cupl.evaluation.schema import CandidateResult, Evaluation, Interval

Cell = str | int | float | None

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")


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
    cells = ([_cell(cell) for cell in row] for row in rows)
    text = "".join(map(_line, [header, *cells]))
    return text.encode("utf-8", "surrogateescape")  # file names may be no valid text


def _line(row: Sequence[Cell]) -> str:
    buffer = io.StringIO(newline="")
    csv.writer(buffer).writerow(row)  # its CR LF makes it quote a name with either
    return buffer.getvalue().removesuffix("\r\n") + "\n"


def _cell(cell: Cell) -> Cell:
    """A cell that no spreadsheet takes for a formula.

    Class names and bank names come from others, and a spreadsheet runs a text that begins with
    one of ``= + - @``, a tab or a carriage return. Such a text gets an apostrophe in front, which
    a program that reads the file has to take off again; a text that is a number does not.
    """
    if not isinstance(cell, str) or not cell.startswith(_FORMULA):
        return cell
    try:
        float(cell)
    except ValueError:
        return f"'{cell}"
    return cell
