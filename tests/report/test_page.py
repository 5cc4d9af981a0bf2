import base64
import hashlib
import io
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from PIL import Image

from cupl.classification.prediction import Prediction, Score
from cupl.evaluation.schema import Evaluation
from cupl.report.examples import Example
from cupl.report.page import MOST_IMAGES, predictions_page, report_page
from cupl.report.photos import SIDE
from tests.models import draw
from tests.report.evaluations import (
    GREEK,
    HOSTILE,
    analysis,
    bare_evaluation,
    compared,
    contender,
    evaluation,
    example,
    explained,
    hostile_evaluation,
    prediction,
)
from tests.report.pages import Element, parse, rows


def page_of(found: Evaluation, examples: Sequence[Example] = ()) -> Element:
    return parse(report_page(found, examples))


def test_numbers_of_the_page_are_those_of_the_evaluation() -> None:
    found = evaluation()
    page = page_of(found)
    [summary] = page.section("accuracy").all("table")
    for cells, one in zip(rows(summary), found.contenders, strict=True):
        assert cells[0].text == one.name
        values = [cell["data-value"] for cell in cells[2:]]
        compared = one.comparison
        assert values == [
            str(number)
            for number in (
                one.prompts,
                one.top1.value,
                one.top5.value,
                one.per_class.value,
                *(
                    ("", "", "")
                    if compared is None
                    else (compared.difference.value, compared.won - compared.lost, compared.p)
                ),
            )
        ]
    questions, pulls, losses = page.section("bank").all("table")
    [analysed] = found.analyses
    for cells, effect in zip(rows(questions), analysed.questions, strict=True):
        assert cells[0].text == effect.question
        assert float(cells[3]["data-value"]) == effect.top1_without
        assert float(cells[4]["data-value"]) == effect.comparison.difference.value
    for cells, pull in zip(rows(pulls), analysed.pulls, strict=True):
        assert (cells[0].text, cells[1].text) == (pull.prompt, pull.name)
        assert (int(cells[2].text), float(cells[3]["data-value"])) == (pull.images, pull.margin)
    for cells, loss in zip(rows(losses), analysed.losses, strict=True):
        assert [float(cell["data-value"]) for cell in cells[1:4]] == [20, loss.bank, loss.control]
    [classes] = page.section("classes").all("table")
    for place, cells in enumerate(rows(classes)):
        expected = [one.classes[place].accuracy for one in found.contenders]
        assert [float(cell["data-value"]) for cell in cells[2:]] == expected
    [confusions] = page.section("confusions").all("table")
    for cells, confused in zip(rows(confusions), found.contenders[0].confusions, strict=True):
        assert [cell.text for cell in cells[:3]] == [
            confused.truth,
            confused.predicted,
            str(confused.images),
        ]


def test_how_numbers_are_written() -> None:
    page = page_of(evaluation())
    [summary] = page.section("accuracy").all("table")
    bank, template, words = ([cell.text for cell in cells] for cells in rows(summary))
    assert bank[2:4] == ["28.53", "74.2 71.2–77.2"]
    assert bank[6:] == ["+3.1 +1.1 to +5.1", "41 : 17", "0.002"]
    assert template[6:] == ["–", "–", "–"]
    assert words[1] == "control, 5 seeds"
    assert words[6].startswith("−1.1 −3.1 to +0.9")


def test_a_class_that_one_contender_lacks() -> None:
    found = evaluation()
    bank, *controls = found.contenders
    fewer = bank.model_copy(update={"classes": bank.classes[1:]})
    page = page_of(found.model_copy(update={"contenders": [fewer, *controls]}))
    [table] = page.section("classes").all("table")
    by_name = {cells[0].text: cells for cells in rows(table)}
    assert by_name["alpha"][2].text == "–"
    assert by_name["alpha"][2]["data-value"] == ""
    assert float(by_name["alpha"][3]["data-value"]) == controls[0].classes[0].accuracy


def test_two_classes_of_one_name_keep_their_rows() -> None:
    found = evaluation(["missile", "missile"], control=None)
    [bank] = found.contenders
    classes = [one.model_copy(update={"id": f"n{place}"}) for place, one in enumerate(bank.classes)]
    bank = bank.model_copy(update={"classes": classes})
    page = page_of(found.model_copy(update={"contenders": [bank]}))
    [table] = page.section("classes").all("table")
    assert [cells[0].text for cells in rows(table)] == ["missile n0", "missile n1"]


def test_hostile_texts_are_texts(tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    draw(40, 30).save(photo)
    examples = [
        example(photo, HOSTILE[0], HOSTILE[:5]),
        example(HOSTILE[1] + HOSTILE[9], HOSTILE[9], HOSTILE[5:10]),
    ]
    page = page_of(hostile_evaluation(), examples)
    assert len(list(page.all("script"))) == len(list(page.all("style"))) == 1
    for element in page.all("*"):
        assert not any(name.startswith("on") or name == "style" for name in element.attributes)
        for name in ("src", "srcset", "href"):
            if name in element.attributes:
                assert element[name].startswith(("data:", "#"))
    [classes] = page.section("classes").all("table")
    shown = [cells[0].text for cells in rows(classes)]
    assert shown[:6] == list(HOSTILE[:6])
    assert shown[6] == "gpj.\\u202eexe reversed"
    assert shown[9] == "a b c\\x00d\\x1b[31m\\udce9"
    assert len(shown[11]) == 500


def test_the_policy_names_the_very_style_and_script() -> None:
    page = page_of(bare_evaluation())
    [policy] = [one["content"] for one in page.all("meta") if "http-equiv" in one.attributes]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    for tag in ("style", "script"):
        [element] = page.all(tag)
        [content] = element.children
        assert isinstance(content, str)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert rules[f"{tag}-src"] == f"'sha256-{digest}'"


def test_headings_descend_by_one_and_tables_have_captions() -> None:
    page = page_of(evaluation(), [example("gone.jpg", "alpha", GREEK)])
    levels = [int(one.tag[1]) for one in page.all("*") if one.tag in ("h1", "h2", "h3", "h4")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(below - above <= 1 for above, below in pairwise(levels))
    assert all(next(table.all("caption")).text for table in page.all("table"))
    assert all(image["alt"] for image in page.all("img"))
    [html] = page.all("html")
    assert html["lang"] == "en"


def test_nothing_to_compare_with_and_nothing_found() -> None:
    page = page_of(bare_evaluation())
    assert "There is no control" in page.with_class("verdict")[0].text
    assert "too few images" in page.section("confidence").text
    assert "No image was given a wrong class." in page.section("confusions").text
    bank = page.section("bank").text
    for said in ("one question only", "No prompt draws", "no control to lose against"):
        assert said in bank


def test_an_evaluation_of_nothing() -> None:
    empty = bare_evaluation().model_copy(update={"contenders": [], "analyses": []})
    page = page_of(empty)
    assert "No bank was evaluated." in page.text


def test_two_banks_have_all_their_parts() -> None:
    found = evaluation()
    other = contender("other", GREEK, comparison=compared(-0.05), top1=0.66)
    found = found.model_copy(
        update={
            "contenders": [found.contenders[0], other, *found.contenders[1:]],
            "analyses": [*found.analyses, analysis("other", GREEK, [])],
        }
    )
    page = page_of(found)
    assert [one.text.split(":")[0] for one in page.with_class("verdict")] == [
        "“my bank” does better than “template”",
        "“other” does worse than “template”",
    ]
    assert [one.text for one in page.section("confusions").all("h3")] == ["my bank", "other"]


def test_a_thousand_classes_stay_small_and_folded() -> None:
    names = [f"class {number}" for number in range(1000)]
    html = report_page(evaluation(names))
    assert len(html) < 1_500_000
    page = parse(html)
    [details] = page.section("classes").all("details")
    assert "open" not in details.attributes
    assert "1,000" in next(details.all("summary")).text
    assert len(rows(next(details.all("table")))) == 1000


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
        "Prompts for it",
        "Prompts against it",
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


def test_what_the_bars_do_not_say() -> None:
    known = prediction(None, GREEK)
    several = replace(known, labels=known.top[:2])
    rejected = replace(known, rejected="none of these: a wall")
    page = parse(predictions_page([known, several, rejected, explained(None, GREEK)]))
    first, second, third, fourth = page.with_class("card")
    assert not first.with_class("said")
    assert second.with_class("said")[0].text == "Labels: alpha, beta"
    assert third.with_class("said")[0].text == "No label: none of these: a wall"
    assert len(fourth.with_class("side")) == 2
    example = Example(rejected, "alpha")
    [card] = page_of(bare_evaluation(), [example]).with_class("card")
    assert "wrong" in card["class"].split()


def test_the_page_of_predictions(tmp_path: Path) -> None:
    photo = tmp_path / "photo.jpg"
    draw(64, 48).save(photo)
    predictions = [
        explained(photo, GREEK),
        Prediction(path="no.jpg", error="there is no such file"),
        prediction(None, GREEK),
    ]
    page = parse(predictions_page(predictions))
    first, second, third = page.with_class("card")
    assert len(first.with_class("side")) == 2
    assert not first.with_class("truth")
    assert not first.with_class("mark")
    assert second.with_class("problem")[0].text == "there is no such file"
    assert third.with_class("file")[0].text == "image 3"
    assert not page.with_class("note")


def test_more_predictions_than_a_page_holds() -> None:
    predictions = [prediction(None, GREEK)] * (MOST_IMAGES + 34)
    page = parse(predictions_page(predictions))
    assert len(page.with_class("card")) == MOST_IMAGES
    assert page.with_class("note")[0].text == (
        f"This page shows the first {MOST_IMAGES}; 34 more are left out."
    )
    page = parse(predictions_page(predictions[:10], total=5000))
    assert len(page.with_class("card")) == 10
    assert "4,990 more are left out" in page.with_class("note")[0].text
