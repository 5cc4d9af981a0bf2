"""Sorting and reviewing: decisions on disk, what is written, and the page by its keys."""

import csv
import json
import os
import shutil
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
    app.good("/api/review/write", {"way": way, "plan": plan["plan"]})
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
        moved = app.good(
            "/api/review/move", {"photos": [0, 1], "label": "rocket", "revision": first["revision"]}
        )
        app.good("/api/review/move", {"photos": [2], "label": "", "revision": moved["revision"]})
        with (app.space.folder / "review.csv").open(newline="", encoding="utf-8") as file:
            rows = [(Path(row["path"]).name, row["label"]) for row in csv.DictReader(file)]
        names = [Path(one).name for one in app.space.photos.paths[:3]]
        assert sorted(rows) == sorted(zip(names, ["rocket", "rocket", ""], strict=True))
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
        seen = app.good("/api/review", {})["revision"]
        mine = {"photos": [3, 4], "label": "cat", "revision": seen}
        assert app.ask("/api/review/move", mine)[0] == 200
        status, answer = app.ask("/api/review/move", {**mine, "label": "rocket"})
        assert (status, "somebody else has moved 2 of these" in answer["error"]) == (409, True)
        other = {"photos": [9], "label": "rocket", "revision": seen}  # which nobody has touched
        stands = app.good("/api/review/move", other)
        assert app.ask("/api/review/undo", {"revision": stands["revision"] - 1})[0] == 409
        assert app.good("/api/review/undo", {"revision": stands["revision"]})["undone"] == [9]


def test_a_tab_of_an_earlier_run_moves_nothing(serve: Serve) -> None:
    seen = []
    for _ in range(2):
        with serve() as app:
            seen.append(app.good("/api/review", {})["revision"])
            for old in (*seen[:-1], 0, seen[-1] + 1):
                move = {"photos": [1], "label": "cat", "revision": old}
                assert app.ask("/api/review/move", move)[0] == 409
                assert app.ask("/api/review/undo", {"revision": old})[0] == 409


@pytest.mark.parametrize("change", ["move", "rename"])
def test_nothing_is_written_but_what_the_plan_showed(serve: Serve, change: str) -> None:
    with serve() as app:
        stands = app.good("/api/review", {})
        plan = app.good("/api/review/plan", {"way": "move"})
        if change == "move":
            move = {"photos": [0], "label": "", "revision": stands["revision"]}
            app.good("/api/review/move", move)
        else:
            edit = {"do": "rename-class", "number": 0, "name": "another"}
            app.good("/api/bank/edit", {"revision": app.good("/api/bank")["revision"], **edit})
        status, answer = app.ask("/api/review/write", {"way": "move", "plan": plan["plan"]})
        assert (status, "look at it anew" in answer["error"]) == (409, True)
        assert not (app.space.folder / "sorted").exists()


def test_decisions_follow_a_class_that_is_renamed(serve: Serve) -> None:
    with serve() as app:
        stands = app.good("/api/review", {})
        name = stands["classes"][0]["answer"]
        app.good(
            "/api/review/move", {"photos": [30], "label": name, "revision": stands["revision"]}
        )

        def edit(**what: Any) -> None:
            app.good("/api/bank/edit", {"revision": app.good("/api/bank")["revision"], **what})

        edit(do="rename-class", number=0, name="another")
        assert app.good("/api/review", {})["by_hand"] == {"30": "another"}
        counts = dict(app.good("/api/review/plan", {"way": "copy"})["counts"])
        assert (NONE in counts, counts["another"] > 0) == (False, True)
        edit(do="remove-class", number=0)
        assert app.good("/api/review", {})["by_hand"] == {}
        plan = app.good("/api/review/plan", {"way": "copy"})
        assert (plan["waiting"], NONE in dict(plan["counts"])) == (1, False)


def test_names_that_are_no_text(serve: Serve, tmp_path: Path) -> None:
    own = make_photos(tmp_path / "own", each=1)
    odd = os.fsencode(own) + b"/caf\xe9.jpg"
    next(own.rglob("*.jpg")).rename(os.fsdecode(odd))
    with open(os.fsencode(own) + b"/bad\xe9.jpg", "wb") as file:  # noqa: PTH123
        file.write(b"\xff\xd8\xff\xe0junk")
    for again in (False, True):
        with serve(photos=own) as app:
            number = str(app.space.photos.paths.index(os.fsdecode(odd)))
            stands = app.good("/api/review", {})
            assert stands["by_hand"] == ({number: "rocket"} if again else {})
            move = {"photos": [int(number)], "label": "rocket", "revision": stands["revision"]}
            app.good("/api/review/move", move)
            assert "bad\\u" in json.dumps(write(app, "copy")["errors"])
            assert app.good("/api/state")["jobs"]


def test_moved_photos_are_there_after_a_new_start(serve: Serve, tmp_path: Path) -> None:
    own = make_photos(tmp_path / "own", each=1)
    with serve(photos=own) as app:
        stands = app.good("/api/review", {})
        move = {"photos": [2], "label": "rocket", "revision": stands["revision"]}
        app.good("/api/review/move", move)
        names = app.good("/api/photos")["names"]
        write(app, "move")
    with serve(photos=own) as app:
        assert app.good("/api/photos")["names"] == names
        assert app.good("/api/review", {})["by_hand"] == {"2": "rocket"}
        assert app.ask("/photo/2")[1].startswith(b"\xff\xd8")
        app.good("/api/review/back", {"way": "copy"})
        app.wait("write")
        assert len(list(own.rglob("*.jpg"))) == 8
        assert app.ask("/photo/2")[1].startswith(b"\xff\xd8")


def test_links_that_came_since_are_not_written_through(serve: Serve, tmp_path: Path) -> None:
    own = make_photos(tmp_path / "own", each=1)
    outside = tmp_path / "outside" / "x.jpg"
    outside.parent.mkdir()
    with serve(photos=own) as app:
        first = Path(app.space.photos.paths[0])
        shutil.copy(first, outside)
        first.unlink()
        first.symlink_to(outside)
        done = write(app, "copy")
        assert any("does not lie in the folder" in one for one in done["errors"])
        assert sum(map(len, files_in(app.space.folder / "sorted").values())) == 7
        if app.good("/api/review/state")["keywords"]:
            write(app, "xmp")
        assert list(outside.parent.iterdir()) == [outside]


@pytest.mark.parametrize(
    "body",
    [
        {"photos": [0], "label": "no class"},
        {"photos": [400], "label": "cat"},
        {"photos": [-1], "label": "cat"},
        {"photos": [], "label": "cat"},
    ],
)
def test_moves_that_are_refused(serve: Serve, body: dict[str, Any]) -> None:
    with serve() as app:
        body = {**body, "revision": app.good("/api/review", {})["revision"]}
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
