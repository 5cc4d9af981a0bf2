import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from cupl.bank.model import PromptBank
from cupl.embedding.bank_encoding import encode_bank
from cupl.embedding.class_vectors import ClassVectors
from cupl.encoders.loading import load_encoder
from tests.cli.conftest import Cupl
from tests.cli.evaluate.files import ANIMALS, files_in, found, save_vectors
from tests.models import bank_of

WRITTEN = {
    "report.html", "evaluation.json", "predictions.csv", "summary.csv", "classes.csv",
    "comparisons.csv", "summary.md", "summary.tex", "confusion-animals.csv", "confusion-names.csv",
}  # fmt: skip


def test_the_table_names_every_candidate(evaluate: Cupl) -> None:
    outcome = evaluate()
    assert outcome.code == 0, outcome.err
    lines = outcome.out.splitlines()
    names = ["animals", "photo", "names", "random-words", "shuffled"]
    rows = [row for line in lines for row in [line.strip()] if row.split("  ")[0] in names]
    assert [row.split("  ")[0] for row in rows] == names
    assert sum(line.strip().startswith("3 draws") for line in lines) == 2
    assert "21 images of 3 classes, 3 to choose from" in outcome.out
    assert "In animals" in outcome.out
    assert "\\n" not in outcome.out
    assert max(map(len, rows)) <= 80
    assert "top-1 %" in outcome.out
    assert "top-5 %" not in outcome.out
    assert "“animals” gets " in outcome.out
    assert "No temperature was fitted: a temperature is fitted on half of at least" in outcome.out
    assert outcome.err.count("images: ") == 10
    assert "wrote" not in outcome.err


def test_json_and_page_name_what_made_them(evaluate: Cupl, clip: Path) -> None:
    assert evaluate("-o", "out", "--controls", "names", "--pooling", "mean").code == 0
    made_by = json.loads(Path("out/evaluation.json").read_bytes())["made_by"]
    command = (
        f"cupl evaluate photos --bank bank.yaml --encoder {clip} -o out --controls names "
        "--pooling mean"
    )
    bank, encoder = PromptBank.load("bank.yaml"), load_encoder(str(clip))
    assert made_by["command"] == command
    assert made_by["banks"][0]["digest"] == bank.digest
    assert made_by["encoders"][0]["fingerprint"] == encoder.fingerprint
    assert (made_by["data"][0]["path"], made_by["data"][0]["images"]) == ("photos", 21)
    assert (made_by["pooling"], made_by["controls"]) == (["mean"], ["names"])
    page = Path("out/report.html").read_text()
    assert f"<code>{command}</code>" in page
    assert made_by["date"] in page


def test_a_directory_is_written(
    evaluate: Cupl, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    outcome = evaluate("-o", "out", "--controls", "names")
    assert outcome.code == 0, outcome.err
    assert outcome.err.endswith("wrote out: open out/report.html\n")
    written = files_in("out")
    assert {name for name in written if os.sep not in name} == WRITTEN
    assert any(name.startswith("figures" + os.sep) for name in written)
    assert all(written.values())
    (work / "out" / "mine.txt").write_text("kept")
    assert evaluate("-o", "out", "--controls", "names").code == 0
    assert files_in("out") == written | {"mine.txt": b"kept"}


def test_what_another_wrote_is_kept_and_what_this_run_does_not_write_goes(
    evaluate: Cupl, near: Path, work: Path
) -> None:
    assert evaluate("-o", "out", "--controls", "names", data=near).code == 0
    assert (work / "out" / "figures" / "reliability.svg").exists()
    predicted = "path,label,id,score,probability,error\na.png,cat,,0.1,0.2,\n"
    (work / "out" / "predictions.csv").write_text(predicted)
    (work / "out" / "figures" / "mine.svg").write_text("mine")
    outcome = evaluate("-o", "out", "--controls", "names")
    assert outcome.code == 0, outcome.err
    assert "predictions.csv held something else: kept as" in outcome.err
    assert (work / "out" / "predictions.csv.old").read_text() == predicted
    assert not (work / "out" / "figures" / "reliability.svg").exists()
    assert (work / "out" / "figures" / "mine.svg").read_text() == "mine"
    assert outcome.err.count("kept as") == 1
    assert "kept as" not in evaluate("-o", "out", "--controls", "names").err


def test_calibrated_vectors_have_the_temperature(
    evaluate: Cupl, cupl: Cupl, clip: Path, work: Path, near: Path
) -> None:
    options = ("--calibrated", "v.safetensors", "-o", "out", "--controls", "none")
    outcome = evaluate(*options, data=near)
    assert outcome.code == 0, outcome.err
    fitted = found()["contenders"][0]["calibration"]["temperature"]
    vectors = ClassVectors.load("v.safetensors")
    assert vectors.provenance.temperature == fitted != 1
    assert vectors.provenance.bank == "animals"
    assert f"wrote v.safetensors: class vectors of animals, temperature {fitted:.3g}" in outcome.err
    assert evaluate(*options, data=near).code == 0
    assert not (work / "v.safetensors.old").exists()  # the same vectors
    plain = encode_bank(PromptBank.load("bank.yaml"), load_encoder(str(clip)))
    assert torch.equal(vectors.matrix, plain.matrix)
    command = ["classify", "photos/cat", "--encoder", clip, "-o"]
    assert cupl(*command, "warm.jsonl", "--vectors", "v.safetensors").code == 0
    assert cupl(*command, "cold.jsonl", "--bank", "bank.yaml").code == 0
    warm, cold = (
        [json.loads(line) for line in (work / name).read_text().splitlines()]
        for name in ("warm.jsonl", "cold.jsonl")
    )
    for one, other in zip(warm, cold, strict=True):
        powers = np.array([top["probability"] for top in other["top"]]) ** (1 / fitted)
        expected = powers / powers.sum()
        assert [top["probability"] for top in one["top"]] == pytest.approx(expected, rel=1e-3)


def test_few_images_are_too_few_to_calibrate(evaluate: Cupl, work: Path) -> None:
    outcome = evaluate("--calibrated", "v.safetensors", "-o", "out")
    assert outcome.code == 1
    assert "half of at least 40 images, and there are 21: leave out --calibrated" in outcome.err
    assert not any((work / name).exists() for name in ("v.safetensors", "out"))
    assert evaluate("-o", "out").code == 0
    bank = found()["contenders"][0]
    assert bank["calibration"] is None
    assert bank["uncalibrated"].endswith("half of at least 40 images, and there are 21")


def test_a_temperature_at_the_end_of_its_range_is_refused_by_name(
    evaluate: Cupl, clip: Path, work: Path
) -> None:
    centres = encode_bank(PromptBank.load("bank.yaml"), load_encoder(str(clip))).matrix
    names = [f"set/{('cat', 'dog', 'tree_frog')[i % 3]}/{i}.png" for i in range(42)]
    save_vectors(work / "v", clip, names, centres.repeat(14, 1))
    options = ("--controls", "photo", "-o", "out")
    outcome = evaluate(*options, "--calibrated", "v.safetensors", data="v")
    assert outcome.code == 1
    assert "100.0" in outcome.out  # the evaluation itself is there
    assert (work / "out" / "report.html").exists()
    assert "error: 'animals' has no temperature: the temperature would be at the" in outcome.err
    assert "lower end of its range, 0.01: every image is right" in outcome.err
    assert not (work / "v.safetensors").exists()
    assert evaluate(*options, data="v").code == 0


def test_other_vectors_in_the_place_of_calibrated_ones_are_kept(
    evaluate: Cupl, clip: Path, near: Path
) -> None:
    bank = PromptBank.load("bank.yaml")
    encode_bank(bank, load_encoder(str(clip)), templates=["a {}."]).save("v.safetensors")
    before = Path("v.safetensors").read_bytes()
    outcome = evaluate("--calibrated", "v.safetensors", "--controls", "none", data=near)
    assert outcome.code == 0, outcome.err
    assert Path("v.safetensors.old").read_bytes() == before
    assert "v.safetensors held something else: kept as v.safetensors.old" in outcome.err


def test_templates_are_those_of_the_calibrated_vectors(
    evaluate: Cupl, cupl: Cupl, near: Path
) -> None:
    options = ("--templates", "photo", "--calibrated", "v.safetensors")
    assert evaluate(*options, data=near).code == 0
    provenance = ClassVectors.load("v.safetensors").provenance
    assert provenance.templates == ("a photo of a {}.",)
    asked = ("--vectors", "v.safetensors", "--bank", "bank.yaml", "--explain")
    outcome = cupl("classify", "photos/cat/0.png", *asked)
    assert outcome.code == 0
    assert "a photo of a cat." in outcome.out


def test_banks_of_one_name_are_called_by_their_files(evaluate: Cupl, work: Path) -> None:
    bank_of(ANIMALS).save("new.yaml")
    assert evaluate("--bank", "new.yaml", "--controls", "none", "-o", "out").code == 0
    assert [one["name"] for one in found()["contenders"]] == ["bank", "new"]


def test_controls_are_chosen(evaluate: Cupl, work: Path) -> None:
    (work / "mine.yaml").write_text("format: cupl-templates/1\nname: mine\ntemplates: ['a {}']\n")
    assert evaluate("--controls", " mine.yaml ,shuffled,", "--seeds", 2, "-o", "out").code == 0
    evaluation = found()
    assert evaluation["reference"] == "mine"
    made = [(one["name"], one["kind"], one["seeds"]) for one in evaluation["contenders"]]
    assert made == [("animals", "bank", 1), ("mine", "control", 1), ("shuffled", "control", 2)]


def test_no_controls(evaluate: Cupl) -> None:
    outcome = evaluate("--controls", "none", "-o", "out")
    assert outcome.code == 0, outcome.err
    assert "photo" not in outcome.out
    evaluation = found()
    assert evaluation["reference"] is None
    assert [one["name"] for one in evaluation["contenders"]] == ["animals"]
    assert evaluation["analyses"][0]["losses"] == []


def test_two_banks(evaluate: Cupl, work: Path) -> None:
    turned = dict(reversed(ANIMALS.items())) | {"owl": ["An owl."]}
    bank_of({name.upper(): texts for name, texts in turned.items()}, "other").save("other.yaml")
    outcome = evaluate("--bank", "other.yaml", "-o", "out", "--controls", "photo")
    assert outcome.code == 0, outcome.err
    one, other = found()["contenders"][:2]
    assert (one["name"], other["name"]) == ("animals", "other")
    # The same prompts in another order and under other names.
    for key in ("top1", "per_class", "confusions", "classes", "prompts"):
        assert one[key] == other[key]
    assert "In animals" in outcome.out
    assert "In other" in outcome.out


def test_templates_and_pooling_reach_the_vectors(evaluate: Cupl, near: Path) -> None:
    options = ["--templates", "photo", "--pooling", "similarity", "--controls", "none"]
    options += ["--calibrated", "v.safetensors", "-o", "out"]
    assert evaluate(*options, data=near).code == 0
    assert found()["contenders"][0]["prompts"] == pytest.approx(7 / 3 + 1)
    vectors = ClassVectors.load("v.safetensors")
    assert vectors.provenance.pooling == "similarity"
    assert (vectors.matrix.norm(dim=1) < 1).all()


def test_each_bank_stands_in_the_table_with_each_pooling(evaluate: Cupl, near: Path) -> None:
    usual = ["--controls", "photo,random-words", "-o", "out"]
    assert evaluate(*usual, data=near).code == 0
    alone = found()["contenders"]
    both = ["--pooling", "normalized-mean", "--pooling", "top", "--pooling", "top"]
    outcome = evaluate(*usual, *both, data=near)
    assert outcome.code == 0, outcome.err
    assert "In animals, top" in outcome.out
    first, top, *controls = found()["contenders"]
    assert [one["name"] for one in (first, top, *controls)] == [
        "animals", "animals, top", "photo", "random-words",
    ]  # fmt: skip
    assert first["top1"] == alone[0]["top1"]
    assert [one["top1"] for one in controls] == [one["top1"] for one in alone[1:]]
    # Two banks are two statements, each a little harder to show.
    for one, before in zip(first["comparisons"], alone[0]["comparisons"], strict=True):
        assert one["p"] == before["p"]
        assert one["p_holm"] >= before["p_holm"]
    evaluate(*usual, "--pooling", "top", data=near)
    assert found()["contenders"][0]["top1"] == top["top1"]


def test_some_classes_are_judged_alone(evaluate: Cupl) -> None:
    """As a bank of these would be, and without the images of others."""
    outcome = evaluate("--classes", "tree frog,cat", "--controls", "names", "-o", "out")
    assert outcome.code == 0, outcome.err
    assert "14 images of 2 classes, 2 to choose from" in outcome.out
    assert "7 images of other classes left out\n" in outcome.err
    some = Path("some.yaml")
    PromptBank.load("bank.yaml").select(["tree frog", "cat"]).save(some)
    alone = evaluate("--skip-unmatched", "--controls", "names", "-o", "alone", bank=some)
    assert alone.code == 0, alone.err
    some_of, whole = found("out"), found("alone")
    assert some_of.pop("made_by") != whole.pop("made_by")
    assert some_of == whole


def test_a_label_of_no_class_is_still_told(evaluate: Cupl, work: Path) -> None:
    (work / "photos" / "dog").rename(work / "photos" / "ufo")
    outcome = evaluate("--classes", "cat,tree frog")
    assert outcome.code == 1
    assert "'ufo' (7 images)" in outcome.err


def test_classes_without_an_image(evaluate: Cupl, work: Path) -> None:
    bank_of({**ANIMALS, "newt": ["A newt."]}).save(work / "more.yaml")
    outcome = evaluate("--classes", "newt", "--controls", "none", bank="more.yaml")
    assert outcome.code == 1
    assert outcome.err.endswith("no image is of the classes that were chosen (--classes)\n")
