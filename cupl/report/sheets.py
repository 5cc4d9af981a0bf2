"""The rows of an evaluation as CSV files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from cupl.evaluation.records import (
    COMPARISON_COLUMNS,
    Record,
    candidate_records,
    class_records,
    comparison_records,
)
from cupl.evaluation.schema import Evaluation
from cupl.io.csv import csv_lines


def summary_sheet(evaluation: Evaluation) -> bytes:
    """``summary.csv``: a row a candidate."""
    return _sheet(candidate_records(evaluation))


def comparisons_sheet(evaluation: Evaluation) -> bytes:
    """``comparisons.csv``: a row a bank and control."""
    return _sheet(comparison_records(evaluation), COMPARISON_COLUMNS)


def classes_sheet(evaluation: Evaluation) -> bytes:
    """``classes.csv``: a row a class and candidate."""
    return _sheet(class_records(evaluation))


def _sheet(records: Sequence[Record], columns: Sequence[str] = ()) -> bytes:
    # File names may be no valid text.
    text = "".join(sheet_lines(records, columns or list(records[0])))
    return text.encode("utf-8", "surrogateescape")


def sheet_lines(
    records: Iterable[Record], columns: Sequence[str], end: str = "\n"
) -> Iterator[str]:
    """The lines of a CSV file, the first of which names the columns."""
    return csv_lines(chain([columns], (list(record.values()) for record in records)), end)
