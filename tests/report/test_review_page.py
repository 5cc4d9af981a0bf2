"""The page of decisions: the doubtful first, blocked ones blurred, nothing of a text is run."""

import json
from pathlib import Path

import pytest

from cupl.classification.filter_decision import FilterDecision, NearestClass
from cupl.classification.filter_thresholds import FilterThresholds
from cupl.evaluation.made_by import made_now
from cupl.io.file_kinds import DECISIONS_PAGE, kind_of_file
from cupl.report import review_page
from cupl.report.review_page import ReviewPage
from tests.models import draw
from tests.report.evaluations import HOSTILE
from tests.report.pages import parse, with_cards
from tests.report.test_browser import Open, external, visit  # noqa: F401 (fixtures)

THRESHOLDS = FilterThresholds(-0.1, 0.1)
TOY = NearestClass("toy", None, 0.2, "a toy", 0.1)


def decided(margin: float | None, path: Path | str, name: str = "gun") -> FilterDecision:
    if margin is None:
        return FilterDecision("review", str(path), error="not an image")
    gun = NearestClass(name, None, 0.2 + margin, f"a {name}", 0.3)
    return FilterDecision(THRESHOLDS.verdict(margin), str(path), margin, gun, TOY)


def stored(path: Path) -> list[tuple[str, list[str]]]:
    """Names and decisions, in the order of the page."""
    scripts = [one for one in parse(path.read_bytes()).all("script") if one.attributes.get("type")]
    return [(one["data-name"], json.loads(one["data-labels"])) for one in scripts]


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    draw(60, 40).save(tmp_path / "x.png")
    return tmp_path / "x.png"


def test_the_doubtful_come_first_and_stay_where_there_is_little_place(
    tmp_path: Path, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    margins = [-0.5, 0.09, 0.0, 0.4, -0.2, None, -0.05, 0.2]
    for most, names in ((8, "5 2 6 1 7 3 4 0"), (3, "5 2 6"), (5, "5 2 6 1 7")):
        monkeypatch.setattr(review_page, "MOST_IMAGES", most)
        page = ReviewPage(THRESHOLDS)
        for number, margin in enumerate(margins):
            page.add(decided(margin, f"/p/{number}"))
        shown = page.save(tmp_path / "p.html")
        found = [
            name.removeprefix("p/").replace("None", "5") for name, _ in stored(tmp_path / "p.html")
        ]
        assert (shown, " ".join(found)) == (most, names)
        head = parse((tmp_path / "p.html").read_bytes()).text
        assert ("left out" in head) == (most < 8)
        assert "Decisions on 8 images" in head
        assert kind_of_file(tmp_path / "p.html") == DECISIONS_PAGE


def test_only_blocked_photos_are_blurred(tmp_path: Path, photo: Path) -> None:
    page = ReviewPage(THRESHOLDS)
    for margin in (0.5, 0.0, -0.5, None):
        page.add(decided(margin, photo))
    page.save(tmp_path / "p.html", made_now(allow_below="-0.1000", block_above="0.1000"))
    html = with_cards((tmp_path / "p.html").read_bytes())
    cards = html.with_class("card")
    assert [len(one.with_class("covered")) for one in cards] == [0, 0, 1, 0]
    assert [len(list(one.all("button"))) for one in cards] == [0, 0, 1, 0]
    said = [one.with_class("said")[0].text for one in cards]
    assert said == ["For review", "For review, margin 0.000", "Blocked, margin +0.500",
                    "Allowed, margin −0.500"]  # fmt: skip
    assert "a gun 0.300" in cards[1].text
    assert "a toy 0.100" in cards[1].text
    assert "not an image" in cards[0].text
    facts = html.with_class("key")[0].text
    assert "Allow below-0.1000" in facts


def test_no_text_is_run(visit: Open, tmp_path: Path, photo: Path) -> None:  # noqa: F811
    page = ReviewPage(THRESHOLDS)
    for number, text in enumerate(HOSTILE):
        page.add(decided(0.0 if number % 2 else 0.5, photo, text))
    page.save(tmp_path / "p.html")
    with visit(tmp_path / "p.html") as seen:
        seen.page.locator("[name=label]").select_option("all")
        seen.page.wait_for_timeout(200)
        assert seen.run("window.owned") is None
        assert external(seen.requests) == [(tmp_path / "p.html").as_uri()]
        assert seen.complaints == []
        assert seen.run("document.querySelectorAll('.nearest').length") == 2 * len(HOSTILE)


def test_a_blocked_photo_is_shown_and_blurred_by_keyboard(
    visit: Open,  # noqa: F811
    tmp_path: Path,
    photo: Path,
) -> None:
    page = ReviewPage(THRESHOLDS)
    for margin in (0.5, 0.3, 0.0, 0.05, -0.5):
        page.add(decided(margin, photo))
    page.save(tmp_path / "p.html")
    blur = "[...document.querySelectorAll('.photo img')].map(e => getComputedStyle(e).filter)"
    with visit(tmp_path / "p.html", viewport={"width": 390, "height": 800}) as seen:
        assert seen.page.locator("[name=label]").input_value() == "=review"
        assert seen.page.locator("output").inner_text() == "2 of 5 photos"
        assert seen.run(blur) == ["none", "none"]
        seen.page.locator("[name=label]").select_option("=block")
        seen.page.wait_for_timeout(200)
        assert ["blur" in one for one in seen.run(blur)] == [True, True]
        button = seen.page.get_by_role("button", name="Show photo").first
        button.focus()
        assert ["blur" in one for one in seen.run(blur)] == [True, True]
        seen.page.keyboard.press("Enter")
        assert ["blur" in one for one in seen.run(blur)] == [False, True]
        seen.page.keyboard.press("Space")
        assert ["blur" in one for one in seen.run(blur)] == [True, True]
        seen.page.locator(".photo img").last.click()
        assert ["blur" in one for one in seen.run(blur)] == [True, False]
        assert seen.run("document.documentElement.scrollWidth") <= 390
        assert seen.complaints == []
