"""The rows of an evaluation as CSV files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from cupl.bank.labels import ClassLabel
from cupl.evaluation.ranking import Integers
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
    return records_sheet(candidate_records(evaluation))


def comparisons_sheet(evaluation: Evaluation) -> bytes:
    """``comparisons.csv``: a row a bank and control."""
    return records_sheet(comparison_records(evaluation), COMPARISON_COLUMNS)


def classes_sheet(evaluation: Evaluation) -> bytes:
    """``classes.csv``: a row a class and candidate."""
    return records_sheet(class_records(evaluation))


def confusion_sheet(matrix: Integers, labels: Sequence[ClassLabel]) -> bytes:
    """``confusion-CANDIDATE.csv``: a row a true class, a column a predicted one, in images."""
    names = [str(label) for label in labels]
    rows = ([name, *row] for name, row in zip(names, matrix.tolist(), strict=True))
    text = "".join(csv_lines(chain([["true class", *names]], rows)))
    return text.encode("utf-8", "surrogateescape")


def records_sheet(records: Sequence[Record], columns: Sequence[str] = ()) -> bytes:
    """A CSV file of the records, one at least where no columns are named."""
    # File names may be no valid text.
    text = "".join(sheet_lines(records, columns or list(records[0])))
    return text.encode("utf-8", "surrogateescape")


def sheet_lines(
    records: Iterable[Record], columns: Sequence[str], end: str = "\n"
) -> Iterator[str]:
    """The lines of a CSV file, the first of which names the columns."""
    return csv_lines(chain([columns], (list(record.values()) for record in records)), end)
