"""Evaluating: the figures are the library's, reports are kept and served alone, and the page."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cupl.encoders.protocol import Encoder
from cupl.report import evaluating
from cupl.report.evaluating import evaluate
from cupl.web.evaluation_reports import SavedReports
from tests.web.conftest import Serve
from tests.web.photos import BANK
from tests.web.serving import Served, visited

CONTROLS = ["photo", "names", "random-words", "shuffled"]


def begin(app: Served, **more: Any) -> tuple[int, Any]:
    assert app.space.editor is not None
    asked = {"revision": app.space.editor.revision, "controls": ["names"], "skip": True, **more}
    return app.ask("/api/evaluate/start", asked)


def judge(app: Served, **more: Any) -> dict[str, Any]:
    """Evaluate to the end; what the job gave."""
    status, job = begin(app, **more)
    assert status == 200, job
    return ended(app, job["id"])


def ended(app: Served, number: int) -> dict[str, Any]:
    job = app.space.jobs.find(number)
    assert job is not None
    assert job.wait(60)
    return job.to_dict()


def edit(app: Served) -> None:
    """Take a prompt of the first class away."""
    assert app.space.editor is not None
    app.space.editor.edit(
        app.space.editor.revision,
        lambda bank: bank.model_copy(
            update={
                "classes": [
                    bank.classes[0].model_copy(update={"prompts": {"by hand": ["A cat."]}}),
                    *bank.classes[1:],
                ]
            }
        ),
    )


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Evaluations wait in the midst until it is set; they can be stopped meanwhile."""
    go_on, real = threading.Event(), evaluate

    def slow(*args: Any, **settings: Any) -> Any:
        while not go_on.wait(0.02):
            settings["progress"](1, 2)
        return real(*args, **settings)

    monkeypatch.setattr(evaluating, "evaluate", slow)
    yield go_on
    go_on.set()


def test_the_figures_are_those_of_the_library_and_no_photo_is_encoded_again(
    serve: Serve, mini: Encoder, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = evaluate(photos, BANK, encoder=mini, skip_unmatched=True, pairs="all")
    monkeypatch.setattr("cupl.evaluation.labelled.encode_sources", None)
    with serve() as app:
        job = judge(app, controls=CONTROLS)
        assert (job["state"], job["error"]) == ("done", None)
        number = job["result"]["report"]
        status, content = app.ask(f"/reports/{number}/evaluation.json")
        assert status == 200
        told = content["contenders"]
        assert [one["name"] for one in told] == [one.name for one in expected.candidates]
        for one, other in zip(told, expected.candidates, strict=True):
            assert one["top1"]["value"] == other.top1.value
        report = app.good(f"/api/evaluate/reports/{number}")
        assert report["summary"].split("\n\n")[1] == str(expected).split("\n\n")[1]
        sentences = [one["sentence"] for one in report["verdicts"]]
        assert sentences[0] == expected.verdicts[0].sentence
        [listed] = app.good("/api/evaluate")["reports"]
        assert listed["accuracy"]["value"] == expected.candidates[0].top1.value
        assert (listed["number"], listed["name"], listed["images"]) == (1, "things", 25)
        assert (app.space.folder / "reports" / "1-things" / "report.html").is_file()


def test_labels_are_matched_before_anything_starts(serve: Serve) -> None:
    with serve() as app:
        found = app.good("/api/evaluate/match", {})
        assert (found["images"], found["classes"], found["of"]) == (25, 5, 5)
        assert (found["unmatched_labels"], found["unmatched_images"]) == (3, 15)
        assert sorted(line.split("'")[1] for line in found["unmatched"]) == [
            "astronaut", "coin", "page of text",
        ]  # fmt: skip
        status, answer = begin(app, skip=False)
        assert status == 400
        assert "3 labels mean no class of the bank" in answer["error"]
        assert not app.space.folder.exists()


def test_labels_of_the_page_label(serve: Serve, mini: Encoder, photos: Path) -> None:
    with serve() as app:
        assert app.ask("/api/evaluate/match", {"labels": "labels"})[0] == 404
        app.space.folder.mkdir()
        file = app.space.folder / "labels.csv"
        rows = [f"{photos}/cat/cat-{one}.jpg,cat" for one in range(3)]
        rows += [f"{photos}/rocket/rocket-{one}.jpg,rocket" for one in range(3)]
        outside = app.space.folder / "private.jpg"
        outside.write_bytes((photos / "cat" / "cat-0.jpg").read_bytes())
        file.write_text("\n".join(["path,label", *rows, f"{outside},cat"]) + "\n")
        found = app.good("/api/evaluate/match", {"labels": "labels"})
        assert (found["images"], found["classes"]) == (6, 2)
        assert "1 labelled file left out" in " ".join(found["notes"])
        job = judge(app, labels="labels", controls=["names"], skip=False)
        told = app.ask(f"/reports/{job['result']['report']}/evaluation.json")[1]
        file.write_text("\n".join(["path,label", *rows]) + "\n")
        expected = evaluate(file, BANK, encoder=mini, controls="names")
        assert told["images"] == expected.images == 6
        assert told["contenders"][0]["top1"]["value"] == expected.candidates[0].top1.value


def test_a_bank_that_is_not_saved_stands_beside_the_saved_one(serve: Serve) -> None:
    with serve() as app:
        editor = app.space.editor
        assert editor is not None
        editor.save(editor.revision)
        assert app.good("/api/evaluate")["saved"] is False
        status, answer = begin(app, saved_too=True)
        assert (status, "saved as it stands" in answer["error"]) == (400, True)
        seen = editor.revision
        edit(app)
        assert app.good("/api/evaluate")["saved"] is True
        status, answer = begin(app, revision=seen)
        assert (status, "changed meanwhile" in answer["error"]) == (409, True)
        job = judge(app, revision=editor.revision, controls=[], saved_too=True)
        told = app.ask(f"/reports/{job['result']['report']}/evaluation.json")[1]
        assert [one["name"] for one in told["contenders"]] == ["things", "things (saved)"]
        digests = [one["digest"] for one in told["made_by"]["banks"]]
        assert digests == [editor.bank.digest, BANK.digest]


def test_one_at_a_time_and_what_is_stopped_leaves_nothing(
    serve: Serve, held: threading.Event
) -> None:
    with serve() as app:
        _, job = begin(app)
        status, answer = begin(app)
        assert (status, "being done already" in answer["error"]) == (409, True)
        [running] = [one for one in app.good("/api/state")["jobs"] if one["state"] == "running"]
        assert (running["id"], running["kind"]) == (job["id"], "evaluate")
        app.good("/api/jobs/stop", {"id": job["id"]})
        assert ended(app, job["id"])["state"] == "stopped"
        assert app.good("/api/evaluate")["reports"] == []
        assert not app.space.folder.exists()
        held.set()
        assert judge(app)["state"] == "done"


def test_what_is_stopped_while_it_is_written_leaves_nothing(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve() as app:
        written = SavedReports.save

        def save(reports: SavedReports, *what: Any) -> Any:
            saved = written(reports, *what)
            app.space.jobs.listed()[-1].stop()
            return saved

        monkeypatch.setattr(SavedReports, "save", save)
        assert judge(app)["state"] == "stopped"
        assert app.good("/api/evaluate")["reports"] == []


def test_reports_are_kept_and_only_ours_are_deleted(serve: Serve) -> None:
    with serve() as app:
        assert judge(app)["result"] == {"report": 1}
        assert judge(app, controls=[])["result"] == {"report": 2}
    with serve() as app:
        assert [one["number"] for one in app.good("/api/evaluate")["reports"]] == [2, 1]
        folder = app.space.folder / "reports"
        (folder / "1-things" / "notes.txt").write_text("mine")
        told = app.good("/api/evaluate/remove", {"report": 1})
        assert (told["gone"], [one["number"] for one in told["reports"]]) == (False, [2])
        assert [one.name for one in (folder / "1-things").iterdir()] == ["notes.txt"]
        assert app.good("/api/evaluate/remove", {"report": 2}) == {"gone": True, "reports": []}
        status, answer = app.ask("/api/evaluate/remove", {"report": 2})
        assert (status, answer["error"]) == (404, "there is no report '2'")
        # A number is never another report's: somebody may have the old one open.
        assert judge(app)["result"] == {"report": 3}


def test_what_is_no_report_of_this_version_breaks_nothing(serve: Serve) -> None:
    with serve() as app:
        folder = app.space.folder / "reports" / "7-odd"
        folder.mkdir(parents=True)
        (folder / "report.html").write_text("<p>old</p>")
        (folder / "evaluation.json").write_text('{"format": "of tomorrow"}')
        (app.space.folder / "reports" / "8-half").mkdir()
        [listed] = app.good("/api/evaluate")["reports"]
        assert (listed["number"], listed["name"], listed["accuracy"]) == (7, "odd", None)
        status, answer = app.ask("/api/evaluate/reports/7")
        assert (status, "cannot be read" in answer["error"]) == (400, True)
        assert app.ask("/reports/7/report.html") == (200, b"<p>old</p>")


def test_the_report_runs_apart_from_the_app(serve: Serve) -> None:
    with serve() as app:
        judge(app)
        page = app.head("/reports/1/report.html")
        policy = page["content-security-policy"].split("; ")
        assert "sandbox allow-scripts" in policy
        assert "frame-ancestors 'self'" in policy
        assert "default-src 'none'" in policy
        assert not any("unsafe" in part for part in policy)
        assert sum("'sha256-" in part for part in policy) == 2
        table = app.head("/reports/1/predictions.csv")
        assert table["content-disposition"] == 'attachment; filename="predictions.csv"'
        assert "sandbox" in table["content-security-policy"].split("; ")


def test_links_in_the_folder_of_a_report_are_not_followed(serve: Serve, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("SECRET")
    with serve() as app:
        judge(app)
        folder = app.space.folder / "reports" / "1-things"
        (folder / "summary.csv").unlink()
        (folder / "summary.csv").symlink_to(secret)
        (folder / "figures").rename(tmp_path / "figures")
        (folder / "figures").symlink_to(tmp_path / "figures")
        (app.space.folder / "reports" / "5-link").symlink_to(folder)
        for name in ("1/summary.csv", "1/figures/accuracy.svg", "5/report.html", "1/", "1/.."):
            status, answer = app.ask(f"/reports/{name}")
            assert (status, list(answer)) == (404, ["error"]), name
        assert len(app.good("/api/evaluate")["reports"]) == 1
        app.good("/api/evaluate/remove", {"report": 1})
        assert secret.read_text() == "SECRET"
        assert (tmp_path / "figures" / "accuracy.svg").is_file()


def test_reports_among_the_photos_are_refused_before_the_work(
    serve: Serve, photos: Path, tmp_path: Path
) -> None:
    here = tmp_path / "photos"
    here.symlink_to(photos, target_is_directory=True)
    with serve(photos=here, folder=here / "out") as app:
        status, answer = begin(app)
        assert (status, "it lies in" in answer["error"]) == (400, True)
        assert not (photos / "out").exists()


def test_photos_that_are_still_being_read_are_waited_for(serve: Serve) -> None:
    with serve(waits=False) as app:
        job = judge(app, controls=[])
        assert (job["state"], app.space.photos.encoded) == ("done", 40)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page(serve: Serve, browser: Any, scheme: str) -> None:
    with serve() as app, visited(browser, f"{app.url}/#evaluate", color_scheme=scheme) as visit:
        page = visit.page
        page.get_by_text("25 photos of 5 of the 5 classes in the bank.").wait_for()
        button = page.get_by_role("button", name="Start the evaluation")
        assert button.is_disabled()
        assert page.locator(".unmatched li").count() == 3
        page.get_by_label("Leave out 15 photos of these labels").focus()
        page.keyboard.press("Space")
        button.focus()
        page.keyboard.press("Enter")
        page.get_by_text("Done: report 1 is below.").wait_for()
        frame = page.frame_locator("iframe")
        frame.get_by_role("heading", level=1).wait_for()
        # The script of the report has run: it is what makes these buttons.
        frame.locator("table.sortable th button").first.wait_for()
        sentence = app.good("/api/evaluate/reports/1")["verdicts"][0]["sentence"]
        assert page.locator(".verdicts li").first.inner_text() == sentence
        assert visit.audit() == []
        with page.context.expect_page() as opened:
            page.get_by_role("link", name="Open report 1 in a new tab").click()
        tab = opened.value
        tab.locator("table.sortable th button").first.wait_for()
        assert tab.evaluate("origin") == "null"
        tab.close()
        page.get_by_role("button", name="Delete report 1").click()
        page.get_by_role("button", name="Delete", exact=True).press("Enter")
        page.get_by_text("None yet.").wait_for()
        assert not (app.space.folder / "reports" / "1-things").exists()


def test_it_goes_on_with_the_tab_closed_and_can_be_stopped(
    serve: Serve, browser: Any, held: threading.Event
) -> None:
    with serve() as app:
        with visited(browser, f"{app.url}/#evaluate") as visit:
            page = visit.page
            page.get_by_label("Leave out 15 photos of these labels").check()
            page.get_by_role("button", name="Start the evaluation").click()
            page.get_by_text("it goes on if you close this page").wait_for()
        with visited(browser, f"{app.url}/#evaluate", viewport={"width": 390, "height": 800}) as v:
            v.page.get_by_text("it goes on if you close this page").wait_for()
            assert v.page.get_by_role("button", name="Start the evaluation").is_disabled()
            v.page.get_by_role("button", name="Stop", exact=True).click()
            v.page.get_by_text("Stopped; nothing was written.").wait_for()
            wide = v.page.evaluate("document.documentElement.scrollWidth")
            assert wide == 390
        assert json.dumps(app.good("/api/evaluate")["reports"]) == "[]"
