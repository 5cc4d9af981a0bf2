import csv
import io
from pathlib import Path

import pytest

from cupl.io.csv import read_rows
from cupl.report.sheets import classes_sheet, comparisons_sheet, summary_sheet
from tests.report.evaluations import HOSTILE, bare_evaluation, evaluation, hostile_evaluation


def read(sheet: bytes) -> list[dict[str, str]]:
    text = sheet.decode("utf-8", "surrogateescape")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_csv_has_every_number() -> None:
    found = evaluation()
    summary = read(summary_sheet(found))
    for row, one in zip(summary, found.candidates, strict=True):
        assert (row["name"], row["kind"], int(row["seeds"])) == (one.name, one.kind, one.seeds)
        for figure in ("top1", "top5", "per_class"):
            interval = getattr(one, figure)
            assert interval is not None
            assert float(row[figure]) == interval.value
            assert float(row[f"{figure}_low"]) == interval.low
            assert float(row[f"{figure}_high"]) == interval.high
        if one.comparison is None:
            assert row["difference"] == row["p"] == row["compared_to"] == ""
        else:
            assert float(row["difference"]) == one.comparison.difference.value
            assert float(row["p"]) == one.comparison.p
            assert row["compared_to"] == one.comparison.to
            assert row["p_holm"] == ("" if one.kind == "control" else "0.0042")
        if one.calibration is None:
            assert row["temperature"] == ""
            assert row["uncalibrated"] == "there are too few images"
        else:
            assert float(row["temperature"]) == one.calibration.temperature
    classes = read(classes_sheet(found))
    assert [(row["contender"], row["class"], float(row["accuracy"])) for row in classes] == [
        (one.name, row.name, row.accuracy) for one in found.candidates for row in one.classes
    ]


def test_columns_are_only_added_at_the_end() -> None:
    header = summary_sheet(evaluation()).decode().splitlines()[0].split(",")
    assert header == [
        "name", "kind", "seeds", "prompts", "top1", "top1_low", "top1_high", "top5", "top5_low",
        "top5_high", "per_class", "per_class_low", "per_class_high", "difference",
        "difference_low", "difference_high", "compared_to", "won", "lost", "p", "temperature",
        "calibration_error_before", "calibration_error_after", "p_holm", "uncalibrated",
        "spread_mean", "spread_sd", "spread_parts",
    ]  # fmt: skip
    assert classes_sheet(evaluation()).startswith(b"contender,kind,class,id,images,accuracy\n")


def test_below_six_classes_there_is_no_top5() -> None:
    found = evaluation()
    few = [one.model_copy(update={"top5": None}) for one in found.candidates]
    for row in read(summary_sheet(found.model_copy(update={"candidates": few}))):
        assert row["top5"] == row["top5_low"] == row["top5_high"] == ""


def test_every_bank_against_every_control() -> None:
    assert read(comparisons_sheet(evaluation()))[1] == {
        "bank": "my bank",
        "control": "random-words",
        "difference": "0.0422",
        "difference_low": "0.0222",
        "difference_high": "0.062200000000000005",
        "won": "41",
        "lost": "17",
        "p": "0.0021",
        "p_holm": "0.0042",
        "outcome": "better",
        "other_kind": "control",
    }
    alone = comparisons_sheet(bare_evaluation()).decode()
    assert alone == ",".join(read(comparisons_sheet(evaluation()))[0]) + "\n"


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
