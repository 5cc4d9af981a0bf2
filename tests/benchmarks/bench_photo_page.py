"""A page of 5,000 photos: the time to write it, its size, and how fast a browser is with it.

Run ``python -m tests.benchmarks.bench_photo_page PHOTOS`` in the root of a checkout; where there
are fewer photos they are taken again and again. The browser is Chromium, where it is installed with
playwright.
"""

import random
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from cupl.classification.prediction import Prediction, Score
from cupl.report.photo_page import MOST_IMAGES, PhotoPage

CLASSES = [f"class number {number}" for number in range(100)]
CHOICES = {
    "least sure first": "form.elements.order.value = 'unsure'",
    "by label": "form.elements.order.value = 'label'",
    "one label": "form.elements.label.selectedIndex = 3",
    "a text": "form.elements.label.value = 'all'; form.elements.text.value = '5'",
}
SCROLL = """async () => {
    const start = performance.now();
    let frames = 0, worst = 0, last = start;
    while (performance.now() < start + 4000) {
        window.scrollBy(0, 400);
        await new Promise(requestAnimationFrame);
        const now = performance.now();
        [frames, worst, last] = [frames + 1, Math.max(worst, now - last), now];
    }
    return [frames, worst];
}"""


def make_page(photos: list[Path], path: Path) -> None:
    """Predictions by chance, the photos real."""
    chance, page = random.Random(0), PhotoPage()  # noqa: S311
    for number in range(MOST_IMAGES):
        shares = sorted((chance.random() for _ in range(5)), reverse=True)
        names = chance.sample(CLASSES, 5)
        top = [Score(n, None, 0.3, p / sum(shares)) for n, p in zip(names, shares, strict=True)]
        page.add(Prediction(tuple(top), str(photos[number % len(photos)])))
    start = time.perf_counter()
    page.save(path)
    took, size = time.perf_counter() - start, path.stat().st_size / 1e6
    print(f"written in {took:.1f} s, {1000 * took / len(page):.1f} ms a photo, {size:.1f} MB")


def measure_browser(path: Path) -> None:
    """Time to the first card, of sorting and filtering with layout, and frames while scrolling."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page: Any = browser.new_page(viewport={"width": 1440, "height": 900})
        start = time.perf_counter()
        page.goto(path.as_uri())
        page.wait_for_selector(".photos img")
        print(f"first photo after {time.perf_counter() - start:.2f} s")
        for name, script in CHOICES.items():
            timed = f"{script}; const t = performance.now(); show(); document.body.offsetHeight;"
            took = page.evaluate(f"() => {{ {timed} return performance.now() - t; }}")
            print(f"{name}: {took:.0f} ms")
        page.evaluate("() => { form.elements.text.value = ''; show(); }")
        frames, worst = page.evaluate(SCROLL)
        print(f"scrolling: {frames / 4:.0f} frames a second, the longest {worst:.0f} ms")
        browser.close()


def main() -> None:
    photos = sorted(Path(sys.argv[1]).rglob("*.jpg"))
    with tempfile.TemporaryDirectory() as folder:
        make_page(photos, Path(folder) / "page.html")
        measure_browser(Path(folder) / "page.html")


if __name__ == "__main__":
    main()
