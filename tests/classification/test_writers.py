import csv
import io
import itertools
import json
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cupl.bank.labels import ClassLabel
from cupl.classification.explanation import ClassExplanation, Explanation, PromptScore
from cupl.classification.parquet import ROW_GROUP
from cupl.classification.prediction import Prediction, Score
from cupl.classification.ranked import RankedClasses, Ranking
from cupl.classification.writers import (
    _EXAMPLES,
    FORMATS,
    TABLE_ROWS,
    FailedImages,
    columns_of,
    csv_rows,
    json_lines,
    table_text,
    write_predictions,
)
from cupl.errors import InputError
from cupl.io.csv import read_rows
from cupl.io.terminal import printable
from tests.strategies import texts

FROG = Score("tree frog", "n1", 0.31234567, 0.75)
TOAD = Score('toad, "brown"', None, 0.2, 0.25)
LINE = ["path", "label", "id", "score", "probability", "error", "top"]
GOOD = Prediction((FROG, TOAD), "a,b.jpg")
BAD = Prediction(path="half.jpg", error="the image is cut off")


def parse_csv(text: str) -> list[dict[str, str]]:
    """As every reader of ours does it."""
    with TemporaryDirectory() as folder:
        file = Path(folder, "x.csv")
        file.write_bytes(text.encode())
        rows = read_rows(file, lambda columns: True, "")
        return [{name: cell or "" for name, cell in row.items()} for _, row in rows]


def test_csv() -> None:
    rows = parse_csv("".join(csv_rows([GOOD, BAD], 2)))
    assert list(rows[0]) == [
        *["path", "label", "id", "score", "probability", "error"],
        *["label_2", "id_2", "score_2", "probability_2"],
    ]
    assert list(rows[0].values()) == [
        *["a,b.jpg", "tree frog", "n1", "0.312346", "0.750000", ""],
        *['toad, "brown"', "", "0.200000", "0.250000"],
    ]
    assert list(rows[1].values()) == ["half.jpg", "", "", "", "", BAD.error, "", "", "", ""]


@pytest.mark.parametrize("top_k", [1, 2, 4])
def test_csv_has_a_cell_for_every_column(top_k: int) -> None:
    text = "".join(csv_rows([GOOD, BAD, Prediction((FROG,))], top_k))
    assert {len(row) for row in csv.reader(io.StringIO(text))} == {2 + 4 * top_k}


@given(st.lists(st.tuples(texts, texts, texts), max_size=3))
def test_csv_and_json_lines_bring_back_any_text(cells: list[tuple[str, str, str]]) -> None:
    predictions = [
        Prediction((Score(label, id or None, 0.5, 1.0),), path) for path, label, id in cells
    ]
    rows = parse_csv("".join(csv_rows(predictions, 1)))
    assert [(row["path"], row["label"], row["id"]) for row in rows] == cells
    lines = [json.loads(line) for line in "".join(json_lines(predictions, 1)).splitlines()]
    assert [(line["path"], line["label"], line["id"] or "") for line in lines] == cells


def test_json_lines() -> None:
    good, bad = (json.loads(line) for line in json_lines([GOOD, BAD], 2))
    frog = {"label": "tree frog", "id": "n1", "score": 0.31234567, "probability": 0.75}
    toad = {"label": 'toad, "brown"', "id": None, "score": 0.2, "probability": 0.25}
    assert good == {"path": "a,b.jpg", **frog, "error": None, "top": [frog, toad]}
    nothing = dict.fromkeys(["label", "id", "score", "probability"])
    assert bad == {"path": "half.jpg", **nothing, "error": BAD.error, "top": []}


@given(
    st.lists(st.tuples(texts, st.none() | texts), min_size=1, max_size=4),
    st.sampled_from([0.1, 1 / 3, 1e-30, -0.5, 0.0, float("nan"), float("inf")]),
)
def test_json_lines_of_arrays_are_those_of_objects(
    names: list[tuple[str, str | None]], number: float
) -> None:
    numbers = np.full((1, len(names)), number, dtype=np.float32)
    labels = [ClassLabel(*name) for name in names]
    ranking = Ranking(labels, np.arange(len(names))[None], numbers, numbers)
    best = RankedClasses(ranking, 0, len(names))
    kinds = [Prediction(best, "a.jpg", labels=best[:1]), Prediction(best, None, None, "below")]
    for more in ([], MORE):
        for one in kinds:
            plain = replace(one, top=tuple(one.top), labels=tuple(one.labels))
            expected = {n: v for n, v in plain.to_dict().items() if n in [*more, *LINE]}
            assert list(json_lines([one], 2, more)) == [json.dumps(expected) + "\n"]
            assert list(json_lines([plain], 2, more)) == [json.dumps(expected) + "\n"]


def test_table() -> None:
    odd = Prediction((Score("[red]x[/red] :cat:", None, 0.1, 0.2),), "\x1b[31m\n\udcff.jpg")
    text = "".join(table_text([GOOD, BAD, odd], 2))
    assert "\x1b" not in text
    lines = [line.split() for line in text.splitlines()]
    assert ["image", "label", "probability", "score", "then"] in lines
    assert ["a,b.jpg", "tree", "frog", "75.0%", "0.312", "toad,", '"brown"', "25.0%"] in lines
    assert ["half.jpg", "error:", *str(BAD.error).split()] in lines
    assert ["\\x1b[31m\\n\\udcff.jpg", "[red]x[/red]", ":cat:", "20.0%", "0.100"] in lines


def test_table_of_the_best_alone() -> None:
    text = "".join(table_text([Prediction((FROG,)), BAD], 1))
    assert "then" not in text
    assert "tree frog" in text


def test_long_lists_are_tables_of_a_bounded_length() -> None:
    def endless() -> Iterator[Prediction]:
        for number in itertools.count():
            yield Prediction((FROG,), f"{number}.jpg")

    pieces = table_text(endless(), 1)
    for start in (0, TABLE_ROWS):
        lines = [line.split() for line in next(pieces).splitlines() if line.strip()]
        assert lines[0] == ["image", "label", "probability", "score"]
        names = [line[0] for line in lines if line[0].endswith(".jpg")]
        assert names == [f"{start + number}.jpg" for number in range(TABLE_ROWS)]


def test_a_table_that_is_full_is_followed_by_none() -> None:
    assert len(list(table_text([GOOD] * TABLE_ROWS, 1))) == 1


def test_parquet(tmp_path: Path) -> None:
    path = tmp_path / "out.parquet"
    odd = Prediction((FROG,), os.fsdecode(b"frog-\xff.jpg"))
    assert write_predictions([GOOD, BAD, odd, Prediction((TOAD,))], 2, "parquet", path).count == 1
    good, bad, named, unnamed = pq.read_table(path).to_pylist()
    assert list(good) == ["path", "label", "id", "score", "probability", "error", "top"]
    assert (good["path"], good["label"], good["id"], good["error"]) == (
        *("a,b.jpg", "tree frog", "n1"),
        None,
    )
    assert (good["score"], good["probability"]) == (pytest.approx(0.31234567), 0.75)
    assert [best["label"] for best in good["top"]] == ["tree frog", 'toad, "brown"']
    assert [best["id"] for best in good["top"]] == ["n1", None]
    assert good["top"][1]["score"] == pytest.approx(0.2)
    nothing = dict.fromkeys(["label", "id", "score", "probability"])
    assert bad == {"path": "half.jpg", **nothing, "error": BAD.error, "top": []}
    assert (named["path"], unnamed["path"]) == ("frog-\\xff.jpg", None)


def test_parquet_of_nothing_has_the_columns(tmp_path: Path) -> None:
    write_predictions([], 1, "parquet", tmp_path / "out.parquet")
    found = pq.read_table(tmp_path / "out.parquet")
    assert (found.num_rows, found.num_columns) == (0, 7)


def test_parquet_in_row_groups(tmp_path: Path) -> None:
    rows = ROW_GROUP * 2 + 1
    write_predictions(itertools.repeat(BAD, rows), 1, "parquet", tmp_path / "out.parquet")
    file = pq.ParquetFile(tmp_path / "out.parquet")
    sizes = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
    assert sizes == [ROW_GROUP, ROW_GROUP, 1]


def test_parquet_is_not_for_printing(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match="name a file"):
        write_predictions([GOOD], 1, "parquet", None)
    assert capsys.readouterr().out == ""


def test_a_million_failures_are_a_number_and_examples(tmp_path: Path) -> None:
    bad = (Prediction(path=f"{number}.jpg", error="gone") for number in range(1000))
    failures = write_predictions(bad, 1, "csv", tmp_path / "out.csv")
    assert failures.count == 1000
    assert [one.path for one in failures.first] == [f"{number}.jpg" for number in range(_EXAMPLES)]


@pytest.mark.parametrize("format", FORMATS)
def test_a_file_is_written_whole(tmp_path: Path, format: str) -> None:
    path = tmp_path / "out"
    assert write_predictions(iter([GOOD, BAD, BAD]), 2, format, path) == FailedImages(
        2, first=[BAD, BAD]
    )
    assert b"tree frog" in path.read_bytes()
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]


def test_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    assert write_predictions([GOOD], 2, "jsonl", None) == FailedImages()
    assert json.loads(capsys.readouterr().out)["label"] == "tree frog"


def test_a_file_name_that_is_not_text_keeps_its_bytes(tmp_path: Path) -> None:
    name = os.fsdecode(b"frog-\xff.jpg")
    write_predictions([Prediction((FROG,), name)], 1, "csv", tmp_path / "out.csv")
    assert b"frog-\xff.jpg," in (tmp_path / "out.csv").read_bytes()
    write_predictions([Prediction((FROG,), name)], 1, "jsonl", tmp_path / "out.jsonl")
    assert json.loads((tmp_path / "out.jsonl").read_text())["path"] == name
    write_predictions([Prediction((FROG,), name)], 1, "table", tmp_path / "out.txt")
    assert "frog-\\udcff.jpg" in (tmp_path / "out.txt").read_text()


def test_no_images_make_an_empty_table(tmp_path: Path) -> None:
    assert write_predictions([], 1, "csv", tmp_path / "out.csv") == FailedImages()
    assert parse_csv((tmp_path / "out.csv").read_text()) == []


def test_an_unknown_format_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'xml': use table, csv, jsonl, parquet"):
        write_predictions([GOOD], 2, "xml", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_printable() -> None:
    assert printable("naïve 树 \x1b[0m\n") == "naïve 树 \\x1b[0m\\n"


WINNER = ClassExplanation(
    "tree frog", "n1", 0.31, 0.75, (PromptScore("[b]toe pads[/b]\x1b", "What?", 0.345),), ()
)
RIVAL = ClassExplanation("toad", None, 0.2, 0.25, (), (PromptScore("warts", "", 0.1),))
EXPLAINED = replace(GOOD, explanation=Explanation("a,b.jpg", WINNER, RIVAL))
REJECTED_ONE = Prediction((FROG, TOAD), "wall.jpg", rejected="below the threshold 0.9: tree frog")
MORE = ["rejected", "labels"]
SEVERAL = replace(GOOD, labels=(FROG, replace(TOAD, label="a|b\\")))


def test_columns_that_are_asked_for() -> None:
    assert columns_of(rejected=False, labels=False, explanation=False) == []
    assert columns_of(rejected=True, labels=True, explanation=True) == [*MORE, "explanation"]


def test_csv_of_what_has_no_label() -> None:
    rows = parse_csv("".join(csv_rows([REJECTED_ONE, GOOD, BAD], 2, ["rejected"])))
    assert list(rows[0])[-5:] == ["label_2", "id_2", "score_2", "probability_2", "rejected"]
    first, *others = rows
    assert (first["label"], first["id"], first["rejected"]) == ("", "", REJECTED_ONE.rejected)
    assert (first["score"], first["probability"]) == ("0.312346", "0.750000")
    assert first["label_2"] == TOAD.label
    assert [row["rejected"] for row in others] == ["", ""]


def test_csv_of_several_labels() -> None:
    rows = parse_csv("".join(csv_rows([SEVERAL, REJECTED_ONE], 1, MORE)))
    assert [row["labels"] for row in rows] == ["tree frog|a\\|b\\\\", ""]
    assert list(rows[0])[-2:] == MORE


@given(st.lists(texts, min_size=1, max_size=3))
def test_labels_in_a_cell_can_be_told_apart(names: list[str]) -> None:
    labels = tuple(Score(name, None, 0.5, 0.5) for name in names)
    (row,) = parse_csv("".join(csv_rows([replace(GOOD, labels=labels)], 1, MORE)))
    parts = re.findall(r"((?:[^|\\]|\\.)*)(?:\||\Z)", row["labels"], re.DOTALL)
    found = [re.sub(r"\\(.)", r"\1", part, flags=re.DOTALL) for part in parts]
    assert found[: len(names)] == names
    assert row["labels"].count("|") - sum(name.count("|") for name in names) == len(names) - 1


def test_json_lines_of_further_columns() -> None:
    more = columns_of(rejected=True, labels=True, explanation=True)
    rejected, several, explained, bad = (
        json.loads(line) for line in json_lines([REJECTED_ONE, SEVERAL, EXPLAINED, BAD], 2, more)
    )
    assert list(rejected)[-4:] == ["top", *more]
    assert (rejected["label"], rejected["id"]) == (None, None)
    assert (rejected["rejected"], rejected["labels"]) == (REJECTED_ONE.rejected, [])
    assert [label["label"] for label in several["labels"]] == ["tree frog", "a|b\\"]
    assert set(explained["explanation"]) == {"winner", "runner_up"}
    assert explained["explanation"]["winner"]["speak_for"] == [
        {"text": "[b]toe pads[/b]\x1b", "question": "What?", "cosine": 0.345}
    ]
    assert (bad["explanation"], bad["rejected"], bad["error"]) == (None, None, BAD.error)


def test_parquet_of_further_columns(tmp_path: Path) -> None:
    path = tmp_path / "out.parquet"
    write_predictions([REJECTED_ONE, SEVERAL, BAD], 2, "parquet", path, [*MORE, "explanation"])
    rejected, several, bad = pq.read_table(path).to_pylist()
    assert list(rejected)[-3:] == ["top", *MORE]
    assert (rejected["label"], rejected["rejected"]) == (None, REJECTED_ONE.rejected)
    assert [label["label"] for label in several["labels"]] == ["tree frog", "a|b\\"]
    assert (bad["rejected"], bad["labels"]) == (None, [])


def test_table_of_what_has_no_label_and_of_several() -> None:
    text = "".join(table_text([REJECTED_ONE, GOOD], 2, ["rejected"]))
    assert "- (below the threshold 0.9: tree frog)" in text
    text = "".join(table_text([SEVERAL, REJECTED_ONE], 2, MORE))
    assert "tree frog 75.0%, a|b\\ 25.0%" in text
    assert " labels " in text


def test_table_with_explanations_below() -> None:
    text = "".join(table_text([EXPLAINED, BAD], 2, ["explanation"]))
    assert "\x1b" not in text
    assert text.endswith(
        "a,b.jpg\n"
        "  tree frog: 75.0%, score 0.310\n"
        "    0.345 of tree frog, for tree frog: [b]toe pads[/b]\\x1b\n"
        "  toad: 25.0%, score 0.200\n"
        "    0.100 of toad, for tree frog: warts\n\n"
    )
