"""Photos that are chosen or dropped by the dozen, and folders of them."""

from pathlib import Path
from typing import Any

import pytest

from tests.web.conftest import Serve
from tests.web.photos import make_photos
from tests.web.serving import visited

DROP = """async ({ files, folders }) => {
  const transfer = new DataTransfer();
  for (const name of files) {
    const bytes = new Uint8Array(await (await fetch(name)).arrayBuffer());
    transfer.items.add(new File([bytes], "p.jpg"));
  }
  const entry = (file) => ({ isFile: true, isDirectory: false, file: (done) => done(file) });
  const folder = (entries) => ({ isFile: false, isDirectory: true, createReader: () => {
    const parts = [entries, []];
    return { readEntries: (done) => done(parts.shift()) };
  } });
  const dropped = [...transfer.files].map(entry);
  const entries = folders ? [folder([folder(dropped)])] : dropped;
  const event = new Event("drop", { bubbles: true, cancelable: true });
  const items = entries.map((one) => ({ webkitGetAsEntry: () => one }));
  event.dataTransfer = { items, files: transfer.files };
  document.body.dispatchEvent(event);
}"""


FILES = [f"/photo/{number}" for number in range(3)]


def wait_for_cards(page: Any, number: int) -> None:
    page.wait_for_function(f"() => document.querySelectorAll('.card').length === {number}")


@pytest.fixture
def many(tmp_path: Path) -> list[Path]:
    return sorted(make_photos(tmp_path / "chosen", each=4).rglob("*.jpg"))


def test_all_that_are_chosen_are_shown(serve: Serve, browser: Any, many: list[Path]) -> None:
    with serve() as app, visited(browser, f"{app.url}#try") as visit:
        page = visit.page
        page.locator("#files").set_input_files([str(one) for one in many[:5]])
        wait_for_cards(page, 5)
        page.locator("#files").set_input_files([str(one) for one in many])
        page.get_by_text("The first 24 are shown").wait_for()
        wait_for_cards(page, 24)


def test_photos_of_a_folder_are_dropped(serve: Serve, browser: Any) -> None:
    with serve() as app, visited(browser, f"{app.url}#try") as visit:
        for folders, shown in ((True, 3), (False, 6)):
            visit.page.evaluate(DROP, {"files": FILES, "folders": folders})
            wait_for_cards(visit.page, shown)


def test_the_way_past_the_bar_stays_on_the_page(serve: Serve, browser: Any) -> None:
    with serve() as app, visited(browser, f"{app.url}#review") as visit:
        page = visit.page
        page.get_by_role("link", name="Sort and review").wait_for()
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        assert page.url.endswith("#review")
        assert page.evaluate("() => document.activeElement.id") == "main"
