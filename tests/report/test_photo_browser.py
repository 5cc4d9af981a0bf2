"""The page of photos in a real browser: sorted, filtered, with thousands of them."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cupl.classification.prediction import Prediction, Score
from cupl.report import photo_page
from cupl.report.photo_page import PhotoPage
from cupl.report.photos import data_uri
from tests.models import draw
from tests.report.evaluations import HOSTILE, explained
from tests.report.test_browser import Open, external, visit  # noqa: F401 (fixtures)

NAMES = ("cup", "chair", "كلب")


def predictions(number: int, photo: Path) -> Iterator[Prediction]:
    for i in range(number):
        sure = ((i * 7919) % number + 1) / (number + 1)
        scores = (Score(NAMES[i % 3], None, 0.3, sure), Score("lamp", None, 0.1, 1 - sure))
        rejected = "below the threshold" if i % 10 == 9 else None
        yield Prediction(scores, str(photo.with_name(f"{i:05}.jpg")), rejected=rejected)
    yield Prediction(path="gone.jpg", error="there is no such file")


@pytest.fixture
def many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A page of 3,000 photos, which all are the same picture."""
    draw(64, 48).save(picture := io.BytesIO(), "JPEG")
    uri_of_one = data_uri("image/jpeg", picture.getvalue())
    monkeypatch.setattr(photo_page, "small_thumbnail", lambda *_: uri_of_one)
    page = PhotoPage()
    for one in predictions(3_000, tmp_path / "x.jpg"):
        page.add(one)
    page.save(tmp_path / "p.html")
    return tmp_path / "p.html"


def chosen(seen: Any, **values: str) -> list[str]:
    """Choose, and return the names that are shown first."""
    for name, value in values.items():
        field = seen.page.locator(f"[name={name}]")
        field.fill(value) if name == "text" else field.select_option(value)
    seen.page.wait_for_timeout(200)
    return list(seen.run("[...document.querySelectorAll('.photos .file')].map(e => e.textContent)"))


def test_thousands_are_sorted_and_filtered(visit: Open, many: Path) -> None:  # noqa: F811
    with visit(many) as seen:
        status = seen.page.locator("output")
        assert status.inner_text() == "3,001 photos"
        assert seen.run("document.images.length") < 300  # the others wait
        values = "[...document.querySelectorAll('.photos .bars li:first-child .value')]"
        chosen(seen, order="unsure")
        sure = [float(text.split()[0]) for text in seen.run(f"{values}.map(e => e.textContent)")]
        assert sure == sorted(sure)
        assert sure[0] < 0.1
        assert chosen(seen, order="name")[1].endswith("00000.jpg")
        first = seen.run("document.querySelector('.photos .label').textContent")
        chosen(seen, order="label")
        assert seen.run("document.querySelector('.photos .label').textContent") == "chair"
        assert first == "cup"
        chosen(seen, label="=كلب")
        assert status.inner_text() == "900 of 3,001 photos"
        chosen(seen, label="none")
        assert status.inner_text() == "300 of 3,001 photos"
        assert len(chosen(seen, label="unread")) == 1
        names = chosen(seen, label="all", order="name", text="0123")
        assert [one[-9:] for one in names] == ["00123.jpg", *(f"0123{i}.jpg" for i in range(10))]
        assert chosen(seen, text="no such thing") == []
        assert external(seen.requests) == [many.as_uri()]
        assert seen.complaints == []


def test_scrolling_makes_cards_and_takes_them_away(visit: Open, many: Path) -> None:  # noqa: F811
    with visit(many) as seen:
        for _ in range(5):
            seen.run("window.scrollBy(0, 40000)")
            seen.page.wait_for_timeout(150)
        assert 0 < seen.run("document.images.length") < 500
        middle = "document.elementFromPoint(innerWidth / 2, innerHeight / 2).closest('.card')"
        assert seen.run(f"{middle} !== null || document.querySelector('.photos .card') !== null")


def test_by_keyboard_alone(visit: Open, many: Path) -> None:  # noqa: F811
    with visit(many) as seen:
        seen.page.locator("[name=order]").focus()
        seen.page.keyboard.press("Tab")
        assert seen.run("document.activeElement.name") == "label"
        seen.page.keyboard.press("Tab")
        seen.page.keyboard.type("00017")
        seen.page.keyboard.press("Enter")  # sends nothing
        seen.page.wait_for_timeout(200)
        assert seen.page.locator("output").inner_text() == "1 of 3,001 photos"
        assert seen.page.url == many.as_uri()


@pytest.mark.parametrize("width", [390, 768, 1440])
def test_nothing_is_wider_than_the_window(visit: Open, tmp_path: Path, width: int) -> None:  # noqa: F811
    photo = tmp_path / "a <img src=x onerror=alert(1)>.png"
    draw(900, 90).save(photo)
    page = PhotoPage()
    for names in (HOSTILE, NAMES, HOSTILE[:3]):
        page.add(explained(photo, names))
    page.save(tmp_path / "p.html")
    with visit(tmp_path / "p.html", viewport={"width": width, "height": 900}) as seen:
        seen.run("document.querySelectorAll('details').forEach(d => d.open = true)")
        assert seen.run("document.documentElement.scrollWidth") <= width
        assert seen.run("document.images.length") == 3
        assert seen.run("window.owned") is None
        assert seen.complaints == []


def test_figures_and_names_are_in_sight_on_a_phone(visit: Open, tmp_path: Path) -> None:  # noqa: F811
    from cupl.report.files import write_report
    from tests.report.evaluations import evaluation

    [path, *_] = write_report(evaluation(), [], tmp_path)
    with visit(path, viewport={"width": 390, "height": 800}) as seen:
        widths = seen.run("[...document.querySelectorAll('img.drawing')].map(i => i.width)")
        assert len(widths) == 4
        assert all(200 < width <= 390 for width in widths)
        assert seen.page.locator(".hint").first.is_visible()
        box = seen.page.locator("#accuracy .scroll").first
        box.evaluate("box => box.scrollLeft = 300")
        name = box.locator("td.name").first.bounding_box()
        assert 0 <= name["x"] < 40
        assert seen.run("document.documentElement.scrollHeight") < 15_000
    with visit(path, viewport={"width": 1440, "height": 800}) as seen:
        assert seen.page.locator(".hint:visible").count() == 0
