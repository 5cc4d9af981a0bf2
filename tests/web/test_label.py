"""Labelling: the sheet on disk, what the labels say, and the page by its keys."""

import csv
import os
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest

from cupl.bank.labels import labels_from_names
from cupl.classification.classifier import ZeroShotClassifier
from cupl.embedding.bank_encoding import encode_bank
from cupl.encoders.protocol import Encoder
from cupl.evaluation.dataset import read_labelled
from cupl.report.evaluating import evaluate
from tests.cli.conftest import Cupl
from tests.models import bank_of
from tests.web.conftest import Serve
from tests.web.photos import BANK, make_photos
from tests.web.serving import Served, visited

NAMES = [entry.name for entry in BANK]


def truth_of(name: str) -> str:
    """What a photo of the tests shows, as a label of the sheet."""
    known = name.rsplit("-", 1)[0].replace("-", " ")
    return known if known in NAMES else "none of these"


def label_all(app: Served, most: int = 1000) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = app.good("/api/label")["rows"]
    for row in rows[:most]:
        app.good("/api/label/put", {"photo": row["key"], "label": truth_of(row["name"])})
    return rows


def take(app: Served, person: str = "a", **more: Any) -> list[str]:
    found = app.good("/api/label/take", {"person": person, **more})["photos"]
    return [one["key"] for one in found]


def begin(app: Served, number: int = 24, **more: Any) -> Any:
    return app.good("/api/label/begin", {"number": number, **more})


def test_the_file_is_that_of_the_command(
    serve: Serve, tmp_path: Path, photos: Path, cupl: Cupl
) -> None:
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
    made = cupl(
        "label", photos, "-o", file, "--bank", tmp_path / "bank.yaml",
        "--encoder", "mini", "--sample", 30,
    )  # fmt: skip
    assert made.code == 0, made.err
    assert "10 labels kept" in made.err


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
        assert take(app) == [rows[5]["key"]]
        assert begin(app, 20)["labelled"] == 5
        status, answer = app.ask("/api/label/begin", {"number": 20, "seed": 1})
        assert status == 400
        assert "not be made larger: begin another sample" in answer["error"]
        again = begin(app, 20, seed=1, anew=True)
        assert again["labelled"] == 0
        assert (app.space.folder / "labels.csv.old").exists()
        whole = (app.space.folder / "labels.csv").read_bytes()
        third = begin(app, 16, seed=7, anew=True)
        assert Path(third["aside"]).read_bytes() == whole


def test_two_people_get_different_photos_and_no_label_is_lost(serve: Serve) -> None:
    with serve() as app:
        begin(app, 40)
        given: dict[str, list[str]] = {"a": [], "b": [], "c": []}

        def person(name: str) -> None:
            for _ in range(8):
                photo = take(app, name, most=4)[0]
                app.good("/api/label/put", {"photo": photo, "label": "cat"})
                given[name].append(photo)

        threads = [threading.Thread(target=person, args=(name,)) for name in given]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        every = [photo for photos in given.values() for photo in photos]
        assert len(set(every)) == len(every) == 24
        assert app.good("/api/label/accuracy", {})["labelled"] == 24
        status, answer = app.ask("/api/label/put", {"photo": every[0], "label": "rocket"})
        assert status == 409
        assert "'cat'" in answer["error"]
        # What is there already is as it is wanted: a request may come twice.
        app.good("/api/label/put", {"photo": every[0], "label": "cat"})


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


def test_labels_that_are_refused(serve: Serve) -> None:
    with serve() as app:
        begin(app, 16)
        first = app.good("/api/label")["rows"][0]["key"]
        app.good("/api/label/put", {"photo": first, "label": "brick wall"})
        before = (app.space.folder / "labels.csv").read_bytes()
        for wrong in (
            {"label": "no class"},
            {"photo": "f" * 16, "label": "cat"},
            {"photo": 0, "label": "cat"},
            {"label": "x" * 1000},
            {"label": "cat", "seen": "rocket"},
        ):
            status, answer = app.ask("/api/label/put", {"photo": first, **wrong})
            assert 400 <= status < 500, wrong
            assert answer["error"]
            assert (app.space.folder / "labels.csv").read_bytes() == before


def test_a_sample_that_somebody_else_has_begun_is_not_thrown_away(serve: Serve) -> None:
    with serve() as app:
        begin(app, 20, seen="")
        assert app.ask("/api/label/begin", {"number": 20, "seen": ""})[0] == 409
        seen = app.good("/api/label")["drawn"]
        old = app.good("/api/label")["rows"]
        begin(app, 20, seed=1, anew=True, seen=seen)
        assert app.ask("/api/label/begin", {"number": 20, "anew": True, "seen": seen})[0] == 409
        new = {row["key"] for row in app.good("/api/label")["rows"]}
        gone = next(row["key"] for row in old if row["key"] not in new)
        status, answer = app.ask("/api/label/put", {"photo": gone, "label": "cat"})
        assert (status, "not in the sample" in answer["error"]) == (409, True)


def test_a_changed_set_of_photos_is_told_and_the_sample_goes_on(
    serve: Serve, mini: Encoder, photos: Path, tmp_path: Path
) -> None:
    own = tmp_path / "own"
    shutil.copytree(photos, own)
    with serve(photos=own) as app:
        begin(app)
        rows = label_all(app, 20)
        assert app.good("/api/label")["changed"] is None
    (own / "new").mkdir()
    shutil.copy(photos / "cat" / "cat-0.jpg", own / "new" / "another.jpg")
    with serve(photos=own) as app:
        told = app.good("/api/label")
        assert told["changed"] == "it was drawn from 40 photos, and there are 41 now"
        status, answer = app.ask("/api/label/begin", {"number": 30})
        assert (status, "40 photos then, 41 now" in answer["error"]) == (400, True)
        labelled = [row["name"] for row in rows[:20] if truth_of(row["name"]) in NAMES]
        waiting = next(row["name"] for row in rows[20:])
    for name in (labelled[0], waiting):
        next(own.rglob(name)).unlink()
    with serve(photos=own) as app:
        told = app.good("/api/label")
        assert "2 of its 24 are not among them any more" in told["changed"]
        assert next(r["key"] for r in rows if r["name"] == waiting) not in take(app, most=16)
        found = app.good("/api/label/accuracy", {})
        file = app.space.folder / "labels.csv"
    judged = evaluate(file, BANK, encoder=mini, controls="none").candidates[0].top1
    assert found["accuracy"] == pytest.approx(
        {"value": judged.value, "low": judged.low, "high": judged.high}
    )
    assert found["notes"] == ["without 1 labelled that are not open, or not read yet"]


def test_photos_do_not_judge_what_was_fitted_to_them(serve: Serve) -> None:
    with serve() as app:
        begin(app, 40)
        label_all(app)
        plain = app.good("/api/label/accuracy", {})
        fitted = app.good("/api/label/accuracy", {"settings": {"adaptation": "examples"}})
        assert fitted["accuracy"] == plain["accuracy"]
        assert "learnt from" in fitted["notes"][0]


def test_of_many_classes_the_likely_ones_have_the_keys(serve: Serve, mini: Encoder) -> None:
    more = {entry.name: [f"A photo of a {entry.name}."] for entry in BANK}
    others = ["dog", "horse", "ship", "tree", "car", "house", "bird", "fish", "bread", "lamp"]
    bank = bank_of(more | {name: [f"A photo of a {name}."] for name in others})
    classifier = ZeroShotClassifier(encode_bank(bank, mini), mini)
    names = [entry.name for entry in bank]
    with serve(bank=bank) as app:
        begin(app, 16)
        photo = app.good("/api/label")["rows"][0]["photo"]
        [found] = app.good("/api/label/take", {"person": "a"})["photos"]
        [expected] = classifier.predict([app.space.photos.paths[photo]], top_k=9)
    assert found["likely"] == sorted(names.index(one.label) for one in expected.top)


def test_what_a_spreadsheet_writes_is_kept_and_a_broken_file_is_told(serve: Serve) -> None:
    with serve() as app:
        begin(app, 16)
        file = app.space.folder / "labels.csv"
        head, *lines = file.read_text("utf-8").splitlines()
        commented = [f"{head},note", *(f"{line},seen {n}" for n, line in enumerate(lines))]
        file.write_text("\n".join(commented) + "\n", "utf-8-sig")
        label_all(app, 2)
        with file.open(newline="", encoding="utf-8") as opened:
            rows = list(csv.DictReader(opened))
        assert [row["note"] for row in rows] == [f"seen {n}" for n in range(16)]
        assert [bool(row["label"]) for row in rows] == [True] * 2 + [False] * 14
        file.write_text("\n".join([head, *lines[:3]]).replace(",,", ",cat,"), "utf-8")
        assert "rows were taken out" in app.good("/api/label/accuracy", {})["problem"]
        file.write_text("nothing\n", "utf-8")
        assert app.ask("/api/label")[0] == 400
        begin(app, 16, anew=True, seen="")
        assert (app.space.folder / "labels.csv.old").read_text("utf-8") == "nothing\n"


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


def test_names_of_files_that_are_no_text(serve: Serve, tmp_path: Path) -> None:
    own = make_photos(tmp_path / "own", each=2)
    next(own.rglob("*.jpg")).rename(os.fsdecode(os.fsencode(own) + b"/caf\xe9.jpg"))
    with serve(photos=own) as app:
        app.good("/api/label/begin", {"number": 16})
        assert len(label_all(app)) == 16
    with serve(photos=own) as app:
        assert all(row["label"] for row in app.good("/api/label")["rows"])
        labels = [entry.label for entry in BANK]
        assert len(read_labelled(app.space.folder / "labels.csv", labels).paths) > 0
