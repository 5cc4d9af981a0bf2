import csv
import os
import re
from pathlib import Path

import pytest
import torch

from cupl.bank.model import ClassPrompts, PromptBank
from tests.cli.conftest import Cupl
from tests.cli.evaluate.files import ANIMALS, add_images, found, save_vectors
from tests.models import bank_of, draw, save_clip


def test_labels_of_no_class_are_listed_before_anything_runs(evaluate: Cupl, work: Path) -> None:
    add_images(work / "photos" / "tree_frogs", 2)
    add_images(work / "photos" / "[red]\x1b[31m", 1)
    # There is no such encoder: it is not even looked for.
    outcome = evaluate("--encoder", "./no", "-o", "out")
    assert outcome.code == 1
    assert outcome.out == ""
    assert outcome.err.splitlines() == [
        "2 labels mean no class of the bank:",
        "  'tree_frogs', nearly 'tree frog' (2 images)",
        r"  '[red]\x1b[31m' (1 image)",
        "error: rename these labels, add them to the bank as aliases, or leave their 3 images out "
        "with --skip-unmatched",
    ]
    assert not (work / "out").exists()
    outcome = evaluate("--skip-unmatched", "--controls", "none")
    assert outcome.code == 0
    assert "3 images left out\n" in outcome.err
    assert "21 images of 3 classes" in outcome.out


def test_many_wrong_labels_are_not_all_listed(evaluate: Cupl, work: Path) -> None:
    for i in range(40):
        add_images(work / "other" / f"ufo {i}", 1)
    outcome = evaluate("--encoder", "./no", "--skip-unmatched", data="other")
    assert outcome.code == 1
    assert outcome.err.count("ufo") == 10
    assert "40 labels mean no class of the bank:" in outcome.err
    assert "  and 30 more\nerror: no label means a class of the bank" in outcome.err


def test_a_name_that_two_classes_share(evaluate: Cupl, work: Path) -> None:
    cranes = [ClassPrompts(name="cat", id=id, prompts={"": [id]}) for id in ("n1", "n2")]
    PromptBank(name="two", classes=cranes).save("two.yaml")
    outcome = evaluate(bank="two.yaml")
    assert outcome.code == 1
    assert "'cat', may be any of 2 classes: cat (n1), cat (n2) (7 im" in outcome.err
    (work / "photos" / "cat").rename(work / "photos" / "n1")
    assert evaluate("--skip-unmatched", bank="two.yaml").code == 0


def test_images_beside_the_class_folders_are_told(evaluate: Cupl, work: Path) -> None:
    draw(8, 8).save(work / "photos" / "stray.png")
    (work / "photos" / "empty").mkdir()
    outcome = evaluate("--controls", "none")
    assert outcome.code == 0
    assert "1 image in photos itself, in no class folder: left out\n" in outcome.err
    assert "no image in the class folder 'empty'\n" in outcome.err


def test_a_csv(evaluate: Cupl, work: Path) -> None:
    rows = [f"photos/{name}/{i}.png,{name.upper()}" for name in ("cat", "dog") for i in range(3)]
    (work / "labels.csv").write_text("\n".join(["path,label", *rows]))
    assert evaluate("-o", "out", data="labels.csv").code == 0
    assert found()["images"] == 6
    assert [one["name"] for one in found()["contenders"][0]["classes"]] == ["cat", "dog"]


def test_vectors_of_cupl_embed(evaluate: Cupl, cupl: Cupl, clip: Path, work: Path) -> None:
    """Figures are those of the pictures themselves, and the encoder need not be named."""
    assert evaluate("-o", "out").code == 0
    assert cupl("embed", "photos", "-o", "v", "--encoder", clip).code == 0
    outcome = cupl("evaluate", "v", "--bank", "bank.yaml", "-o", "again")
    assert outcome.code == 0, outcome.err
    again, first = found("again"), found("out")
    for content in (again, first):
        del content["made_by"]  # the command and the data are others
    assert again == first
    assert (work / "again" / "predictions.csv").read_bytes() == (
        work / "out" / "predictions.csv"
    ).read_bytes()
    (work / "labels.csv").write_text("path,label\nphotos/cat/1.png,dog\nphotos/dog/1.png,dog\n")
    outcome = evaluate("--labels", "labels.csv", data="v")
    assert outcome.code == 1
    assert "  no label (19 images)\n" in outcome.err
    outcome = evaluate("--labels", "labels.csv", "--skip-unmatched", "-o", "some", data="v")
    assert outcome.code == 0
    assert found("some")["images"] == 2
    assert found("some")["classes_with_images"] == 1
    other = save_clip(work / "other", seed=1)
    outcome = evaluate("--encoder", other, data="v")
    assert outcome.code == 1
    assert "these image vectors were made by" in outcome.err


@pytest.mark.parametrize("folders", [{"cat": 1}, {"cat": 1, "dog": 5, "tree frog": 1}])
def test_classes_with_one_image(evaluate: Cupl, work: Path, folders: dict[str, int]) -> None:
    for seed, (name, number) in enumerate(folders.items()):
        add_images(work / "few" / name, number, seed)
    outcome = evaluate("-o", "out", data="few")
    assert outcome.code == 0, outcome.err
    evaluation = found()
    assert (evaluation["images"], evaluation["classes"]) == (sum(folders.values()), 3)
    assert evaluation["classes_with_images"] == len(folders)
    for one in evaluation["contenders"]:
        assert {entry["name"]: entry["images"] for entry in one["classes"]} == folders
        assert one["top5"] is None  # of three classes it would say nothing
        for figure in (one["top1"], one["per_class"]):
            assert 0 <= figure["low"] <= figure["value"] <= figure["high"] <= 1


def test_one_class(evaluate: Cupl, work: Path) -> None:
    bank_of({"cat": ANIMALS["cat"]}).save("one.yaml")
    add_images(work / "cats" / "cat", 20)
    outcome = evaluate("--encoder", "./no", data="cats", bank="one.yaml")
    assert outcome.code == 1
    assert "shuffled needs a bank of two classes or more" in outcome.err
    assert "two classes or more; or leave out the control 'shuffled'\n" in outcome.err
    outcome = evaluate(
        "--controls", "photo,names,random-words", "-o", "out", data="cats", bank="one.yaml"
    )
    assert outcome.code == 0, outcome.err
    assert [one["top1"]["value"] for one in found()["contenders"]] == [1] * 4


def test_a_thousand_classes(evaluate: Cupl, clip: Path, work: Path) -> None:
    bank_of({f"class {i}": [f"a {i} with the {i}"] for i in range(1000)}).save("many.yaml")
    vectors = torch.randn(2000, 16, generator=torch.Generator().manual_seed(0))
    save_vectors(work / "v", clip, [f"set/class_{i // 2}/{i}" for i in range(2000)], vectors)
    outcome = evaluate("--controls", "names", "-o", "out", data="v", bank="many.yaml")
    assert outcome.code == 0, outcome.err
    assert "2,000 images of 1,000 classes, 1,000 to choose from" in outcome.out
    assert [len(one["classes"]) for one in found()["contenders"]] == [1000, 1000]
    assert outcome.out.count("\n") < 40


def test_unreadable_images(evaluate: Cupl, work: Path) -> None:
    odd = os.fsdecode(b"caf\xe9 [red]\x1b.png")
    for i in range(12):
        (work / "photos" / "dog" / f"broken{i}.jpg").write_bytes(b"no image")
    (work / "photos" / "cat" / odd).write_bytes(b"")
    draw(8, 8, 77).save(work / "photos" / "cat" / os.fsdecode(b"\xff.png"))
    outcome = evaluate("-o", "out")
    assert outcome.code == 3
    assert "13 images of 35 could not be read:" in outcome.err
    assert r"photos/cat/caf\udce9 [red]\x1b.png: the file is empty" in outcome.err
    assert outcome.err.endswith("  and 3 more; evaluation.json says why\n")
    evaluation = found()
    assert evaluation["images"] == 22
    assert len(evaluation["unreadable"]) == 13
    assert evaluation["unreadable"][0] == {
        "path": f"photos/cat/{odd}", "error": "the file is empty"
    }  # fmt: skip
    assert b"photos/cat/\xff.png,cat," in (work / "out" / "predictions.csv").read_bytes()
    assert "22 images of 3 classes" in outcome.out


def test_no_image_can_be_read(evaluate: Cupl, work: Path) -> None:
    for image in (work / "photos").rglob("*.png"):
        image.write_bytes(b"no image")
    outcome = evaluate("-o", "out")
    assert outcome.code == 1
    assert "no image could be read; the first was photos/cat/0.png: " in outcome.err
    assert not (work / "out").exists()


def test_names_of_a_table_of_classify_are_read_as_they_were(
    evaluate: Cupl, cupl: Cupl, clip: Path, work: Path
) -> None:
    """Names that a spreadsheet would run are written with an apostrophe, and read without."""
    bank_of({"=SUM(A1)": ["a cat"], "-frog": ["a frog"], "'@dog": ["a dog"]}).save("odd.yaml")
    photos = [f"photos/cat/{i}.png" for i in range(7)]
    for i, photo in enumerate(photos[:3]):
        os.rename(photo, f"{'=-+'[i]}{i}.png")  # noqa: PTH104
    paths = ["=0.png", "-1.png", "+2.png", *photos[3:]]
    command = ["classify", "--bank", "odd.yaml", "--encoder", clip, "--top-k", 1]
    assert cupl(*command, "-o", "predictions.csv", "--", *paths).code == 0
    table = (work / "predictions.csv").read_text()
    assert not [line for line in table.splitlines() if re.search(r"(^|,)[=@+]|(^|,)-[^0-9]", line)]
    rows = [row[:2] for row in csv.reader(table.splitlines())]  # a person's own list is short
    (work / "labels.csv").write_text("\n".join(map(",".join, rows)))
    outcome = evaluate("-o", "out", "--controls", "none", data="labels.csv", bank="odd.yaml")
    assert outcome.code == 0, outcome.err
    [one] = found()["contenders"]
    assert (found()["images"], one["top1"]["value"]) == (7, 1)
    assert {entry["name"] for entry in one["classes"]} <= {"=SUM(A1)", "-frog", "'@dog"}
