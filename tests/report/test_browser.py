"""The pages in a real browser: what they ask for, what they run, and how they are used."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from cupl.report.files import write_predictions_page, write_report
from tests.models import draw
from tests.report.evaluations import (
    GREEK,
    HOSTILE,
    evaluation,
    example,
    explained,
    hostile_evaluation,
)


@dataclass
class Visit:
    """A page that is open, and what it did."""

    page: Any
    requests: list[str] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    """Address and reason."""
    complaints: list[str] = field(default_factory=list)

    def run(self, script: str) -> Any:
        return self.page.evaluate(script)


Open = Callable[..., Any]


@pytest.fixture
def visit(browser: Any) -> Open:
    @contextmanager
    def open_page(path: Path, **settings: Any) -> Iterator[Visit]:
        context = browser.new_context(**settings)
        page = context.new_page()
        seen = Visit(page)
        page.on("request", lambda request: seen.requests.append(request.url))
        page.on(
            "requestfailed",
            lambda request: seen.refused.append((request.url, request.failure)),
        )
        page.on("pageerror", lambda error: seen.complaints.append(str(error)))
        page.on(
            "console",
            lambda message: (
                seen.complaints.append(message.text)
                if message.type in ("error", "warning")
                else None
            ),
        )
        page.goto(path.as_uri())
        yield seen
        context.close()

    return open_page


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    photo = folder / "photo.png"
    draw(400, 300).save(photo)
    examples = [example(photo, "alpha", GREEK), example(photo, "beta", GREEK)]
    return write_report(evaluation(), examples, folder)[0]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    photo = folder / "a <img src=x onerror=alert(1)>.png"
    draw(40, 30).save(photo)
    examples = [
        example(photo, HOSTILE[0], HOSTILE[:5]),
        example(photo, HOSTILE[5], HOSTILE[6:11]),
        example(HOSTILE[1], HOSTILE[11], HOSTILE[7:12]),
    ]
    return write_report(hostile_evaluation(), examples, folder)[0]


@pytest.fixture(scope="module")
def predictions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("predictions")
    photo = folder / "photo.png"
    draw(400, 300).save(photo)
    path = folder / "p.html"
    write_predictions_page(path, [explained(photo, GREEK), explained(photo, HOSTILE)])
    return path


@pytest.fixture(params=["report", "hostile", "predictions"])
def any_page(request: pytest.FixtureRequest) -> Path:
    path = request.getfixturevalue(request.param)
    assert isinstance(path, Path)
    return path


def external(requests: list[str]) -> list[str]:
    return [url for url in requests if not url.startswith("data:")]


def test_nothing_is_asked_for_and_nothing_foreign_runs(visit: Open, any_page: Path) -> None:
    with visit(any_page) as seen:
        seen.page.wait_for_load_state("networkidle")
        assert external(seen.requests) == [any_page.as_uri()]
        assert seen.complaints == []
        assert seen.run("window.owned") is None
        broken = "[...document.images].filter(i => !i.complete || !i.naturalWidth).length"
        assert seen.run(broken) == 0
        assert seen.run("document.images.length") > 0


def test_the_policy_is_in_force(visit: Open, report: Path) -> None:
    with visit(report) as seen:
        seen.run("""() => {
            const script = document.createElement("script");
            script.textContent = "window.owned = 9";
            document.body.append(script);
            const image = document.createElement("img");
            image.src = "http://127.0.0.1:9/x.png";
            document.body.append(image);
        }""")
        seen.page.wait_for_timeout(50)
        assert seen.run("window.owned") is None
        assert seen.refused == [("http://127.0.0.1:9/x.png", "csp")]
        assert len(seen.complaints) >= 2


@pytest.mark.parametrize("width", [360, 800])
def test_the_page_never_scrolls_sideways(visit: Open, any_page: Path, width: int) -> None:
    with visit(any_page, viewport={"width": width, "height": 800}) as seen:
        seen.run("document.querySelectorAll('details').forEach(d => d.open = true)")
        assert seen.run("document.documentElement.scrollWidth") <= width


def test_no_row_of_a_short_table_is_out_of_sight(visit: Open, report: Path) -> None:
    with visit(report, viewport={"width": 390, "height": 300}) as seen:
        boxes = "[...document.querySelectorAll('.scroll')]"
        assert seen.run(f"{boxes}.filter(b => b.scrollHeight > b.offsetHeight).length") == 0


def brightness(colour: str) -> float:
    channels = colour.removeprefix("rgb(").removesuffix(")").split(",")
    return sum(map(float, channels)) / 3


def test_dark_mode(visit: Open, report: Path) -> None:
    style = "const s = getComputedStyle(document.body);"
    shown: dict[str, list[str]] = {}
    for scheme in ("light", "dark"):
        with visit(report, color_scheme=scheme) as seen:
            background, ink = seen.run(f"(() => {{{style} return [s.backgroundColor, s.color]}})()")
            shown[scheme] = seen.run(
                "[...document.querySelectorAll('img.drawing')].map(i => i.currentSrc)"
            )
        expected_dark = scheme == "dark"
        assert (brightness(background) < 60) == expected_dark
        assert (brightness(ink) > 200) == expected_dark
    assert len(shown["light"]) == 4
    assert not set(shown["light"]) & set(shown["dark"])


COLUMN = """([name, column]) => {
    const table = document.querySelector(name + ' table');
    return [...table.tBodies[0].rows].map(row => row.cells[column].innerText.split(' ')[0]);
}"""


def test_sorting_by_click(visit: Open, report: Path) -> None:
    with visit(report) as seen:
        heads = seen.page.locator("#classes th")
        images, accuracy = heads.nth(1), heads.nth(2)
        as_given = seen.page.evaluate(COLUMN, ["#classes", 0])
        assert as_given == list(GREEK)
        accuracy.get_by_role("button").click()
        values = [float(text) for text in seen.page.evaluate(COLUMN, ["#classes", 2])]
        assert values == sorted(values)
        assert accuracy.get_attribute("aria-sort") == "ascending"
        accuracy.get_by_role("button").click()
        values = [float(text) for text in seen.page.evaluate(COLUMN, ["#classes", 2])]
        assert values == sorted(values, reverse=True)
        assert accuracy.get_attribute("aria-sort") == "descending"
        images.get_by_role("button").click()
        assert accuracy.get_attribute("aria-sort") is None
        assert images.get_attribute("aria-sort") == "ascending"
        names = heads.nth(0).get_by_role("button")
        names.click()
        names.click()
        assert seen.page.evaluate(COLUMN, ["#classes", 0]) == sorted(GREEK, reverse=True)


@pytest.mark.parametrize("key", ["Enter", "Space"])
def test_sorting_by_keyboard(visit: Open, report: Path, key: str) -> None:
    with visit(report) as seen:
        head = seen.page.locator("#classes th").nth(1)
        head.get_by_role("button").focus()
        seen.page.keyboard.press(key)
        assert head.get_attribute("aria-sort") == "ascending"
        seen.page.keyboard.press("Tab")
        seen.page.keyboard.press(key)
        following = seen.page.locator("#classes th").nth(2)
        assert following.get_attribute("aria-sort") == "ascending"


def test_what_is_missing_stays_last(visit: Open, report: Path) -> None:
    with visit(report) as seen:
        head = seen.page.locator("#accuracy th").nth(6).get_by_role("button")
        for expected in (["−1.1", "+3.1", "–"], ["+3.1", "−1.1", "–"]):
            head.click()
            assert seen.page.evaluate(COLUMN, ["#accuracy", 6]) == expected


def test_a_thousand_classes_sort_at_once(visit: Open, tmp_path: Path) -> None:
    names = [f"class {number}" for number in range(1000)]
    [page, *_] = write_report(evaluation(names), [], tmp_path)
    with visit(page, viewport={"width": 360, "height": 800}) as seen:
        seen.page.locator("#classes summary").click()
        took = seen.run("""() => {
            const start = performance.now();
            document.querySelectorAll("#classes th button")[2].click();
            document.body.offsetHeight;
            return performance.now() - start;
        }""")
        values = [float(text) for text in seen.page.evaluate(COLUMN, ["#classes", 2])]
        assert len(values) == 1000
        assert values == sorted(values)
        assert took < 5_000
        assert seen.run("document.documentElement.scrollWidth") <= 360


def test_without_scripts_nothing_is_lost(visit: Open, report: Path) -> None:
    with visit(report, java_script_enabled=False) as seen:
        assert seen.page.locator("th button").count() == 0
        assert seen.page.locator("#accuracy th").first.inner_text() == "Name"
