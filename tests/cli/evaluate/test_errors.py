import csv
import os
from pathlib import Path

import pytest

from cupl.bank.model import ClassPrompts, PromptBank
from cupl.evaluation import candidates, controls
from tests.cli.conftest import Cupl, interrupted_at_two
from tests.cli.evaluate.files import ANIMALS, files_in
from tests.models import bank_of

HOSTILE = "[red]bold[/red] <b>&amp; </script>"


def test_hostile_names_are_only_text(evaluate: Cupl, work: Path) -> None:
    question, prompt = f"{HOSTILE}?\x1b[2J", "a\x1b]0;title\x07 \u202e cat [link=x]y[/link]\n"
    classes = [
        ClassPrompts(name=HOSTILE, prompts={question: [prompt] * 2, "x": ["y"]}),
        ClassPrompts(name="dog [/]", prompts={question: [prompt + "dog"]}),
    ]
    PromptBank(name="[blue]\x1b[31m\r\nbank", classes=classes).save("hostile.yaml")
    (work / "labels.csv").write_text(
        "path,label\n" + "".join(f'photos/{name}/{i}.png,"{label}"\n' for i in range(7)
        for name, label in (("cat", HOSTILE), ("dog", "dog [/]"), ("tree_frog", HOSTILE)))
    )  # fmt: skip
    outcome = evaluate("-o", "out", data="labels.csv", bank="hostile.yaml")
    assert outcome.code == 0, outcome.err
    assert r"[blue]\x1b[31m\r\nbank" in outcome.out
    for text in (outcome.out, outcome.err):
        assert not [char for char in text if not char.isprintable() and char != "\n"]
    page = (work / "out" / "report.html").read_text("utf-8")
    assert "<b>&amp; </script>" not in page
    assert "\x1b" not in page
    with (work / "out" / "predictions.csv").open(newline="") as file:
        labels = {row["label"] for row in csv.DictReader(file)}
    assert labels == {HOSTILE, "dog [/]"}


def test_ctrl_c_while_images_are_encoded(
    evaluate: Cupl, work: Path, near: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path.name for path in work.iterdir()}
    monkeypatch.setattr("cupl.cli.evaluate_grid.progress", interrupted_at_two)
    outcome = evaluate("-o", "out", "--controls", "none")
    assert outcome.code == 130
    assert outcome.out == ""
    assert "Traceback" not in outcome.err
    assert outcome.err.endswith("interrupted\n")
    assert {path.name for path in work.iterdir()} == before


@pytest.mark.parametrize("moment", [0, 1, 5])
def test_ctrl_c_while_results_are_written(
    evaluate: Cupl, work: Path, near: Path, monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    options = ["--controls", "names", "--calibrated", work / "v.safetensors"]
    assert evaluate(*options, "-o", "whole", data=near).code == 0
    (work / "v.safetensors").unlink()
    times, sync = 0, os.fsync

    def press(descriptor: int) -> None:
        nonlocal times
        if times == moment:
            raise KeyboardInterrupt
        times += 1
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", press)
    outcome = evaluate(*options, "-o", "out", data=near)
    assert (outcome.code, outcome.err.splitlines()[-1]) == (130, "interrupted")
    assert not (work / "out").exists() or not files_in("out")  # whole or not at all


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["photos"], 2, "--bank"),
        (["--bank", "bank.yaml"], 2, "data"),
        (["no", "--bank", "bank.yaml"], 1, "no: no such file or folder"),
        (["photos", "--bank", "no.yaml"], 1, "no.yaml: no such file"),
        (["photos", "--bank", "photos"], 1, "photos is a folder, not a prompt bank"),
        (["photos", "--bank", "bank.yaml", "--bank", "small.yaml"], 1, "has no class 'tree frog'"),
        (["photos", "--bank", "bank.yaml", "--bank", "bank.yaml"], 1, "are named 'bank'"),
        (["photos", "--bank", "photo.yaml"], 1, "two banks or controls are named 'photo'"),
        (["bank.yaml", "--bank", "bank.yaml"], 1, "bank.yaml is a prompt bank, not labels"),
        (["photos/cat", "--bank", "bank.yaml"], 1, "has a folder for each class; this has none"),
        (["photos/cat/1.png", "--bank", "bank.yaml"], 1, "is an image"),
        (["photos", "--bank", "bank.yaml", "--labels", "x.csv"], 1, "no vectors that cupl embed"),
        (["photos", "--bank", "bank.yaml", "--controls", "phot"], 1, "no control is called 'phot'"),
        (["photos", "--bank", "bank.yaml", "--controls", "none,x"], 1, "is called 'none'"),
        (
            ["photos", "--bank", "bank.yaml", "--controls", "photos"],
            1,
            "or leave out the control 'photos'",
        ),
        (["photos", "--bank", "bank.yaml", "--seeds", "0"], 2, "seeds"),
        (["photos", "--bank", "bank.yaml", "--pooling", "max"], 2, "max"),
        (["photos", "--bank", "bank.yaml", "--templates", "no.yaml"], 1, "no such templates file"),
        (["photos", "--bank", "bank.yaml", "-o", "bank.yaml"], 1, "it is not a folder"),
        (
            ["photos", "--bank", "bank.yaml", "-o", "photos/cat/1.png"],
            1,
            "it lies in photos, which is read",
        ),
        (["photos", "--bank", "bank.yaml", "-o", "no/out"], 1, "the folder no does not exist"),
        (["photos", "--bank", "bank.yaml", "-o", "./photos"], 1, "also what is read"),
        (["photos", "--bank", "bank.yaml", "--calibrated", "bank.yaml"], 1, "also what is read"),
        (["photos", "--bank", "bank.yaml", "--calibrated", "no/v"], 1, "folder no does not exist"),
        (["photos", "--bank", "bank.yaml", "--calibrated", "photos"], 1, "it is a folder"),
        (["photos", "--bank", "bank.yaml", "--device", "tpu"], 1, "tpu"),
        (["photos", "--bank", "bank.yaml"], 1, "no-encoder"),
    ],
)
def test_wrong_arguments(
    cupl: Cupl, work: Path, arguments: list[str], code: int, message: str
) -> None:
    bank_of({"cat": ["A cat."], "dog": ["A dog."]}, "small").save("small.yaml")
    bank_of(ANIMALS, "photo").save("photo.yaml")
    before = files_in(work)
    outcome = cupl("evaluate", *arguments, "--encoder", "./no-encoder")
    assert outcome.code == code
    assert message in outcome.err
    assert outcome.out == ""
    assert files_in(work) == before


def test_calibrated_vectors_never_take_the_place_of_labels(evaluate: Cupl, work: Path) -> None:
    (work / "labels.csv").write_text("path,label\nphotos/cat/1.png,cat\n")
    outcome = evaluate("--calibrated", "./labels.csv", data="labels.csv")
    assert outcome.code == 1
    assert "it is also what is read" in outcome.err


def test_defaults_are_those_of_the_library(cupl: Cupl) -> None:
    text = " ".join(cupl("evaluate", "--help").out.split())
    assert ",".join(controls.CONTROLS) in text
    assert f"[default: {candidates.DRAWS}; 1<=x<=100]" in text


@pytest.mark.parametrize("option", ["-o", "--calibrated"])
def test_results_keep_out_of_the_data(option: str, cupl: Cupl, work: Path) -> None:
    """Figures would be images of a class the next time."""
    before = sorted(Path("photos").rglob("*"))
    outcome = cupl(
        "evaluate", "photos", "--bank", "bank.yaml", "--encoder", "model", option, "photos/cat/new"
    )
    assert outcome.code == 1
    assert outcome.err.endswith("it lies in photos, which is read; name another\n")
    assert sorted(Path("photos").rglob("*")) == before


def test_scores_go_with_a_report(evaluate: Cupl, work: Path) -> None:
    outcome = evaluate("--scores")
    assert outcome.code == 2
    assert "--scores goes with -o" in outcome.err
