import base64
import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from cupl.errors import InputError, MissingFileError
from cupl.evaluation.schema import Evaluation
from cupl.report.files import write_predictions_page, write_report
from tests.report.evaluations import (
    GREEK,
    HOSTILE,
    bare_evaluation,
    evaluation,
    hostile_evaluation,
    prediction,
)
from tests.report.pages import parse, with_cards


def test_what_is_written(tmp_path: Path) -> None:
    found = evaluation()
    paths = write_report(found, [], tmp_path / "new" / "folder")
    names = [path.relative_to(tmp_path / "new" / "folder").as_posix() for path in paths]
    assert names == [
        "report.html",
        *(
            f"figures/{name}.{kind}"
            for name in ("accuracy", "prompts", "reliability", "confusions-1")
            for kind in ("svg", "png")
        ),
        "evaluation.json",
        "summary.csv",
        "classes.csv",
        "comparisons.csv",
    ]
    there = sorted(path for path in (tmp_path / "new").rglob("*") if path.is_file())
    assert there == sorted(paths)
    assert Evaluation.model_validate_json(paths[-4].read_bytes()) == found


def test_written_again_it_is_the_same_and_leaves_other_files(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    paths = write_report(evaluation(), [], tmp_path)
    before = [path.read_bytes() for path in paths]
    assert write_report(evaluation(), [], tmp_path) == paths
    assert [path.read_bytes() for path in paths] == before
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot make"):
        write_report(bare_evaluation(), [], tmp_path / "file" / "report")


def test_what_cannot_be_drawn_is_not(tmp_path: Path) -> None:
    write_report(bare_evaluation(), [], tmp_path)
    drawn = sorted(path.name for path in (tmp_path / "figures").iterdir())
    assert drawn == ["accuracy.png", "accuracy.svg"]


def test_hostile_texts_survive(tmp_path: Path) -> None:
    write_report(hostile_evaluation(), [], tmp_path)
    data = json.loads((tmp_path / "evaluation.json").read_bytes())
    assert [one["name"] for one in data["contenders"][0]["classes"]] == list(HOSTILE)
    drawings = parse((tmp_path / "report.html").read_bytes()).with_class("drawing")
    assert len(drawings) == 4
    for image in drawings:
        ET.fromstring(base64.b64decode(image["src"].split(",")[1]))  # noqa: S314


def test_the_page_of_predictions_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    shown = [prediction(None, GREEK)]
    write_predictions_page(tmp_path / "p.html", shown)
    assert with_cards((tmp_path / "p.html").read_bytes()).with_class("card")
    with pytest.raises(MissingFileError):
        write_predictions_page(tmp_path / "no" / "p.html", shown)
