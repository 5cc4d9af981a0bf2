"""Labelling: the sheet on disk, what the labels say, and the page by its keys."""

import csv
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from cupl.bank.labels import labels_from_names
from cupl.embedding.bank_encoding import encode_bank
from cupl.encoders.protocol import Encoder
from cupl.evaluation.dataset import read_labelled
from cupl.report.evaluating import evaluate
from tests.web.conftest import Serve
from tests.web.photos import BANK
from tests.web.serving import Served, visited

NAMES = [entry.name for entry in BANK]


def truth_of(name: str) -> str:
    """What a photo of the tests shows, as a label of the sheet."""
    known = name.rsplit("-", 1)[0].replace("-", " ")
    return known if known in NAMES else "none of these"


def label_all(app: Served, most: int = 1000) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = app.good("/api/label")["rows"]
    for number, row in enumerate(rows[:most]):
        app.good("/api/label/put", {"row": number, "seen": "", "label": truth_of(row["name"])})
    return rows


def begin(app: Served, number: int = 24, **more: Any) -> Any:
    return app.good("/api/label/begin", {"number": number, **more})


def test_the_file_is_that_of_the_command(serve: Serve, tmp_path: Path, photos: Path) -> None:
    with serve() as app:
        assert begin(app) == {"photos": 24, "labelled": 0, "aside": None}
        label_all(app, 10)
        file = app.space.folder / "labels.csv"
        with file.open(newline="", encoding="utf-8") as opened:
            rows = list(csv.DictReader(opened))
        assert list(rows[0]) == [
            "path", "label", "stratum", "stratum_photos", "photos", "drawn", "sample",
        ]  # fmt: skip
        assert [bool(row["label"]) for row in rows] == [True] * 10 + [False] * 14
        assert app.ask("/api/label/file")[1] == file.read_bytes()
        BANK.save(tmp_path / "bank.yaml")
    # The very photos, bank and encoder: the command takes it for its own.
    made = subprocess.run(
        [sys.executable, "-m", "cupl", "label", photos, "-o", file, "--bank",
         tmp_path / "bank.yaml", "--encoder", "mini", "--sample", "30"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    assert "10 labels kept" in made.stderr


def test_the_accuracy_is_that_of_an_evaluation(serve: Serve, mini: Encoder) -> None:
    with serve() as app:
        begin(app)
        empty = app.good("/api/label/accuracy", {})
        assert (empty["labelled"], empty["photos"], empty["accuracy"]) == (0, 24, None)
        label_all(app, 20)
        told = app.good("/api/label/accuracy", {"settings": {"threshold": 0.9}})
        file = app.space.folder / "labels.csv"
        judged = evaluate(file, BANK, encoder=mini, controls="none")
    assert told["labelled"] == 20
    found = judged.candidates[0].top1
    assert told["accuracy"] == pytest.approx(
        {"value": found.value, "low": found.low, "high": found.high}
    )
    data = read_labelled(file, labels_from_names(NAMES))
    assert sum(one["labelled"] for one in told["classes"]) == len(data.paths)


def test_it_goes_on_after_a_restart_and_grows(serve: Serve) -> None:
    with serve() as app:
        begin(app, 16)
        label_all(app, 5)
    with serve() as app:
        rows = app.good("/api/label")["rows"]
        assert [bool(row["label"]) for row in rows] == [True] * 5 + [False] * 11
        assert app.good("/api/label/take", {"person": "a"}) == {"row": 5}
        assert begin(app, 20)["labelled"] == 5
        status, answer = app.ask("/api/label/begin", {"number": 20, "seed": 1})
        assert status == 400
        assert "write a new sample to another file" in answer["error"]
        again = begin(app, 20, seed=1, anew=True)
        assert again["labelled"] == 0
        assert (app.space.folder / "labels.csv.old").exists()


def test_two_people_get_different_photos_and_no_label_is_lost(serve: Serve) -> None:
    with serve() as app:
        begin(app, 40)
        given: dict[str, list[int]] = {"a": [], "b": [], "c": []}

        def person(name: str) -> None:
            for _ in range(8):
                row = app.good("/api/label/take", {"person": name})["row"]
                app.good("/api/label/put", {"row": row, "seen": "", "label": "cat"})
                given[name].append(row)

        threads = [threading.Thread(target=person, args=(name,)) for name in given]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        every = [row for rows in given.values() for row in rows]
        assert len(set(every)) == len(every) == 24
        assert app.good("/api/label/accuracy", {})["labelled"] == 24
        status, answer = app.ask("/api/label/put", {"row": every[0], "seen": "", "label": "rocket"})
        assert status == 409
        assert "'cat'" in answer["error"]


def test_examples_are_adapted_to(serve: Serve) -> None:
    with serve() as app:
        status, answer = app.ask("/api/label/adapt", {})
        assert (status, "label some first" in answer["error"]) == (400, True)
        assert app.ask("/api/relabel", {"settings": {"adaptation": "examples"}})[0] == 400
        begin(app, 40)
        label_all(app)
        app.good("/api/label/adapt", {"save": True})
        app.wait("adapt")
        [job] = [one for one in app.space.jobs.listed() if one.kind == "adapt"]
        assert job.result is not None, job.error
        assert "example" in job.result["text"]
        assert (app.space.folder / "adapted.safetensors").exists()
        found = app.good("/api/relabel", {"settings": {"adaptation": "examples"}})
        truths = [truth_of(Path(path).name) for path in app.space.photos.paths]
        pairs = [pair for pair in zip(found["labels"], truths, strict=True) if pair[1] in NAMES]
        assert sum(a == b for a, b in pairs) / len(pairs) > 0.9


@pytest.mark.parametrize(
    "body",
    [
        {"row": 0, "label": "no class"},
        {"row": 99, "label": "cat"},
        {"row": -1, "label": "cat"},
        {"row": 0, "label": "x" * 1000},
        {"row": "0", "label": "cat"},
    ],
)
def test_labels_that_are_refused(serve: Serve, body: dict[str, Any]) -> None:
    with serve() as app:
        begin(app, 16)
        before = (app.space.folder / "labels.csv").read_bytes()
        status, answer = app.ask("/api/label/put", body)
        assert 400 <= status < 500
        assert answer["error"]
        assert (app.space.folder / "labels.csv").read_bytes() == before


def test_twenty_photos_by_keys(serve: Serve, browser: Any, tmp_path: Path) -> None:
    with serve() as app, visited(browser, f"{app.url}#label", color_scheme="dark") as visit:
        page = visit.page
        page.get_by_label("Photos to label").fill("24")
        page.keyboard.press("Enter")
        status = page.locator(".stage .name")
        for number in range(20):
            status.filter(has_text=".jpg").wait_for()
            name = status.inner_text()
            truth = truth_of(name)
            key = str(NAMES.index(truth) + 1) if truth in NAMES else "0"
            page.keyboard.press(key)
            page.get_by_text(f"{number + 1} of 24 photos").wait_for()
        page.keyboard.press("u")
        page.get_by_text("19 of 24 photos").wait_for()
        assert visit.audit() == []
        page.reload()
        page.get_by_text("19 of 24 photos").wait_for()
        status.filter(has_text=name).wait_for()
        page.keyboard.press("ArrowRight")
        page.wait_for_function(
            "name => document.querySelector('.stage .name').textContent !== name", arg=name
        )
        page.keyboard.press("ArrowLeft")
        status.filter(has_text=name).wait_for()
        page.locator(".answer", has_text="cannot tell").click()
        page.get_by_text("20 of 24 photos").wait_for()
        with page.expect_download() as download:
            page.get_by_text("Download labels.csv").click()
        saved = tmp_path / "saved.csv"
        shutil.copy(download.value.path(), saved)
        assert saved.read_bytes() == (app.space.folder / "labels.csv").read_bytes()
        page.get_by_role("button", name="Use as examples").click()
        page.get_by_role("button", name="Judge with them on all pages").click()
        page.get_by_text("Photos are now judged with your examples").wait_for()
        told = app.good("/api/label/accuracy", {})
        assert told["labelled"] == 20


def test_the_encoded_bank_is_that_of_the_library(serve: Serve, mini: Encoder) -> None:
    """What draws a sample is named in its file by the class vectors, to be drawn from again."""
    from cupl.evaluation.label_sample import vectors_in_words

    with serve() as app:
        begin(app, 16)
        drawn = (app.space.folder / "labels.csv").read_text("utf-8")
    assert vectors_in_words(encode_bank(BANK, mini)) in drawn
