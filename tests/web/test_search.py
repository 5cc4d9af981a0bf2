"""Searching an index in the app: what the library finds, and nothing that a page may not read."""

import csv
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from cupl.encoders.loading import load_encoder
from cupl.encoders.protocol import Encoder
from cupl.index.photo_index import PhotoIndex
from cupl.index.query import parse_query
from tests.models import save_clip
from tests.web.conftest import Serve
from tests.web.photos import BANK
from tests.web.serving import Served, visited

pytest.importorskip("lancedb")


@pytest.fixture
def index(mini: Encoder, photos: Path, tmp_path: Path) -> PhotoIndex:
    made = PhotoIndex.open(tmp_path / "photos.lance", encoder=mini)
    made.add(photos)
    return made


def drop(app: Served, photo: Path) -> str:
    kind = {"Content-Type": "application/octet-stream", "X-File-Name": photo.name}
    status, answer = app.ask("/api/uploads", raw=photo.read_bytes(), headers=kind)
    assert status == 200, answer
    return str(answer["photo"])


def names(found: list[dict[str, Any]]) -> list[str]:
    return [one["path"] for one in found]


def test_what_is_found_is_what_the_library_finds(serve: Serve, index: PhotoIndex) -> None:
    with serve(index=index, photos=None) as app:
        for text in ("a cat", "2:cat + coffee - brick wall", '"salt + pepper"', "it's a 'cat'; --"):
            told = app.good("/api/search", {"text": text, "k": 7})["photos"]
            terms = parse_query(text, photos=False)
            assert names(told) == index.search(query=terms, k=7).paths
        first = app.good("/api/search", {"text": "a cat", "k": 1})["photos"][0]
        like = app.good("/api/search", {"like": [first["id"]], "k": 5})["photos"]
        assert names(like) == index.search(image=first["path"], k=5).paths
        where = {"text": "a cat", "where": "width > 200", "min_score": -1.0, "k": 500}
        told = app.good("/api/search", where)["photos"]
        assert names(told) == index.search("a cat", 500, where="width > 200").paths
        assert app.ask(f"/index/thumb/{first['id']}")[1].startswith(b"\xff\xd8")
        assert app.ask(f"/index/photo/{first['id']}")[1].startswith(b"\xff\xd8")


def test_best_of_each_class_and_a_table(serve: Serve, index: PhotoIndex, tmp_path: Path) -> None:
    with serve(index=index) as app:
        told = app.good("/api/search/classes", {"k": 3})["classes"]
        expected = index.search_classes(BANK, 3)
        assert [one["label"] for one in told] == [entry.name for entry in BANK]
        assert [names(one["photos"]) for one in told] == [one.photos.paths for one in expected]
        table = tmp_path / "found.csv"
        table.write_bytes(app.ask("/api/search/csv", {"text": "a rocket", "k": 4})[1])
        with table.open(newline="", encoding="utf-8") as file:
            rows = [row["path"] for row in csv.DictReader(file)]
        assert rows == index.search("a rocket", 4).paths


def test_a_dropped_photo(serve: Serve, index: PhotoIndex, photos: Path, tmp_path: Path) -> None:
    other = tmp_path / "mine.jpg"
    with Image.open(photos / "rocket" / "rocket-0.jpg") as image:
        image.resize((200, 150)).save(other)
    with serve(index=index) as app:
        key = drop(app, other)
        found = app.good("/api/search", {"like": [key], "k": 5})["photos"]
        assert names(found) == index.search(image=other, k=5).paths
        less = app.good("/api/search", {"text": "a cat", "unlike": [key], "k": 40})["photos"]
        assert {Path(one["path"]).parent.name for one in less[-5:]} == {"rocket"}


def test_near_duplicates(serve: Serve, index: PhotoIndex) -> None:
    with serve(index=index, photos=None) as app:
        app.good("/api/search/duplicates", {})
        app.wait("duplicates")
        job = app.space.jobs.listed()[-1]
        expected = index.duplicates()
        assert job.result["found"] == len(expected.groups) > 0
        assert [names(group) for group in job.result["groups"]] == [
            [one.path for one in group.photos] for group in expected.groups
        ]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"text": ""}, "say what to look for"),
        ({"text": "cat - "}, "a term is empty"),
        ({"text": '../"secret.jpg"'}, "a photo cannot be named here"),
        ({"text": "cat", "where": "DROP TABLE photos"}, ""),
        ({"text": "cat", "where": "path = 'x' OR"}, ""),
        ({"like": ["0" * 32]}, "search again"),
        ({"like": ["/etc/passwd"]}, "search again"),
        ({"like": ["u99"]}, "drop it once more"),
        ({"text": "cat", "k": 0}, "k"),
        ({"text": "x" * 3000}, "text"),
    ],
)
def test_searches_that_are_refused(
    serve: Serve, index: PhotoIndex, body: dict[str, Any], told: str
) -> None:
    with serve(index=index, photos=None) as app:
        status, answer = app.ask("/api/search", body)
        assert 400 <= status < 500
        assert told in answer["error"]


def test_words_never_name_a_file(serve: Serve, index: PhotoIndex, photos: Path) -> None:
    """In a terminal ``./pool.jpg`` is a photo that is read; from a page it is words."""
    path = str(photos / "cat" / "cat-0.jpg")
    with serve(index=index, photos=None) as app:
        found = app.good("/api/search", {"text": path, "k": 3})["photos"]
        assert names(found) == index.search(path, 3).paths


def test_a_photo_that_is_gone(serve: Serve, index: PhotoIndex) -> None:
    with serve(index=index, photos=None) as app:
        [first] = app.good("/api/search", {"text": "a cat", "k": 1})["photos"]
        kept = Path(first["path"]).read_bytes()
        Path(first["path"]).unlink()
        try:
            status, answer = app.ask(f"/index/photo/{first['id']}")
            assert (status, answer["error"]) == (
                404, "this photo is not where the index has it: update the index",
            )  # fmt: skip
        finally:
            Path(first["path"]).write_bytes(kept)


def test_a_link_in_the_place_of_a_photo_is_not_followed(
    serve: Serve, mini: Encoder, photos: Path, tmp_path: Path
) -> None:
    own, private = tmp_path / "own", tmp_path / "private"
    shutil.copytree(photos / "cat", own)
    shutil.copytree(photos / "rocket", private)
    made = PhotoIndex.open(tmp_path / "own.lance", encoder=mini)
    made.add(own)
    gone = (404, "this photo is not where the index has it: update the index")
    with serve(index=made, photos=None) as app:
        [first] = app.good("/api/search", {"text": "a cat", "k": 1})["photos"]
        path = Path(first["path"])
        beside = next(one for one in own.iterdir() if one != path)
        for target in (next(private.iterdir()), beside):
            path.unlink()
            path.symlink_to(target)
            for shown in ("thumb", "photo"):
                status, answer = app.ask(f"/index/{shown}/{first['id']}")
                assert (status, answer["error"]) == gone
        path.unlink()
        path.write_bytes(beside.read_bytes())
        assert app.ask(f"/index/photo/{first['id']}")[0] == 200
        own.rename(tmp_path / "moved")
        private.rename(own)
        (own / "rocket-0.jpg").rename(own / path.name)
        own.rename(private)
        own.symlink_to(private)
        status, answer = app.ask(f"/index/photo/{first['id']}")
        assert (status, answer["error"]) == gone


def test_an_index_whose_paths_go_through_links(
    serve: Serve, mini: Encoder, photos: Path, tmp_path: Path
) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "folder").symlink_to(photos / "cat")
    (own / "rocket.jpg").symlink_to(photos / "rocket" / "rocket-0.jpg")
    made = PhotoIndex.open(tmp_path / "own.lance", encoder=mini)
    made.add(own)
    with serve(index=made, photos=None) as app:
        found = app.good("/api/search", {"text": "a cat", "k": 50})["photos"]
        assert {Path(one["path"]).name for one in found} > {"rocket.jpg", "cat-0.jpg"}
        for one in found:
            assert app.ask(f"/index/thumb/{one['id']}")[0] == 200
            assert app.ask(f"/index/photo/{one['id']}")[0] == 200


def test_an_index_of_another_encoder(serve: Serve, photos: Path, tmp_path: Path) -> None:
    clip = load_encoder(save_clip(tmp_path / "clip"), "cpu")
    other = PhotoIndex.open(tmp_path / "other.lance", encoder=clip)
    other.add(photos / "cat")
    with serve(index=other) as app:
        assert len(app.good("/api/search", {"text": "a cat", "k": 3})["photos"]) == 3
        key = drop(app, photos / "cat" / "cat-0.jpg")
        status, answer = app.ask("/api/search", {"like": [key]})
        assert (status, "runs another encoder" in answer["error"]) == (400, True)
        assert app.ask("/api/search/classes", {})[0] == 400


def test_the_page(serve: Serve, index: PhotoIndex, browser: Any, photos: Path) -> None:
    with serve(index=index) as app, visited(browser, f"{app.url}#search") as visit:
        page = visit.page
        page.get_by_label("What is to be seen").fill("a cat")
        page.keyboard.press("Enter")
        tiles = page.locator(".tile")
        tiles.first.wait_for()
        assert "cat" in tiles.first.get_attribute("aria-label")
        tiles.first.click()
        page.get_by_role("dialog").get_by_text("Where").wait_for()
        assert visit.audit() == []
        page.get_by_role("button", name="More like this").click()
        page.locator(".chip").wait_for()
        page.get_by_label("What is to be seen").fill("a cat - whiskers")
        page.keyboard.press("Enter")
        page.get_by_text("40 photos, the closest first").or_(
            page.get_by_text("39 photos, the closest first")
        ).wait_for()
        page.set_input_files("#example", photos / "rocket" / "rocket-1.jpg")
        page.locator(".chip", has_text="rocket-1.jpg").wait_for()
        page.get_by_role("button", name="Best of each class").click()
        page.get_by_text("the best photos of 5 classes").wait_for()
        page.get_by_role("button", name="Near-duplicates").click()
        page.get_by_text("of photos that look alike").wait_for()
        assert visit.audit() == []
