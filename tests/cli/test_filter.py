"""``cupl filter`` with a CLIP of random weights."""

import csv
import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from cupl.cli import predicting
from cupl.io.file_kinds import DECISIONS_PAGE, kind_of_file
from tests.cli.conftest import Cupl, interrupted_at_two
from tests.models import bank_of, draw, save_clip

NAMES = ("--block-name", "cat", "--allow-name", "dog", "--encoder", "model")


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    save_clip(tmp_path / "model")
    for folder, number in (("photos", 12), ("examples/block", 20), ("examples/allow", 30)):
        (tmp_path / folder).mkdir(parents=True)
        for place in range(number):
            picture = draw(24, 24, seed=1000 * len(folder) + 100 * folder.endswith("w") + place)
            picture.save(tmp_path / folder / f"{place:02}.png")
    bank_of({"cat": ["a cat.", "=cat"]}, "unsafe").save(tmp_path / "unsafe.yaml")
    bank_of({"dog": ["a dog."], "frog": ["a frog."]}, "safe").save(tmp_path / "safe.yaml")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def rows(file: str) -> list[dict[str, str]]:
    with Path(file).open(newline="") as lines:
        return list(csv.DictReader(lines))


def test_each_photo_has_its_decision_and_stays_where_it_is(world: Path, cupl: Cupl) -> None:
    before = {path: path.stat().st_mtime_ns for path in (world / "photos").iterdir()}
    given = ("filter", "photos", "--block", "unsafe.yaml", "--allow", "safe.yaml", "--encoder",
             "model")  # fmt: skip
    outcome = cupl(*given, "-o", "d.csv", "--review", "p.html")
    assert outcome.code == 0, outcome.err
    found = rows("d.csv")
    assert len(found) == 12
    for row in found:
        margin = float(row["blocked_score"]) - float(row["allowed_score"])
        assert margin == pytest.approx(float(row["margin"]), abs=2e-6)
        assert row["blocked"] == "cat"
    counts = {name: sum(row["decision"] == name for row in found)
              for name in ("block", "review", "allow")}  # fmt: skip
    said = ", ".join(f"{name} {number}" for name, number in counts.items())
    lines = outcome.err.splitlines()
    assert lines[-2] == said
    assert {"wrote d.csv: 12 images", "wrote p.html: 12 images"} <= {*lines}
    assert "nothing was moved; this is no safety system" in outcome.err
    assert kind_of_file("p.html") == DECISIONS_PAGE
    assert {path: path.stat().st_mtime_ns for path in (world / "photos").iterdir()} == before
    decided = [row["decision"] for row in found]
    assert cupl(*given, "-o", "d.jsonl").code == 0
    lines = Path("d.jsonl").read_text().splitlines()
    assert [json.loads(line)["decision"] for line in lines] == decided
    assert cupl(*given, "-o", "d.parquet").code == 0
    assert pq.read_table("d.parquet").column("decision").to_pylist() == decided
    printed = cupl(*given)
    assert printed.out.splitlines()[0].split()[:3] == ["image", "decision", "margin"]


def test_what_cannot_be_read_is_for_review_and_the_code_is_3(world: Path, cupl: Cupl) -> None:
    (world / "photos" / "bad.jpg").write_text("no image")
    limits = ("--allow-below", "2", "--block-above", "2")  # all others are allowed
    outcome = cupl("filter", "photos", *NAMES, *limits, "-o", "d.csv")
    assert outcome.code == 3
    assert "block 0, review 1, allow 12" in outcome.err
    assert "1 image of 13 could not be read: for review:\n  photos/bad.jpg: not an" in outcome.err
    [bad] = [row for row in rows("d.csv") if row["error"]]
    assert (bad["path"], bad["decision"], bad["margin"]) == ("photos/bad.jpg", "review", "")


def test_thresholds_from_examples_and_the_same_without_them(world: Path, cupl: Cupl) -> None:
    outcome = cupl("filter", "photos", *NAMES, "--examples", "examples", "--miss-rate", "0.1",
                   "-o", "d.csv")  # fmt: skip
    assert outcome.code == 0, outcome.err
    said = " ".join(outcome.err.split())
    assert "fitted on 20 examples of what is to be blocked and 30 of what is fine" in said
    assert "to be blocked: at most 9.5 % are allowed on average" in said
    assert "fine: at most 9.7 % are blocked on average" in said
    assert "held back (95 % interval" in said
    limits = said.split("the same without the examples: ")[1].split()[:4]
    before = rows("d.csv")
    assert cupl("filter", "photos", *NAMES, *limits, "-o", "d.csv").code == 0
    assert rows("d.csv") == before
    assert not Path("d.csv.old").exists()


def test_examples_may_be_a_table_or_stored_vectors(world: Path, cupl: Cupl) -> None:
    lines = [f"{path},{path.parent.name}" for path in sorted(Path("examples").rglob("*.png"))]
    Path("e.csv").write_text("\n".join(["path,label", *lines]) + "\n")
    assert cupl("embed", "examples", "-o", "v", "--encoder", "model").code == 0
    found = []
    for examples in ("examples", "e.csv", "v"):
        outcome = cupl("filter", "photos", *NAMES, "--examples", examples, "--miss-rate", "0.2",
                       "--false-alarm-rate", "0.4")  # fmt: skip
        assert outcome.code == 0, outcome.err
        found.append(outcome.err.split("thresholds fitted")[1].split("images:")[0])
    assert found[0] == found[1] == found[2]


def test_class_vectors_and_stored_photos_need_no_encoder(world: Path, cupl: Cupl) -> None:
    for name in ("unsafe", "safe"):
        made = cupl("encode", f"{name}.yaml", "-o", f"{name}.safetensors", "--encoder", "model")
        assert made.code == 0, made.err
    assert cupl("embed", "photos", "-o", "v", "--encoder", "model").code == 0
    by_bank = cupl("filter", "v", "--block", "unsafe.yaml", "--allow", "safe.yaml", "-o", "a.csv")
    assert by_bank.code == 0, by_bank.err
    shutil.move("model", "gone")
    given = ("filter", "v", "--block", "unsafe.safetensors", "--allow", "safe.safetensors")
    outcome = cupl(*given, "-o", "b.csv")
    assert outcome.code == 0, outcome.err
    same = ("path", "decision", "blocked", "allowed")
    assert [[row[key] for key in same] for row in rows("a.csv")] == [
        [row[key] for key in same] for row in rows("b.csv")
    ]
    assert {row["prompt"] for row in rows("b.csv")} == {""}
    outcome = cupl(*given, "-o", "v/b.csv")
    assert outcome.code == 1
    assert "v/b.csv" in outcome.err


def test_examples_among_the_photos_are_told(world: Path, cupl: Cupl) -> None:
    outcome = cupl("filter", "examples/block", "photos", *NAMES, "--examples", "examples",
                   "--miss-rate", "0.1")  # fmt: skip
    assert outcome.code == 0
    assert "warning: 20 of the photos are among the examples, too" in " ".join(outcome.err.split())


WRONG: dict[str, tuple[tuple[str, ...], int, str]] = {
    "nothing to go by": ((), 1, "what is unwanted, of what is fine, or both (--block, --allow)"),
    "one side": (
        ("--block-name", "cat"), 1,
        "(--allow, --allow-name, --examples, --allow-below, --block-above)",
    ),
    "file and name": (("--block", "unsafe.yaml", "--block-name", "cat"), 2, "not both"),
    "one threshold": ((*NAMES, "--allow-below", "0"), 2, "go together"),
    "thresholds and examples": (
        (*NAMES, "--allow-below", "0", "--block-above", "0", "--examples", "examples"), 2,
        "leave out",
    ),
    "a rate of nothing": ((*NAMES, "--miss-rate", "0.1"), 2, "goes with --examples"),
    "too few": (
        (*NAMES, "--examples", "examples"), 1, "needs at least 99 examples of what is to be"
    ),
    "too few fine": (
        (*NAMES, "--examples", "examples", "--miss-rate", "0.1", "--false-alarm-rate", "0.02"), 1,
        "a false alarm rate of 0.02 needs at least 49 examples of what is fine, and there are "
        "30: give more, or a rate of 0.033 or more (--examples, --false-alarm-rate)",
    ),
    "one kind": ((*NAMES, "--examples", "one"), 1, "no example is labelled 'allow'"),
    "other labels": ((*NAMES, "--examples", "other.csv"), 1, "'block' or 'allow', not 'unsafe'"),
    "numbers": ((*NAMES, "--examples", "numbers.csv"), 1, "'block' or 'allow', not '1'"),
    "on both sides": (
        ("--block-name", "Cats", "--allow-name", "cat"), 1, "'Cats' is to be blocked"
    ),
    "no format": ((*NAMES, "-o", "d.xyz"), 2, "does not say what to write"),
    "no page": ((*NAMES, "--review", "p.png"), 2, "--review writes a page"),
    "over a photo": ((*NAMES, "-o", "photos/00.png", "--format", "csv"), 1, "what is read"),
    "over a bank": (
        ("--block", "unsafe.yaml", "--allow-name", "dog", "-o", "unsafe.yaml", "--format", "csv"),
        1, "what is read",
    ),
    "twice": ((*NAMES, "-o", "x.html", "--format", "csv", "--review", "x.html"), 2,
              "two results would be x.html"),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_it_is_refused_before_a_model_is_loaded(
    what: str, world: Path, cupl: Cupl, monkeypatch: pytest.MonkeyPatch
) -> None:
    (world / "one" / "block").mkdir(parents=True)
    draw(8, 8).save(world / "one" / "block" / "0.png")
    photos = ("photos/00.png", "photos/01.png")
    for name, labels in (("other", ("unsafe", "block")), ("numbers", ("1", "0"))):
        lines = [f"{path},{label}" for path, label in zip(photos, labels, strict=True)]
        Path(f"{name}.csv").write_text("\n".join(["path,label", *lines]))
    shutil.rmtree("model")
    words, code, message = WRONG[what]
    before = {path: path.read_bytes() for path in world.rglob("*") if path.is_file()}
    outcome = cupl("filter", "photos", *words)
    assert outcome.code == code, outcome.err
    assert message in " ".join(outcome.err.split())
    assert {path: path.read_bytes() for path in world.rglob("*") if path.is_file()} == before


def test_a_run_that_is_interrupted_leaves_nothing(
    world: Path, cupl: Cupl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predicting, "progress", interrupted_at_two)
    outcome = cupl("filter", "photos", *NAMES, "-o", "d.csv", "--review", "p.html")
    assert outcome.code == 130
    assert not list(world.glob("d.csv*"))
    assert not list(world.glob("p.html*"))
