"""The page of photos: its size, what is kept of it where it cannot be written, odd texts."""

import io
import json
from pathlib import Path

import pytest
from PIL import Image

from cupl.classification.prediction import Prediction, Score
from cupl.errors import InputError
from cupl.evaluation.made_by import made_now
from cupl.report import photo_page
from cupl.report.photo_page import PhotoPage
from cupl.report.photos import small_thumbnail
from tests.models import draw
from tests.report.evaluations import GREEK, HOSTILE, explained, prediction
from tests.report.pages import parse, with_cards


def written(page: PhotoPage, **settings: object) -> bytes:
    file = io.BytesIO()
    page.write(file, **settings)  # type: ignore[arg-type]
    return file.getvalue()


def page_of_one(photo: Path, number: int = 1) -> PhotoPage:
    page = PhotoPage()
    for _ in range(number):
        page.add(explained(photo, GREEK))
    return page


def test_what_made_it_stands_at_its_head(tmp_path: Path) -> None:
    made_by = made_now(threshold=0.6, command="cupl classify <b>photos</b>")
    head = parse(written(page_of_one(tmp_path / "x.png"), made_by=made_by))
    facts = {one.text: dd.text for one, dd in zip(head.all("dt"), head.all("dd"), strict=True)}
    assert facts["Threshold"] == "0.6"
    assert facts["Date"] == made_by.date
    assert facts["Command"] == "cupl classify <b>photos</b>"
    assert "How it was made" not in parse(written(PhotoPage())).text


def test_of_prompts_it_speaks_only_where_it_shows_some(tmp_path: Path) -> None:
    page = PhotoPage()
    page.add(prediction(None, GREEK))
    assert "before a prompt" not in parse(written(page)).text
    assert "before a prompt" in parse(written(page_of_one(tmp_path / "x.png"))).text


@pytest.mark.parametrize("size", [(4000, 3000), (300, 4000), (20, 10)])
@pytest.mark.parametrize("most", [500, 2_000, 20_000])
def test_a_thumbnail_keeps_to_its_bytes(tmp_path: Path, size: tuple[int, int], most: int) -> None:
    draw(*size).save(tmp_path / "x.jpg", quality=95)
    kind, data = small_thumbnail(str(tmp_path / "x.jpg"), most).split(",")
    assert kind == "data:image/webp;base64"
    assert len(data) <= most * 4 / 3 + 4 or most == 500
    assert len(data) < 2_500 or most > 500


def test_the_more_photos_the_smaller_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.effect_noise((400, 300), 90).convert("RGB").save(tmp_path / "x.png")
    monkeypatch.setattr(photo_page, "_BYTES", 400_000)
    sizes = [len(written(page_of_one(tmp_path / "x.png", number))) for number in (1, 40)]
    assert sizes[1] < 440_000
    assert sizes[0] > 20_000


def test_a_photo_that_is_gone_leaves_its_card(tmp_path: Path) -> None:
    draw(40, 30).save(tmp_path / "x.png")
    page = page_of_one(tmp_path / "x.png", 2)
    (tmp_path / "x.png").unlink()
    for card in with_cards(written(page)).with_class("card"):
        assert "cannot be shown" in card.with_class("problem")[0].text
        assert card.with_class("placeholder")
        assert card.with_class("bars")


def test_hostile_names_are_text(tmp_path: Path) -> None:
    name = tmp_path / "<script>alert(1)<!-- \" data-x='.png"
    draw(40, 30).save(name)
    page = PhotoPage()
    page.add(explained(name, HOSTILE))
    page.add(Prediction((Score("</script><script>window.owned = 1</script>", None, 0.1, 1.0),)))
    html = written(page)
    stored = [one for one in parse(html).all("script") if one.attributes.get("type")]
    assert len(stored) == 2
    assert json.loads(stored[1]["data-labels"]) == ["</script><script>window.owned = 1</script>"]
    assert stored[0]["data-name"].endswith(name.name)
    assert html.count(b"<script") == 3  # two cards, and our own


def test_what_is_kept_of_many_is_small() -> None:
    page = PhotoPage()
    scores = tuple(Score(f"class {number}", None, 0.1, 0.1) for number in range(2_000))
    page.add(Prediction(scores, "x.jpg"))
    [kept] = page._cards
    assert len(kept.card.bars) == 50


def test_a_page_that_cannot_be_written_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "p.html"
    path.write_text("old")

    def fail(*_: object, **__: object) -> None:
        raise InputError("no space is left")

    page = PhotoPage()
    page.add(prediction(None, GREEK))
    monkeypatch.setattr(photo_page, "_cut", fail)
    with pytest.raises(InputError):
        page.save(path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
