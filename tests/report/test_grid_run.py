import csv
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from cupl.errors import InputError, MissingFileError
from cupl.evaluation.candidate_spec import CandidateSpec
from cupl.evaluation.labelled import LabelledImages
from cupl.report.evaluating import evaluate
from cupl.report.grid_run import data_names, evaluate_grid, for_data_set
from tests.evaluation.planted import PlantedEncoder, images_at, planted_bank
from tests.report.pages import parse

CLASSES = 6
GOOD = {"": ["A {}.", "One {}."]}
POOR = {"": ["A {} swap 0 1 swap 1 0"]}


class Counting(PlantedEncoder):
    """Counts how often each text is encoded."""

    def __init__(self, noise: float) -> None:
        super().__init__(CLASSES, noise)
        self.id = f"planted/{noise}"
        self.asked: Counter[str] = Counter()

    def encode_text(self, texts: Sequence[str]) -> torch.Tensor:
        self.asked.update(texts)
        return super().encode_text(texts)


def images(wrong: int) -> LabelledImages:
    pairs = [(i, i) for i in range(CLASSES)] * 8
    return images_at(pairs + [(i, (i + 1) % CLASSES) for i in range(wrong)], CLASSES)


@pytest.fixture
def banks(tmp_path: Path) -> Path:
    """A folder with a bank for each data set."""
    folder = tmp_path / "banks"
    folder.mkdir()
    planted_bank(CLASSES, GOOD, "good").save(folder / "one.yaml")
    planted_bank(CLASSES, POOR, "poor").save(folder / "two.yaml")
    return folder


def test_each_cell_is_the_evaluation_alone_and_nothing_is_encoded_twice() -> None:
    encoders = [Counting(0.1), Counting(0.2)]
    bank = planted_bank(CLASSES, GOOD, "good")
    data = {"one": images(0), "two": images(5)}
    grid = evaluate_grid(data, bank, encoders=encoders, text_cache=False, seeds=1, folds=2)
    assert [(cell.encoder, cell.data) for cell in grid.cells] == [
        (encoder.id, name) for encoder in encoders for name in data
    ]
    for encoder in encoders:
        assert set(encoder.asked.values()) == {1}
    alone = evaluate(data["two"], bank, encoder=encoders[1], text_cache=False, seeds=1, folds=2)
    assert grid.cells[3].evaluation.candidates == alone.candidates
    assert grid.cells[0].folder is None


def test_banks_of_the_data_sets_own_are_one_row(banks: Path) -> None:
    grid = evaluate_grid(
        {"one": images(0), "two": images(0)},
        candidates=[f"own={banks}/{{}}.yaml", f"both={banks}/{{}}.yaml+photo,combine=average"],
        encoders=[Counting(0.1)], controls="names", text_cache=False,
    )  # fmt: skip
    assert grid.candidates == ["own", "both", "names"]
    own = [cell.candidate("own") for cell in grid.cells]
    assert [one and one.top1.value for one in own] == [1.0, pytest.approx(4 / 6)]
    assert grid.means[0].top1.value == pytest.approx(5 / 6)


def test_a_bank_for_each_data_set_needs_a_name() -> None:
    assert for_data_set("own={}.yaml+photo", "pets") == CandidateSpec(("pets.yaml", "photo"), "own")
    assert for_data_set("b.yaml", "pets") == "b.yaml"
    with pytest.raises(InputError, match=r"give it a name, such as own=\{\}.yaml"):
        for_data_set("{}.yaml", "pets")


def test_names_of_data_sets_are_what_tells_them_apart() -> None:
    assert data_names(["a/pets", "b/food.csv"]) == ["pets", "food"]
    assert data_names(["pets/test", "food/test/"]) == ["pets-test", "food-test"]
    assert data_names(["x/../pets"]) == ["pets"]


def test_what_is_wrong_is_said_with_the_data_set_before_anything_is_encoded(
    banks: Path, tmp_path: Path
) -> None:
    encoder = Counting(0.1)
    data = {"one": images(0), "three": images(0)}
    with pytest.raises(MissingFileError, match=r"^three: .*three.yaml"):
        evaluate_grid(data, candidates=[f"own={banks}/{{}}.yaml"], encoders=[encoder])
    with pytest.raises(MissingFileError, match="no-model"):
        evaluate_grid(data, planted_bank(CLASSES, GOOD), encoders=[encoder, "./no-model"],
            output=tmp_path / "out")  # fmt: skip
    with pytest.raises(InputError, match="at least one data set"):
        evaluate_grid({}, planted_bank(CLASSES, GOOD))
    assert not encoder.asked
    assert not (tmp_path / "out").exists()


def test_every_report_and_an_overview_are_written(tmp_path: Path) -> None:
    encoders, bank = [Counting(0.1), Counting(0.2)], planted_bank(CLASSES, GOOD, "<i>good")
    data = {"one": images(0), "a/b": images(5)}
    evaluate_grid(
        data, bank, encoders=encoders, controls="names", text_cache=False, output=tmp_path / "out"
    )
    out = tmp_path / "out"
    reports = sorted(str(path.parent.relative_to(out)) for path in out.glob("*/*/report.html"))
    assert reports == ["planted-0.1/a-b", "planted-0.1/one", "planted-0.2/a-b", "planted-0.2/one"]
    rows = list(csv.DictReader((out / "summary.csv").open(newline="")))
    assert len(rows) == 2 * 2 * 2
    assert len(list(csv.DictReader((out / "means.csv").open(newline="")))) == 4
    content = json.loads((out / "summary.json").read_bytes())
    assert [cell["folder"] for cell in content["cells"]] == [
        f"planted-{noise}/{name}" for noise in (0.1, 0.2) for name in ("one", "a-b")
    ]
    assert len(content["made_by"]["encoders"]) == 2
    page = parse((out / "report.html").read_bytes())
    links = [one["href"] for one in page.all("a")]
    assert [link for link in links if not (out / link).is_file()] == []
    assert len(links) == 4
    assert "<i>good" in page.text
    assert "&lt;i&gt;good" in (out / "summary.md").read_text()
    assert r"\textless{}i\textgreater{}good" in (out / "summary.tex").read_text()


@pytest.mark.parametrize("place", ["", "new"])
def test_nothing_is_written_among_the_images(tmp_path: Path, place: str) -> None:
    encoder, data = Counting(0.1), tmp_path / "data"
    data.mkdir()
    sets = {"one": images(0), "two": replace(images(1), source=str(data))}
    with pytest.raises(InputError, match="which is read; name|also what is read; name"):
        evaluate_grid(
            sets, planted_bank(CLASSES, GOOD), encoders=[encoder], controls="names",
            text_cache=False, output=data / place,
        )  # fmt: skip
    assert not encoder.asked  # before the work
    assert not list(data.iterdir())


def test_pairs_and_parts_that_were_asked_for_are_told_everywhere(tmp_path: Path) -> None:
    data = {"one": images(0), "two": images(5)}
    grid = evaluate_grid(
        data, [planted_bank(CLASSES, GOOD, "good"), planted_bank(CLASSES, POOR, "poor")],
        encoders=[Counting(0.1)], controls="names", pairs="all", folds=2, text_cache=False,
        output=tmp_path,
    )  # fmt: skip
    page = parse((tmp_path / "report.html").read_bytes())
    said = [one.text for one in page.section("verdicts").all("p")]
    texts = [str(grid), "\n".join(said), (tmp_path / "summary.md").read_text()]
    for text in texts:
        assert text.count("Mean and SD over 2 parts of the images, in %: “good”") == 2
        assert text.count("“poor” does worse than “good”: ") == 2
    assert "“good” gets 100.0 % of the images right" in texts[0]
    assert "“good” gets 100.0 % of the images right" in texts[1]


def test_the_overview_says_which_banks_a_candidate_is(banks: Path, tmp_path: Path) -> None:
    data = {"one": images(0), "two": images(0)}
    evaluate_grid(data, candidates=f"own={banks}/{{}}.yaml", encoders=[Counting(0.1)],
        controls="names", text_cache=False, output=tmp_path / "out")  # fmt: skip
    made = json.loads((tmp_path / "out" / "summary.json").read_bytes())["made_by"]
    assert made["settings"]["candidates"] == (
        f"one: own={banks}/one.yaml; two: own={banks}/two.yaml"
    )
    assert [one["file"] for one in made["banks"]] == [f"{banks}/{name}.yaml" for name in data]


def test_scores_need_a_report() -> None:
    with pytest.raises(InputError, match="beside a report"):
        evaluate_grid({"one": images(0)}, planted_bank(CLASSES, GOOD), scores=True)


def test_an_earlier_run_leaves_nothing_but_what_is_somebody_elses(tmp_path: Path) -> None:
    bank, data = planted_bank(CLASSES, GOOD), {"one": images(0), "two": images(1)}
    run: dict[str, Any] = {"controls": "names", "text_cache": False}
    evaluate_grid(data, bank, encoders=[Counting(0.1)], output=tmp_path, **run)
    (tmp_path / "planted-0.1" / "one" / "mine.txt").write_text("kept")
    evaluate_grid({"three": images(0)}, bank, encoders=[Counting(0.2)], output=tmp_path, **run)
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("report.html")}
    assert left == {"report.html", "planted-0.2/three/report.html"}
    assert (tmp_path / "planted-0.1" / "one" / "mine.txt").read_text() == "kept"
    assert not (tmp_path / "planted-0.1" / "two").exists()
    assert not (tmp_path / "means.csv").exists()
    evaluate(images(0), bank, encoder=Counting(0.1), **run).save_report(tmp_path)
    assert not (tmp_path / "summary.json").exists()
    assert not (tmp_path / "planted-0.2").exists()
    assert (tmp_path / "evaluation.json").exists()


@pytest.mark.parametrize("folder", ["../mine", "/mine", "a/../../mine", "a", 5, ".a/b"])
def test_a_foreign_overview_leads_nowhere_else(tmp_path: Path, folder: object) -> None:
    out, mine = tmp_path / "out", tmp_path / "mine"
    for place in (out, mine, out / ".a" / "b"):
        place.mkdir(parents=True, exist_ok=True)
        (place / "report.html").write_text("mine")
    overview = {"format": "cupl-evaluation-grid/1", "cells": [{"folder": folder}]}
    (out / "summary.json").write_text(json.dumps(overview))
    evaluate_grid({"one": images(0)}, planted_bank(CLASSES, GOOD), encoders=[Counting(0.1)],
        controls="names", text_cache=False, output=out)  # fmt: skip
    assert (mine / "report.html").read_text() == "mine"
    assert (out / ".a" / "b" / "report.html").read_text() == "mine"
