import base64
import io
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from cupl.classification.prediction import Prediction, Score
from cupl.report.examples import Example
from cupl.report.photo_page import MOST_IMAGES
from cupl.report.photos import SIDE
from tests.models import draw
from tests.report.evaluations import (
    GREEK,
    bare_evaluation,
    evaluation,
    example,
    explained,
    prediction,
)
from tests.report.pages import page_of, photo_page


def test_the_gallery(tmp_path: Path) -> None:
    photo = tmp_path / "alpha" / "photo.png"
    photo.parent.mkdir()
    draw(800, 500).save(photo)
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff")
    examples = [
        example(photo, "alpha", GREEK),
        example(photo, "beta", GREEK),
        example(broken, "alpha", GREEK),
        Example(Prediction(path="x.jpg", error="the file is empty"), "alpha"),
    ]
    page = page_of(evaluation(), examples).section("images")
    assert [one.text for one in page.all("h3")] == ["Wrong", "Right", "Without a prediction"]
    wrong, right, gone, unread = page.with_class("card")
    assert "wrong" in wrong["class"].split()
    assert {"right", "card"} == set(right["class"].split()) == set(gone["class"].split())
    assert wrong.with_class("truth")[0].text == "True class: beta wrong"
    assert wrong.with_class("file")[0].text == "alpha/photo.png"
    bars = list(wrong.with_class("bars")[0].all("li"))
    assert [bar.with_class("value")[0].text for bar in bars] == [
        "62.1 %", "21.0 %", "9.1 %", "5.0 %", "2.7 %",
    ]  # fmt: skip
    assert bars[0].with_class("fill")[0]["width"] == "62.13"
    assert [bool(bar.with_class("mark")) for bar in bars] == [False, True, False, False, False]
    winner, runner_up = wrong.with_class("side")
    assert winner.with_class("role")[0].text == "Winner: alpha score 0.299"
    assert runner_up.with_class("role")[0].text == "Runner-up: beta score 0.299"
    assert [one.text for one in winner.with_class("cosine")] == [
        "0.346", "0.336", "0.326", "0.346", "0.336",
    ]  # fmt: skip
    assert [one.text for one in winner.with_class("stance")] == [
        "Prompts of alpha that speak for alpha",
        "Prompts of alpha that speak for beta",
    ]
    assert winner.with_class("more")[0].text == "and 2 more"
    [image] = wrong.all("img")
    kind, data = image["src"].split(",")
    assert kind == "data:image/jpeg;base64"
    with Image.open(io.BytesIO(base64.b64decode(data))) as shown:
        assert max(shown.size) == SIDE
    assert "cannot be shown" in gone.with_class("problem")[0].text
    assert gone.with_class("placeholder")
    assert unread.with_class("problem")[0].text == "the file is empty"


def test_an_image_without_a_file_has_its_own_name() -> None:
    shown = example("x.jpg", "alpha", GREEK).prediction
    examples = [Example(replace(shown, path=None), "alpha", "image 17")]
    [card] = page_of(bare_evaluation(), examples).with_class("card")
    assert card.with_class("file")[0].text == "image 17"
    assert card.with_class("placeholder")
    assert not card.with_class("problem")


def test_classes_of_one_name_are_told_apart_by_id() -> None:
    scores = (Score("missile", "n1", 0.3, 0.6), Score("missile", "n2", 0.2, 0.4))
    examples = [
        Example(Prediction(scores), "missile (n1)"),
        Example(Prediction(scores), "missile (n2)"),
    ]
    page = page_of(bare_evaluation(), examples).section("images")
    wrong, right = page.with_class("card")
    assert "wrong" in wrong["class"].split()
    assert "right" in right["class"].split()
    marked = [bool(bar.with_class("mark")) for bar in wrong.with_class("bars")[0].all("li")]
    assert marked == [False, True]


def test_an_id_that_is_only_the_spelling_of_the_folder_is_not_shown() -> None:
    scores = (Score("living room", "living_room", 0.3, 0.6), Score("crane", "n1", 0.2, 0.4))
    card = photo_page([Prediction(scores)]).with_class("card")[0]
    assert [one.text for one in card.with_class("label")] == ["living room", "crane n1"]


def test_what_the_bars_do_not_say() -> None:
    known = prediction(None, GREEK)
    several = replace(known, labels=known.top[:2])
    rejected = replace(known, rejected="none of these: a wall")
    page = photo_page([known, several, rejected, explained(None, GREEK)])
    first, second, third, fourth = page.with_class("card")
    assert not first.with_class("said")
    assert second.with_class("said")[0].text == "Labels: alpha, beta"
    assert third.with_class("said")[0].text == "No label: none of these: a wall"
    assert len(fourth.with_class("side")) == 2
    example = Example(rejected, "alpha")
    [card] = page_of(bare_evaluation(), [example]).with_class("card")
    assert "wrong" in card["class"].split()


@pytest.mark.parametrize(
    ("classes", "more"), [(50, ""), (51, "and 1 more"), (2050, "and 2,000 more")]
)
def test_more_classes_than_an_image_has_bars(classes: int, more: str) -> None:
    scores = tuple(Score(f"class {number}", None, 0.1, 0.1) for number in range(classes))
    page = photo_page([Prediction(scores, labels=scores)])
    [card] = page.with_class("card")
    assert len(list(card.with_class("bars")[0].all("li"))) == 50
    assert [note.text for note in card.with_class("note")] == [more][: bool(more)]


def test_the_page_of_predictions(tmp_path: Path) -> None:
    photo = tmp_path / "photo.jpg"
    draw(64, 48).save(photo)
    predictions = [
        explained(photo, GREEK),
        Prediction(path="no.jpg", error="there is no such file"),
        prediction(None, GREEK),
    ]
    page = photo_page(predictions)
    first, second, third = page.with_class("card")
    assert len(first.with_class("side")) == 2
    assert not first.with_class("truth")
    assert not first.with_class("mark")
    assert second.with_class("problem")[0].text == "there is no such file"
    assert third.with_class("file")[0].text == "image 3"
    assert "left out" not in page.text


def test_more_predictions_than_a_page_holds() -> None:
    predictions = [prediction(None, GREEK)] * (MOST_IMAGES + 34)
    page = photo_page(predictions)
    assert len(page.with_class("card")) == MOST_IMAGES
    assert page.with_class("note")[0].text == (
        f"This page shows the first {MOST_IMAGES:,}; 34 more are left out."
    )
    page = photo_page(predictions[:10], total=5000)
    assert len(page.with_class("card")) == 10
    assert "4,990 more are left out" in page.with_class("note")[0].text
