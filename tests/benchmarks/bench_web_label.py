"""Labelling 50 photos in a browser, by keys and by clicks: how many, and what the app adds.

Run ``python -m tests.benchmarks.bench_web_label`` in the root of a checkout. Each photo is looked
at as soon as it is on the screen; that a person thinks for 1.5 s is added, not waited for. Timed in
the page: from the key or click until the next photo has been drawn.
"""

import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from cupl.encoders.loading import load_encoder
from cupl.web.workspace import Sources
from tests.web.photos import BANK, make_photos
from tests.web.serving import Served, served, visited

PHOTOS = 50
THINKING = 1.5
CHOSEN = [*(str(number) for number in range(1, 6)), "0", "?"]
WATCH = """() => {
    window.photoTimes = [];
    let begun = null;
    const stage = document.querySelector(".subject");
    const ready = () => requestAnimationFrame(() => requestAnimationFrame(() => {
        if (begun !== null) photoTimes.push(performance.now() - begun);
        begun = null;
    }));
    new MutationObserver(() => stage.decode().then(ready, () => {})).observe(
        stage, { attributes: true, attributeFilter: ["src", "hidden"] });
    const start = () => { begun = performance.now(); };
    addEventListener("keydown", start, true);
    addEventListener("click", start, true);
}"""


def label(app: Served, page: Any, by: str) -> tuple[int, list[float], float]:
    """Keys or clicks of all, milliseconds of each photo, and seconds until the last is saved."""
    acts, begun = 0, time.perf_counter()
    for number in range(PHOTOS):
        choice = number % len(CHOSEN)
        if by == "keys":
            page.keyboard.press(CHOSEN[choice])
        else:
            page.locator(".answer").nth(choice).click()
        acts += 1
        page.wait_for_function("number => photoTimes.length > number", arg=number)
    while sum(bool(row["label"]) for row in app.good("/api/label")["rows"]) < PHOTOS:
        time.sleep(0.005)
    return acts, page.evaluate("photoTimes"), time.perf_counter() - begun


def measure(browser: Any, encoder: Any, photos: Path, folder: Path, by: str) -> None:
    sources = Sources(
        lambda: encoder, folder, bank=BANK, bank_path=folder / "bank.yaml", photos=photos
    )
    with served(sources) as app, visited(browser, f"{app.url}#label") as visit:
        visit.page.get_by_label("Photos to label").fill(str(PHOTOS + 10))
        visit.page.keyboard.press("Enter")
        visit.page.locator(".stage .name").filter(has_text=".jpg").wait_for()
        visit.page.wait_for_load_state("networkidle")
        visit.page.evaluate(WATCH)
        acts, times, took = label(app, visit.page, by)
    person = PHOTOS * THINKING + sum(times) / 1000
    print(
        f"{PHOTOS} photos by {by}: {acts} {by}, {acts / PHOTOS:.2f} a photo; the app took "
        f"{statistics.median(times):.0f} ms a photo (median), {max(times):.0f} ms at most, "
        f"{took:.1f} s in all with the browser's driver; "
        f"with {THINKING} s to think, {person / 60:.2f} minutes"
    )


def main() -> None:
    from playwright.sync_api import sync_playwright

    encoder = load_encoder("mini")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        root = Path(folder)
        photos = make_photos(root / "photos", each=10)
        browser = driver.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        for by in ("keys", "clicks"):
            measure(browser, encoder, photos, root / by, by)
        browser.close()


if __name__ == "__main__":
    main()
