"""Sorting and reviewing: decisions on disk, what is written, and the page by its keys."""

import csv
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from cupl.classification.sorting import sort_images
from cupl.web.settings import ViewSettings
from tests.web.conftest import Serve
from tests.web.photos import make_photos
from tests.web.serving import Served, visited

NONE = "none of these"


def files_in(folder: Path) -> dict[str, list[str]]:
    folders = [one for one in sorted(folder.iterdir()) if one.is_dir()]
    return {one.name: sorted(file.name for file in one.iterdir()) for one in folders}


def write(app: Served, way: str) -> dict[str, Any]:
    plan = app.good("/api/review/plan", {"way": way})
    app.good("/api/review/write", {"way": way, "revision": plan["revision"]})
    app.wait("write")
    job = app.space.jobs.listed()[-1]
    assert job.state == "done", job.error
    return {"plan": plan, **job.result}


def test_photos_are_sorted_as_the_library_sorts_them(serve: Serve, tmp_path: Path) -> None:
    with serve() as app:
        found = app.good("/api/review", {})
        assert found["photos"] == list(range(40))
        done = write(app, "copy")
        counts = dict(done["plan"]["counts"])
        folders = files_in(app.space.folder / "sorted")
        assert {name: len(files) for name, files in folders.items()} == counts
        classifier, _ = app.space.views.classifier(ViewSettings())
        named = sort_images(classifier.predict(app.space.photos.paths), tmp_path / "library")
        assert named.counts == counts == Counter(found["labels"])
        assert files_in(tmp_path / "library") == folders


def test_decisions_by_hand_are_kept_and_written(serve: Serve) -> None:
    with serve() as app:
        first = app.good("/api/review", {})
        moved = app.good("/api/review/move", {"photos": [0, 1], "label": "rocket", "revision": 1})
        app.good("/api/review/move", {"photos": [2], "label": "", "revision": moved["revision"]})
        with (app.space.folder / "review.csv").open(newline="", encoding="utf-8") as file:
            rows = [(Path(row["path"]).name, row["label"]) for row in csv.DictReader(file)]
        names = [Path(one).name for one in app.space.photos.paths[:3]]
        assert sorted(rows) == sorted(zip(names, ["rocket", "rocket", NONE], strict=True))
    with serve() as app:
        again = app.good("/api/review", {})
        assert again["by_hand"] == {"0": "rocket", "1": "rocket", "2": ""}
        assert again["labels"] == first["labels"]
        write(app, "link")
        folders = files_in(app.space.folder / "sorted")
        assert set(names[:2]) <= set(folders["rocket"])
        assert names[2] in folders[NONE]


def test_moving_is_followed_and_taken_back(serve: Serve, tmp_path: Path) -> None:
    own = make_photos(tmp_path / "own", each=2)
    before = sorted(str(path) for path in own.rglob("*.jpg"))
    with serve(photos=own) as app:
        write(app, "move")
        assert list(own.rglob("*.jpg")) == []
        assert app.ask("/thumb/3")[1].startswith(b"\xff\xd8")
        assert len(app.good("/api/relabel", {})["labels"]) == 16
        app.good("/api/review/back", {"way": "copy"})
        app.wait("write")
        assert sorted(str(path) for path in own.rglob("*.jpg")) == before
        assert app.ask("/photo/3")[1].startswith(b"\xff\xd8")
        assert app.good("/api/review/state")["sorted"] is None


def test_tags_and_keywords(serve: Serve, tmp_path: Path) -> None:
    own = make_photos(tmp_path / "own", each=1)
    with serve(photos=own) as app:
        write(app, "tags")
        with (app.space.folder / "tags.csv").open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        assert [row["path"] for row in rows] == app.space.photos.paths
        assert [row["label"] for row in rows] == app.good("/api/review", {})["labels"]
        if app.good("/api/review/state")["keywords"]:
            write(app, "xmp")
            assert len(list(own.rglob("*.xmp"))) == 8
            app.good("/api/review/back", {"way": "xmp"})
            app.wait("write")
            assert list(own.rglob("*.xmp")) == []


def test_two_people_do_not_overwrite_each_other(serve: Serve) -> None:
    with serve() as app:
        mine = {"photos": [3, 4], "label": "cat", "revision": 1}
        assert app.ask("/api/review/move", mine)[0] == 200
        status, answer = app.ask("/api/review/move", {**mine, "label": "rocket"})
        assert (status, "somebody else has moved 2 of these" in answer["error"]) == (409, True)
        other = {"photos": [9], "label": "rocket", "revision": 1}  # which nobody has touched
        assert app.ask("/api/review/move", other)[0] == 200
        plan = app.good("/api/review/plan", {"way": "copy"})
        app.good("/api/review/undo", {})
        status, answer = app.ask("/api/review/write", {"way": "copy", "revision": plan["revision"]})
        assert (status, "look at it anew" in answer["error"]) == (409, True)
        assert not (app.space.folder / "sorted").exists()


@pytest.mark.parametrize(
    "body",
    [
        {"photos": [0], "label": "no class", "revision": 1},
        {"photos": [400], "label": "cat", "revision": 1},
        {"photos": [-1], "label": "cat", "revision": 1},
        {"photos": [], "label": "cat", "revision": 1},
    ],
)
def test_moves_that_are_refused(serve: Serve, body: dict[str, Any]) -> None:
    with serve() as app:
        status, answer = app.ask("/api/review/move", body)
        assert 400 <= status < 500
        assert answer["error"]
        assert not (app.space.folder / "review.csv").exists()


def test_the_page_by_its_keys(serve: Serve, browser: Any) -> None:
    with serve() as app, visited(browser, f"{app.url}#review", color_scheme="dark") as visit:
        page = visit.page
        first = page.locator("details.group").first
        tile = first.locator(".tile")
        tile.first.focus()
        page.keyboard.press("Space")
        page.keyboard.press("Shift+ArrowRight")
        page.keyboard.press("Shift+ArrowRight")
        page.get_by_text("3 photos selected").wait_for()
        names = [tile.nth(n).get_attribute("aria-label").split(",")[0] for n in range(3)]
        page.keyboard.press("m")
        page.keyboard.type("rock")
        page.keyboard.press("Enter")
        page.get_by_text("3 photos moved to rocket").wait_for()
        assert set(app.good("/api/review", {})["by_hand"].values()) == {"rocket"}
        page.keyboard.press("u")
        page.locator("[data-tool=undo]:disabled").wait_for()
        assert app.good("/api/review", {})["by_hand"] == {}
        tile.first.click()
        page.keyboard.press("3")
        page.get_by_text("1 photo moved to rocket").wait_for()
        assert visit.audit() == []
        page.get_by_role("button", name="Show what it will do").click()
        page.get_by_role("dialog").get_by_text("copy into a folder for each label").wait_for()
        page.get_by_role("button", name="Do it").click()
        page.get_by_text("40 photos copied into").wait_for()
        folders = files_in(app.space.folder / "sorted")
        assert Path(names[0]).name in folders["rocket"]
        page.get_by_role("button", name="Take the sorting back").click()
        page.get_by_role("button", name="Take it back", exact=True).click()
        page.get_by_text("40 copies or links gone").wait_for()
        assert not (app.space.folder / "sorted").exists()
