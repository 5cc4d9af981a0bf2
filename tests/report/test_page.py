import base64
import hashlib
from itertools import pairwise
from pathlib import Path

from cupl.evaluation.schema import Comparison, UnreadableImage
from cupl.report.page import report_page
from tests.models import draw
from tests.report.evaluations import (
    GREEK,
    HOSTILE,
    analysis,
    bare_evaluation,
    candidate,
    compared,
    evaluation,
    example,
    hostile_evaluation,
)
from tests.report.pages import page_of, parse, rows


def p_of(compared: Comparison) -> float | str:
    return "" if compared.p_holm is None else compared.p_holm


def test_numbers_of_the_page_are_those_of_the_evaluation() -> None:
    found = evaluation()
    page = page_of(found)
    summary, _ = page.section("accuracy").all("table")
    for cells, one in zip(rows(summary), found.candidates, strict=True):
        assert cells[0].text == one.name
        values = [cell["data-value"] for cell in cells[2:]]
        assert one.top5 is not None
        compared = one.comparison
        assert values == [
            str(number)
            for number in (
                one.prompts,
                one.top1.value,
                one.top5.value,
                one.per_class and one.per_class.value,
                *(
                    ("", "", "")
                    if compared is None
                    else (compared.difference.value, compared.won - compared.lost, p_of(compared))
                ),
            )
        ]
    questions, prompts, drops = page.section("bank").all("table")
    [analysed] = found.analyses
    for cells, effect in zip(rows(questions), analysed.questions, strict=True):
        assert cells[0].text == effect.question
        assert float(cells[3]["data-value"]) == effect.top1_without
        assert float(cells[4]["data-value"]) == effect.comparison.difference.value
        assert float(cells[7]["data-value"]) == effect.comparison.p_holm
    for cells, prompt in zip(rows(prompts), analysed.misleading, strict=True):
        assert (cells[0].text, cells[1].text) == (prompt.prompt, prompt.name)
        assert (int(cells[2].text), float(cells[3]["data-value"])) == (prompt.images, prompt.margin)
    for cells, drop in zip(rows(drops), analysed.drops, strict=True):
        assert [float(cell["data-value"]) for cell in cells[1:4]] == [20, drop.bank, drop.control]
    [classes] = page.section("classes").all("table")
    for place, cells in enumerate(rows(classes)):
        expected = [one.classes[place].accuracy for one in found.candidates]
        assert [float(cell["data-value"]) for cell in cells[2:]] == expected
    [confusions] = page.section("confusions").all("table")
    for cells, confused in zip(rows(confusions), found.candidates[0].confusions, strict=True):
        assert [cell.text for cell in cells[:3]] == [
            confused.truth,
            confused.predicted,
            str(confused.images),
        ]


def test_every_bank_stands_against_every_control() -> None:
    found = evaluation()
    _, comparisons = page_of(found).section("accuracy").all("table")
    for cells, one in zip(rows(comparisons), found.candidates[0].comparisons, strict=True):
        assert [cell.text for cell in cells[:2]] == ["my bank", one.to]
        assert float(cells[2]["data-value"]) == one.difference.value
        assert [cell["data-value"] for cell in cells[4:6]] == [str(one.p), str(one.p_holm)]
        assert cells[6].text == one.outcome


def test_how_numbers_are_written() -> None:
    page = page_of(evaluation())
    summary, comparisons = page.section("accuracy").all("table")
    assert [cell.text for cell in rows(comparisons)[0][2:]] == [
        "+3.1 +1.1 to +5.1", "41 : 17", "0.002", "0.004", "better",
    ]  # fmt: skip
    bank, template, words = ([cell.text for cell in cells] for cells in rows(summary))
    assert bank[2:4] == ["28.53", "74.2 71.2–77.2"]
    assert bank[6:] == ["+3.1 +1.1 to +5.1", "41 : 17", "0.004"]
    assert template[6:] == ["–", "–", "–"]
    assert words[1] == "control, 5 draws"
    assert words[6].startswith("−1.1 −3.1 to +0.9")
    questions = next(page.section("bank").all("table"))
    assert [cells[8].text for cells in rows(questions)] == ["better", "no"]


def test_below_six_classes_there_is_no_top5() -> None:
    found = evaluation()
    few = [one.model_copy(update={"top5": None}) for one in found.candidates]
    summary = next(
        page_of(found.model_copy(update={"candidates": few})).section("accuracy").all("table")
    )
    heads = [one.text for one in summary.all("th")]
    assert "Top-1" in heads
    assert "Top-5" not in heads
    assert {len(cells) for cells in rows(summary)} == {len(heads)} == {8}


def test_a_class_that_one_contender_lacks() -> None:
    found = evaluation()
    bank, *controls = found.candidates
    fewer = bank.model_copy(update={"classes": bank.classes[1:]})
    page = page_of(found.model_copy(update={"candidates": [fewer, *controls]}))
    [table] = page.section("classes").all("table")
    by_name = {cells[0].text: cells for cells in rows(table)}
    assert by_name["alpha"][2].text == "–"
    assert by_name["alpha"][2]["data-value"] == ""
    assert float(by_name["alpha"][3]["data-value"]) == controls[0].classes[0].accuracy


def test_two_classes_of_one_name_keep_their_rows() -> None:
    found = evaluation(["missile", "missile"], control=None)
    [bank] = found.candidates
    classes = [one.model_copy(update={"id": f"n{place}"}) for place, one in enumerate(bank.classes)]
    bank = bank.model_copy(update={"classes": classes})
    page = page_of(found.model_copy(update={"candidates": [bank]}))
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
    for said in ("one question only", "No prompt draws", "no reference to do worse than"):
        assert said in bank


def test_an_evaluation_of_nothing() -> None:
    empty = bare_evaluation().model_copy(update={"candidates": [], "analyses": []})
    page = page_of(empty)
    assert "No bank was evaluated." in page.text


def test_two_banks_have_all_their_parts() -> None:
    found = evaluation()
    worse = compared(-0.05, p_holm=0.0042)
    other = candidate("other", GREEK, comparison=worse, comparisons=[worse], top1=0.66)
    found = found.model_copy(
        update={
            "candidates": [found.candidates[0], other, *found.candidates[1:]],
            "analyses": [*found.analyses, analysis("other", GREEK, [])],
        }
    )
    page = page_of(found)
    assert [one.text.split(": ")[1].split(" (")[0] for one in page.with_class("verdict")] == [
        "better than “random-words”",
        "worse than “template”",
    ]
    assert [one["class"] for one in page.with_class("verdict")] == [
        "verdict better",
        "verdict worse",
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


def test_a_table_is_whole_up_to_60_rows_and_says_so_beyond() -> None:
    for number in (60, 61):
        bad = [UnreadableImage(path=f"{i}.png", error="cut short") for i in range(number)]
        page = page_of(evaluation().model_copy(update={"unreadable": bad}))
        long = page.with_class("long")
        assert len(long) == (number > 60)
        assert ("61 rows; scroll down in the table for all" in page.text) == (number > 60)


def test_what_makes_figures_less_alike_is_told() -> None:
    told = "The controls use the names of “a”; “b” calls 15 of 15 classes otherwise."
    assert told in page_of(evaluation().model_copy(update={"remarks": [told]})).text
