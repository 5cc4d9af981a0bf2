"""Trying photos: what the server says of them, and the page."""

import threading
from pathlib import Path
from typing import Any

import pytest

from cupl.classification.classifier import ZeroShotClassifier
from cupl.embedding.bank_encoding import encode_bank
from cupl.encoders.protocol import Encoder
from cupl.progress import Progress
from cupl.web.photo_list import PhotoList
from tests.web.conftest import Serve
from tests.web.photos import BANK
from tests.web.serving import visited


def test_labels_are_those_of_the_library(serve: Serve, mini: Encoder) -> None:
    with serve() as app:
        found = app.good("/api/relabel", {})
        classifier = ZeroShotClassifier(encode_bank(BANK, mini), mini)
        expected = list(classifier.predict(app.space.photos.paths))
        assert found["labels"] == [one.label for one in expected]
        told = app.good("/api/classify", {"photos": ["0", "7"], "top_k": 2})["predictions"]
        for one, place in zip(told, (0, 7), strict=True):
            best = expected[place].top[0]
            assert one["top"][0]["label"] == best.label
            assert one["top"][0]["probability"] == pytest.approx(best.probability, abs=1e-5)
            assert one["explanation"]["winner"]["label"] == best.label


def test_a_threshold_takes_labels_away(serve: Serve) -> None:
    with serve() as app:
        found = app.good("/api/relabel", {"settings": {"threshold": 1.0}})
        assert set(found["labels"]) == {None}
        assert set(found["best"]) != {None}


def test_a_dropped_photo_is_judged_and_no_file_is_left(
    serve: Serve, photos: Path, tmp_path: Path
) -> None:
    content = (photos / "cat" / "cat-0.jpg").read_bytes()
    with serve() as app:
        sent = {"Content-Type": "application/octet-stream", "X-File-Name": "my%20cat.jpg"}
        status, answer = app.ask("/api/uploads", raw=content, headers=sent)
        assert (status, answer["name"]) == (200, "my cat.jpg")
        told = app.good("/api/classify", {"photos": [answer["photo"]]})["predictions"]
        assert told[0]["label"] == "cat"
        assert app.ask(f"/thumb/{answer['photo']}")[1].startswith(b"\xff\xd8")
    assert not (tmp_path / "out").exists()


def test_the_page(serve: Serve, browser: Any, photos: Path) -> None:
    with serve() as app, visited(browser, app.url) as visit:
        page = visit.page
        page.set_input_files("#files", photos / "cat" / "cat-1.jpg")
        card = page.locator(".card")
        card.get_by_role("heading", name="cat-1.jpg").wait_for()
        assert card.locator(".verdict").inner_text() == "cat"
        page.get_by_text("40 photos judged").wait_for()
        page.locator(".tile").first.focus()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Enter")
        page.locator(".card").nth(1).wait_for()
        assert visit.audit() == []


def test_reading_is_stopped_and_gone_on_with(
    serve: Serve, browser: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, gate = PhotoList.encode, threading.Event()

    def slow(self: PhotoList, encoder: Encoder, cache: Any, progress: Progress) -> dict[str, int]:
        def told(done: int, total: int) -> None:
            progress(done, total)
            gate.wait(60)
            progress(done, total)

        return read(self, encoder, cache, told)

    monkeypatch.setattr(PhotoList, "encode", slow)
    with serve(waits=False) as app, visited(browser, app.url) as visit:
        visit.page.get_by_role("button", name="Stop").click()
        visit.page.get_by_text("Stopping").wait_for()
        gate.set()
        visit.page.get_by_role("button", name="Read on").click()
        visit.page.get_by_text("40 photos judged").wait_for()
        assert app.space.photos.encoded == 40
