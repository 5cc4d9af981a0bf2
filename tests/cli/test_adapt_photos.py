"""``cupl adapt --photos`` and ``cupl classify --adapt``: photos that lie apart from their texts."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from cupl.embedding.class_vectors import ClassVectors
from tests.adaptation.pictures import Pictures, labels_right, pictures
from tests.cli.conftest import Cupl, Outcome


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pictures:
    """In the current folder: photos/, bank.yaml, and v.safetensors of an encoder that is loaded."""
    made = pictures()
    made.save(tmp_path / "photos")
    made.bank.save(tmp_path / "bank.yaml")
    made.drawn.vectors.save(tmp_path / "elsewhere.safetensors")

    def load(*_: Any, **__: Any) -> object:
        return made.encoder

    monkeypatch.setattr("cupl.encoders.loading.load_encoder", load)
    monkeypatch.chdir(tmp_path)
    return made


@pytest.fixture
def run(cupl: Cupl, made: Pictures) -> Cupl:
    """A command that has to succeed, or to end with ``code``."""

    def checked(*arguments: object, code: int = 0) -> Outcome:
        outcome = cupl(*arguments)
        assert outcome.code == code, outcome.err
        return outcome

    checked("encode", "bank.yaml", "-o", "v.safetensors")
    return checked


def labels(file: str) -> dict[str, str]:
    with Path(file).open(newline="") as rows:
        return {Path(row["path"]).name: row["label"] for row in csv.DictReader(rows)}


def test_photos_make_the_labels_better(run: Cupl, made: Pictures) -> None:
    outcome = run("adapt", "v.safetensors", "--photos", "photos", "-o", "new.safetensors")
    run("classify", "photos", "--vectors", "v.safetensors", "-o", "plain.csv")
    run("classify", "photos", "--vectors", "new.safetensors", "-o", "adapted.csv")
    plain, adapted = labels("plain.csv"), labels("adapted.csv")
    assert labels_right(adapted, made.truth) > labels_right(plain, made.truth) + 0.05
    changed = sum(plain[name] != adapted[name] for name in plain)
    assert f"{changed} of {len(plain)} photos changed their label" in outcome.err
    assert "two halves of the photos agree on " in outcome.err
    assert "next: cupl classify IMAGE... --vectors new.safetensors" in outcome.err
    told = ClassVectors.load("new.safetensors").provenance.adaptation
    assert told is not None
    assert (told.method, told.images) == ("photos", len(plain))


def test_in_one_go_or_in_three_steps(run: Cupl, made: Pictures) -> None:
    run("embed", "photos", "-o", "e", "--encoder", "hand-made")
    run("adapt", "v.safetensors", "--photos", "e", "-o", "new.safetensors")
    run("classify", "photos", "--vectors", "new.safetensors", "-o", "three.csv")
    made.encoder.image_calls.clear()
    outcome = run("classify", "photos", "--vectors", "v.safetensors", "--adapt", "-o", "one.csv")
    assert sum(made.encoder.image_calls) == len(made.truth)  # each is encoded once
    assert "photos changed their label" in outcome.err
    assert labels("one.csv") == labels("three.csv")
    run("classify", "photos", "--bank", "bank.yaml", "--adapt", "-o", "bank.csv")
    assert Path("bank.csv").read_bytes() == Path("one.csv").read_bytes()
    run("classify", "photos", "--vectors", "v.safetensors", "-o", "plain.csv")
    assert labels("one.csv") != labels("plain.csv")


def test_where_no_file_is_written_the_labels_are_the_same(run: Cupl) -> None:
    command = ["classify", "photos", "--vectors", "v.safetensors", "--adapt"]
    run(*command, "-o", "one.csv")
    assert run(*command, "--format", "csv").out == Path("one.csv").read_text()


def test_images_that_cannot_be_read_have_their_rows(run: Cupl, made: Pictures) -> None:
    lost = sorted(made.truth)[3]
    (Path("photos") / lost).write_bytes(b"no picture")
    Path("photos/empty.png").touch()
    outcome = run(
        "classify", "photos", "--vectors", "v.safetensors", "--adapt", "-o", "p.csv", code=3
    )
    assert f"2 images of {len(made.truth) + 1} could not be read" in outcome.err
    with Path("p.csv").open(newline="") as file:
        errors = {Path(row["path"]).name: row["error"] for row in csv.DictReader(file)}
    assert errors["empty.png"] == "the file is empty"
    assert "not an image" in errors[lost]
    assert sum(bool(error) for error in errors.values()) == 2
    found = {name: label for name, label in labels("p.csv").items() if not errors[name]}
    rest = {name: label for name, label in made.truth.items() if name != lost}
    assert labels_right(found, rest) > 0.99
    outcome = run("adapt", "v.safetensors", "--photos", "photos", "-o", "new.safetensors", code=3)
    assert f"2 images of {len(made.truth) + 1} could not be read" in outcome.err
    told = ClassVectors.load("new.safetensors").provenance.adaptation
    assert told is not None
    assert told.images == len(rest)


def test_several_sources_of_photos_are_one(run: Cupl, made: Pictures) -> None:
    half = sorted(made.truth)[::2]
    Path("more").mkdir()
    for name in half:
        Path("photos", name).rename(Path("more", name))
    run("adapt", "v.safetensors", "--photos", "photos", "--photos", "more/*.png", "-o", "new")
    told = ClassVectors.load("new").provenance.adaptation
    assert told is not None
    assert told.images == len(made.truth)


def test_few_photos_leave_the_class_vectors_as_they_are(run: Cupl, made: Pictures) -> None:
    few = [f"photos/{name}" for name in sorted(made.truth)[:4]]
    options = [part for name in few for part in ("--photos", name)]
    outcome = run("adapt", "v.safetensors", *options, "-o", "new.safetensors")
    assert "kept the texts alone: 10 photos are needed, and 4 can be read" in outcome.err
    assert Path("new.safetensors").read_bytes() == Path("v.safetensors").read_bytes()
    run("classify", *few, "--vectors", "v.safetensors", "--adapt", "-o", "one.csv")
    run("classify", *few, "--vectors", "v.safetensors", "-o", "plain.csv")
    assert Path("one.csv").read_bytes() == Path("plain.csv").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["classify", "photos", "--vectors", "v.safetensors", "--adapt", "--resume", "-o", "p.csv"],
         2, "use cupl embed, then cupl adapt"),
        (["adapt", "v.safetensors", "-o", "n"], 2, "give --photos PHOTOS or --examples LABELLED"),
        (["adapt", "v.safetensors", "--photos", "photos", "--examples", "photos", "-o", "n"],
         2, "either --photos or --examples"),
        (["adapt", "v.safetensors", "--photos", "photos", "--labels", "l.csv", "-o", "n"],
         2, "go with --examples"),
        (["adapt", "v.safetensors", "--photos", "photos", "-o", "v.safetensors"],
         1, "also what is read"),
        (["adapt", "v.safetensors", "--photos", "gone", "-o", "n"], 1, "no file or folder gone"),
        (["adapt", "elsewhere.safetensors", "--photos", "photos", "-o", "n"],
         1, "made outside of cupl"),
    ],
)  # fmt: skip
def test_what_cannot_be(
    run: Cupl, tmp_path: Path, arguments: list[str], code: int, message: str
) -> None:
    before = {path: path.read_bytes() for path in tmp_path.glob("*.*")}
    outcome = run(*arguments, code=code)
    assert message in " ".join(outcome.err.replace("│", " ").split())
    assert {path: path.read_bytes() for path in tmp_path.glob("*.*")} == before
    assert not (tmp_path / "n").exists()


def test_adapting_twice_is_refused_before_an_image_is_encoded(run: Cupl, made: Pictures) -> None:
    run("adapt", "v.safetensors", "--photos", "photos", "-o", "new.safetensors")
    made.encoder.image_calls.clear()
    outcome = run("adapt", "new.safetensors", "--photos", "photos", "-o", "n", code=1)
    assert "were adapted already" in outcome.err
    outcome = run(
        "classify", "photos", "--vectors", "new.safetensors", "--adapt", "-o", "p.csv", code=1
    )
    assert "were adapted already" in outcome.err
    assert not Path("p.csv").exists()
    assert made.encoder.image_calls == []


def test_what_else_a_classifier_is_told_goes_with_it(run: Cupl, made: Pictures) -> None:
    made.save(Path("known"), by_class=True)
    made.encoder.image_calls.clear()
    run(
        "classify", "photos", "--vectors", "v.safetensors", "--adapt", "--coverage", 0.9,
        "--examples", "known", "-o", "p.jsonl", "--report", "page.html", "--bank", "bank.yaml",
        "--explain",
    )  # fmt: skip
    records = [json.loads(line) for line in Path("p.jsonl").read_text().splitlines()]
    assert {Path(record["path"]).name for record in records} == set(made.truth)
    held = [
        made.truth[Path(record["path"]).name] in [one["label"] for one in record["labels"]]
        for record in records
    ]
    assert sum(held) / len(held) >= 0.9
    assert all(record["explanation"]["winner"]["label"] for record in records)
    assert "A class 3." in Path("page.html").read_text()


def test_evaluate_judges_the_bank_adapted_too(
    run: Cupl, made: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cupl.report.evaluating.load_encoder", lambda *_, **__: made.encoder)
    made.save(Path("known"), by_class=True)
    command = ["evaluate", "known", "--bank", "bank.yaml", "--controls", "names"]
    outcome = run(*command, "--adapt", "-o", "report")
    said = " ".join(outcome.out.split())
    assert said.count("Adapting to the photos, without their labels, helps.") == 2
    found = json.loads(Path("report/evaluation.json").read_bytes())
    assert "mine (adapted in place)" in json.dumps(found)
    assert "adapted" not in run(*command, "-o", "plain").out


@pytest.mark.parametrize("way", ["folder", "pattern", "vectors", "examples"])
def test_nothing_that_is_read_is_written_over(run: Cupl, made: Pictures, way: str) -> None:
    run("embed", "photos", "-o", "e", "--encoder", "hand-made")
    photo = next(one for one in sorted(Path("photos").rglob("*")) if one.is_file())
    given, target = {
        "folder": (["--photos", "photos"], photo),
        "pattern": (["--photos", f"{photo.parent}/*"], photo),
        "vectors": (["--photos", "e"], Path("e", "vectors-00000.safetensors")),
        "examples": (["--examples", "photos"], photo),
    }[way]
    before = target.read_bytes()
    outcome = run("adapt", "v.safetensors", *given, "-o", target, code=1)
    assert f"cannot write {target}: it lies among what is read" in " ".join(outcome.err.split())
    assert target.read_bytes() == before
    run("adapt", "v.safetensors", "--photos", "e", "-o", "e/adapted.safetensors")
    run("adapt", "v.safetensors", "--photos", "e", "-o", "e/adapted.safetensors")
