import csv
import io
from pathlib import Path

import pytest

from cupl.io.csv import read_rows
from cupl.report.sheets import classes_sheet, summary_sheet
from tests.report.evaluations import HOSTILE, evaluation, hostile_evaluation


def read(sheet: bytes) -> list[dict[str, str]]:
    text = sheet.decode("utf-8", "surrogateescape")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_csv_has_every_number() -> None:
    found = evaluation()
    summary = read(summary_sheet(found))
    for row, one in zip(summary, found.contenders, strict=True):
        assert (row["name"], row["kind"], int(row["seeds"])) == (one.name, one.kind, one.seeds)
        for figure in ("top1", "top5", "per_class"):
            interval = getattr(one, figure)
            assert float(row[figure]) == interval.value
            assert float(row[f"{figure}_low"]) == interval.low
            assert float(row[f"{figure}_high"]) == interval.high
        if one.comparison is None:
            assert row["difference"] == row["p"] == row["compared_to"] == ""
        else:
            assert float(row["difference"]) == one.comparison.difference.value
            assert float(row["p"]) == one.comparison.p
            assert row["compared_to"] == one.comparison.to
        if one.calibration is None:
            assert row["temperature"] == ""
        else:
            assert float(row["temperature"]) == one.calibration.temperature
    classes = read(classes_sheet(found))
    assert [(row["contender"], row["class"], float(row["accuracy"])) for row in classes] == [
        (one.name, row.name, row.accuracy) for one in found.contenders for row in one.classes
    ]


@pytest.mark.parametrize("text", ['=HYPERLINK("x")', "@SUM(1)", "\tx", "'=1", "-- dashed"])
def test_no_cell_is_a_formula(text: str) -> None:
    found = evaluation([text], control=None, bank=text)
    [bank] = read(summary_sheet(found))
    [row] = read(classes_sheet(found))
    assert bank["name"] == row["contender"] == row["class"] == f"'{text}"


def test_negative_numbers_stay_numbers() -> None:
    first, *_ = read(summary_sheet(evaluation(difference=-0.04)))
    assert first["difference"] == "-0.04"


def test_any_text_can_be_read_back(tmp_path: Path) -> None:
    names = [name for name in HOSTILE if name.isascii()]  # one is no text that UTF-8 can hold
    (tmp_path / "classes.csv").write_bytes(classes_sheet(evaluation(names)))
    rows = read_rows(tmp_path / "classes.csv", lambda columns: True, "")
    assert [row["class"] for _, row in rows] == names * 3
    assert [row["class"] for row in read(classes_sheet(hostile_evaluation()))] == [
        f"'{name}" if name.startswith("=") else name for name in HOSTILE
    ] * 3
