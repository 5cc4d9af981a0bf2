"""The page Label: nothing that is typed is lost, and what others do is shown."""

from pathlib import Path
from typing import Any

from playwright.sync_api import expect

from tests.models import bank_of
from tests.web.conftest import Serve
from tests.web.photos import BANK
from tests.web.serving import Served, visited
from tests.web.test_label import begin, label_all


def labels_of(app: Served) -> list[str]:
    return [row["label"] for row in app.good("/api/label")["rows"]]


def test_keys_in_a_row_while_the_server_does_not_answer(serve: Serve, browser: Any) -> None:
    with serve() as app:
        begin(app, 24)
        with visited(browser, f"{app.url}#label") as visit:
            page = visit.page
            page.locator(".stage .name").filter(has_text=".jpg").wait_for()
            page.wait_for_load_state("networkidle")
            page.route("**/api/label/put", lambda route: route.abort())
            for _ in range(4):
                name = page.locator(".stage .name").inner_text()
                page.keyboard.press("1")
                expect(page.locator(".stage .name")).not_to_have_text(name)
            page.get_by_text("4 labels not saved yet").wait_for()
            assert labels_of(app) == [""] * 24
            page.unroute("**/api/label/put")
            page.get_by_text("4 of 24 photos").wait_for()
            page.get_by_text("not saved yet").wait_for(state="hidden")
            assert labels_of(app) == ["cat"] * 4 + [""] * 20
            for _ in range(2):
                page.keyboard.press("u")
            page.get_by_text("2 of 24 photos").wait_for()
            visit.complaints.clear()  # the browser's own word on what was aborted


def test_what_another_person_chose_is_shown(serve: Serve, browser: Any) -> None:
    with serve() as app:
        begin(app, 24)
        with visited(browser, f"{app.url}#label") as visit:
            page = visit.page
            page.locator(".stage .name").filter(has_text=".jpg").wait_for()
            first = app.good("/api/label")["rows"][0]["key"]
            app.good("/api/label/put", {"photo": first, "label": "rocket"})
            page.keyboard.press("1")
            note = page.locator(".note")
            note.get_by_text("somebody else has labelled it 'rocket'").wait_for()
            assert visit.audit() == []
            note.get_by_role("button", name="Look at it").click()
            page.locator(".answer[aria-pressed=true]", has_text="rocket").wait_for()
            page.keyboard.press("1")
            page.get_by_text("1 of 24 photos").wait_for()
            expect(page.locator(".note")).to_have_count(0)
            page.wait_for_function("() => !sessionStorage.getItem('cupl-label-outbox')")
            assert labels_of(app)[0] == "cat"
            visit.complaints.clear()  # the browser's own word on the 409


def test_many_classes_by_a_text(serve: Serve, browser: Any) -> None:
    others = ["dog", "horse", "ship", "tree", "car", "<b>bold</b>", "bird", "fish", "bread", "lamp"]
    bank = bank_of({name: [f"A {name}."] for name in [*(one.name for one in BANK), *others]})
    with serve(bank=bank) as app:
        begin(app, 24)
        with visited(browser, f"{app.url}#label", color_scheme="dark") as visit:
            page = visit.page
            page.locator(".stage .name").filter(has_text=".jpg").wait_for()
            assert page.locator(".choices").first.locator(".answer").count() == 9
            page.get_by_text("and 6 more").wait_for()
            page.keyboard.press("/")
            page.keyboard.type("bold")
            expect(page.locator(".choices").first.locator(".answer")).to_have_count(1)
            page.keyboard.press("Enter")
            page.get_by_text("1 of 24 photos").wait_for()
            assert labels_of(app)[0] == "<b>bold</b>"
            name = page.locator(".stage .name").inner_text()
            page.keyboard.press("3")
            expect(page.locator(".stage .name")).not_to_have_text(name)
            page.get_by_text("2 of 24 photos").wait_for()
            assert labels_of(app)[1] in [entry.name for entry in bank]
            assert visit.audit() == []


def test_other_photos_than_the_sample_was_drawn_from(
    serve: Serve, browser: Any, photos: Path, tmp_path: Path
) -> None:
    with serve() as app:
        begin(app, 24)
        label_all(app, 6)
    with serve(photos=photos / "cat") as app, visited(browser, f"{app.url}#label") as visit:
        page = visit.page
        note = page.locator(".note")
        note.get_by_text("drawn from 40 photos, and there are 5 now").wait_for()
        note.get_by_role("button", name="Go on with it as it is").click()
        expect(note).to_have_count(0)
        page.reload()
        page.get_by_text("6 of 24 photos").wait_for()
        expect(note).to_have_count(0)
        page.get_by_role("button", name="Another sample").click()
        page.keyboard.press("0")  # typed into the form, no label of a photo behind it
        page.get_by_role("button", name="Cancel").click()
        page.get_by_text("6 of 24 photos").wait_for()
        page.get_by_role("button", name="Another sample").click()
        page.get_by_role("button", name="Begin anew").click()
        page.get_by_text("0 of 5 photos").wait_for()
        assert (app.space.folder / "labels.csv.old").exists()
