"""Decisions in files: what comes back is what was written, whatever names and prompts hold."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from cupl.classification.filter_decision import FilterDecision, NearestClass, decisions_in_words
from cupl.classification.filter_writers import write_decisions
from cupl.errors import InputError
from cupl.io.csv import read_rows
from cupl.io.file_kinds import kind_of_file

ODD = ['=HYPERLINK("x")', 'a, "b"\nc', "@SUM(1)", "<b>bold</b>", "كلب|\\", "'=x", "-1"]
SAFE = NearestClass("toy", "id,1", 0.25, "a toy", 0.5)


def decisions() -> list[FilterDecision]:
    found = [
        FilterDecision(
            "block", f"photos/{name}.jpg", 0.125, NearestClass(name, None, 0.375, name, 0.75), SAFE
        )
        for name in ODD
    ]
    return [
        *found,
        FilterDecision("allow", "x.jpg", -0.5, found[0].blocked, SAFE),
        FilterDecision("review", "b\udcff.jpg", error="not an image, not at all"),
    ]


@pytest.mark.parametrize("name", ["d.csv", "d.jsonl", "d.parquet"])
def test_what_was_written_comes_back(name: str, tmp_path: Path) -> None:
    path, form = tmp_path / name, name.split(".")[1]
    failures = write_decisions(iter(decisions()), form, path)
    assert (failures.count, failures.first) == (1, decisions()[-1:])
    wanted = [one.to_dict() for one in decisions()]
    if form == "csv":
        text = path.read_bytes().decode("utf-8", "surrogateescape")
        assert "\n=" not in text
        assert ",=" not in text
        path.write_text(text.encode("utf-8", "backslashreplace").decode())
        rows = [row for _, row in read_rows(path, lambda _: True, "")]
        for row, known in zip(rows, wanted, strict=True):
            assert row.keys() == known.keys()
            for key, value in known.items():
                if isinstance(value, float):
                    assert float(row[key] or "") == value
                elif key != "path":
                    assert row[key] == (value or "")
    elif form == "jsonl":
        assert [json.loads(line) for line in path.read_text("ascii").splitlines()] == wanted
    else:
        rows_read = pq.read_table(path).to_pylist()
        assert rows_read[:-1] == wanted[:-1]
        assert rows_read[-1]["path"] == "b\\xff.jpg"


def test_the_prompt_is_that_of_the_side_that_decided() -> None:
    rows = [one.to_dict() for one in decisions()]
    assert [row["prompt"] for row in rows] == [*ODD, "a toy", None]
    alone = FilterDecision("review", None, -0.25, None, SAFE)
    assert (alone.prompt, alone.to_dict()["prompt_score"]) == ("a toy", 0.5)


@pytest.mark.parametrize("name", ["d.csv", "d.jsonl", "d.parquet", "d.table"])
def test_only_decisions_are_replaced(name: str, tmp_path: Path, recwarn: object) -> None:
    path, form = tmp_path / name, name.split(".")[1]
    path.write_text("somebody's notes")
    with pytest.warns(UserWarning, match="kept as"):
        write_decisions(decisions(), form, path)
    assert (tmp_path / f"{name}.old").read_text() == "somebody's notes"
    write_decisions(decisions()[:2], form, path)
    assert sorted(one.name for one in tmp_path.iterdir()) == [name, f"{name}.old"]
    if form != "parquet":
        assert "cupl filter" in str(kind_of_file(path))


def test_a_table_has_the_error_in_place_of_a_prompt(capsys: pytest.CaptureFixture[str]) -> None:
    write_decisions(decisions(), "table", None)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["image", "decision", "margin", "blocked", "allowed", "prompt"]
    assert "error: not an image" in lines[-1]
    assert len(lines) == 2 + len(decisions())
    with pytest.raises(InputError, match="parquet is not for printing"):
        write_decisions([], "parquet", None)


def test_counts_in_words() -> None:
    assert decisions_in_words({"block": 1200, "allow": 3}) == "block 1,200, review 0, allow 3"
