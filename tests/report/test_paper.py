import csv
import io
import re
from pathlib import Path

import numpy as np
import pytest

from cupl.bank.labels import ClassLabel
from cupl.evaluation.comparison_plan import plan_comparison
from cupl.evaluation.judging import EvaluationRun, judge_candidates
from cupl.evaluation.schema import Evaluation
from cupl.evaluation.spread import parts_of
from cupl.report.old_reports import report_files
from cupl.report.paper import PaperCell, PaperTable, to_latex, to_markdown
from cupl.report.paper_tables import best_shown, evaluation_table
from cupl.report.sheets import confusion_sheet
from cupl.report.writing import write_evaluation
from tests.evaluation.planted import PlantedEncoder, images_at, planted_bank
from tests.report.evaluations import HOSTILE, bare_evaluation, evaluation, hostile_evaluation

ODD = r"a_b & 50% #1 {x} ~y^2 \z | <i> *s* $n$"


def table(*names: str) -> PaperTable:
    rows = [[PaperCell(name), PaperCell("7.5", bold=True, mark="*")] for name in names]
    return PaperTable(["", ODD], [rows], [ODD])


def test_markdown_is_one_table_whatever_the_names() -> None:
    text = to_markdown(table(ODD, *HOSTILE)).decode()
    head, rule, *rows = text.split("\n\n")[0].splitlines()
    assert rule == "| --- | ---: |"
    assert len(rows) == 1 + len(HOSTILE)
    for line in (head, *rows):
        assert len(re.findall(r"(?<!\\)\|", line)) == 3
        assert not re.search(r"[<>]|(?<!\\)[_`$]", line)
    assert rows[0].endswith(r"| **7.5**\* |")


def test_latex_has_no_sign_that_is_a_command() -> None:
    text = to_latex(table(ODD, "[1]", "*")).decode()
    assert r"\begin{tabular}{lr}" in text
    assert [rule for rule in ("\\toprule", "\\midrule", "\\bottomrule") if rule not in text] == []
    row = next(line for line in text.splitlines() if line.startswith("{}a"))
    assert row == (
        r"{}a\_b \& 50\% \#1 \{x\} \textasciitilde{}y\textasciicircum{}2 \textbackslash{}z "
        r"\textbar{} \textless{}i\textgreater{} *s* \$n\$ & \textbf{7.5}$^{*}$ \\"
    )
    # A row that begins with [ or * would be an argument of the line break before it.
    assert "{}[1] &" in text
    assert "{}* &" in text
    assert text.count("{") - text.count(r"\{") == text.count("}") - text.count(r"\}")


@pytest.mark.parametrize("found", [evaluation(), bare_evaluation(), hostile_evaluation()])
def test_an_evaluation_is_a_table(found: Evaluation) -> None:
    made = evaluation_table(found)
    assert {len(row) for row in made.groups[0]} == {len(made.head)}
    assert len(made.groups[0]) == len(found.candidates)
    assert "74.2 [71.2, 77.2]" in [cell.text for cell in made.groups[0][0]]


def run() -> EvaluationRun:
    good = planted_bank(6, {"": ["A {}."]}, "good")
    poor = planted_bank(6, {"": ["A {} swap 0 1 swap 1 0 swap 2 3 swap 3 2"]}, "po/or")
    plan = plan_comparison([poor, good], controls="names", pairs="all")
    data = images_at([(i, i) for i in range(6)] * 10, 6)
    return judge_candidates(
        data, plan.candidates, PlantedEncoder(6), every_pair=True, text_cache=False,
        parts=parts_of(data, folds=3),
    )  # fmt: skip


def test_the_best_is_bold_only_where_it_is_shown_to_beat_all() -> None:
    found = run().evaluation
    # The bare names are as good as it.
    assert best_shown(found.candidates) is None
    banks = [one for one in found.candidates if one.kind == "bank"]
    assert best_shown(banks) == "good"
    alone = found.model_copy(update={"candidates": banks})
    poor, good = evaluation_table(alone).groups[0]
    assert (good[2].bold, poor[2].bold) == (True, False)
    # Nothing is bold or marked by a p that was not corrected, as of an old file.
    bare = [
        one.model_copy(
            update={"comparisons": [c.model_copy(update={"p_holm": None}) for c in one.comparisons]}
        )
        for one in banks
    ]
    assert best_shown(bare) is None


def test_what_is_written_for_other_programs_can_be_read(tmp_path: Path) -> None:
    made = run()
    write_evaluation(made, PlantedEncoder(6), tmp_path, False, scores=True)
    assert {"summary.md", "summary.tex", "confusion-good.csv", "confusion-po-or.csv",
            "scores-names.npy"} <= {path.name for path in report_files(tmp_path)}  # fmt: skip
    rows = list(csv.reader((tmp_path / "confusion-po-or.csv").open(newline="")))
    matrix = np.array([row[1:] for row in rows[1:]], int)
    assert matrix.sum() == 60
    assert (matrix[0, 1], matrix[1, 0], matrix[4, 4]) == (10, 10, 10)
    assert rows[0][1:] == [row[0] for row in rows[1:]]
    for entry, name in zip(made.entries, ("po-or", "good", "names"), strict=True):
        scores = np.load(tmp_path / f"scores-{name}.npy")
        assert (scores.dtype, scores.shape) == (np.float32, (60, 6))
        assert (scores.argmax(axis=1) == entry.runs[0].predicted).all()
    summary = list(csv.DictReader((tmp_path / "summary.csv").open(newline="")))
    assert [row["spread_parts"] for row in summary] == ["3"] * 3
    assert float(summary[1]["spread_mean"]) == pytest.approx(1.0)
    # What is not of the new report does not stay beside it.
    (tmp_path / "mine.csv").write_text("kept")
    write_evaluation(made, PlantedEncoder(6), tmp_path, False)
    assert not list(tmp_path.glob("scores-*"))
    assert (tmp_path / "mine.csv").read_text() == "kept"


def test_what_another_wrote_in_the_place_of_a_matrix_is_kept(tmp_path: Path) -> None:
    (tmp_path / "confusion-good.csv").write_text("mine")
    (tmp_path / "confusion-else.csv").write_text("mine too")
    with pytest.warns(UserWarning, match="confusion-good.csv held something else: kept as"):
        write_evaluation(run(), PlantedEncoder(6), tmp_path, False)
    write_evaluation(run(), PlantedEncoder(6), tmp_path, False)
    assert (tmp_path / "confusion-good.csv.old").read_text() == "mine"
    assert (tmp_path / "confusion-else.csv").read_text() == "mine too"


def test_all_of_it_loads_in_pandas(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    write_evaluation(run(), PlantedEncoder(6), tmp_path, False)
    for name in ("summary", "classes", "comparisons", "predictions"):
        assert len(pandas.read_csv(tmp_path / f"{name}.csv"))
    assert pandas.read_csv(tmp_path / "confusion-good.csv", index_col=0).to_numpy().sum() == 60


def test_names_of_classes_are_no_formulas_in_a_confusion_matrix() -> None:
    labels = [ClassLabel('=HYPERLINK("x")'), ClassLabel("a,b")]
    text = confusion_sheet(np.array([[1, 2], [3, 4]]), labels).decode()
    rows = list(csv.reader(io.StringIO(text)))
    assert rows == [
        ["true class", '\'=HYPERLINK("x")', "a,b"],
        ['\'=HYPERLINK("x")', "1", "2"],
        ["a,b", "3", "4"],
    ]  # fmt: skip
