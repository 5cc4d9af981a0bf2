import csv
import json
import math
import os
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from scipy.optimize import minimize_scalar

from cupl.bank.model import ClassPrompts, PromptBank
from cupl.cli import app
from cupl.embedding.bank_encoding import encode_bank
from cupl.embedding.class_vectors import ClassVectors
from cupl.embedding.image_shards import ImageProvenance, Shard, ShardMetadata, write_shard
from cupl.embedding.image_vectors import load_embeddings
from cupl.encoders.loading import load_encoder
from cupl.evaluation import candidates
from tests.cli.conftest import Cupl, Outcome, interrupted_at_two
from tests.models import bank_of, draw, save_clip

ANIMALS = {
    "cat": ["A cat is small.", "a cat with the tree"],
    "dog": ["A dog.", "a large dog"],
    "tree frog": ["A tree frog.", "a small frog", "the frog has a tree"],
}
WRITTEN = {"report.html", "evaluation.json", "predictions.csv", "summary.csv", "classes.csv"}


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bank of three classes and an ImageFolder with 21 pictures of noise."""
    bank_of(ANIMALS).save(tmp_path / "bank.yaml")
    for place, folder in enumerate(("cat", "dog", "tree_frog")):
        add_images(tmp_path / "photos" / folder, 7, place)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def add_images(folder: Path, number: int, seed: int = 0) -> None:
    folder.mkdir(parents=True)
    for i in range(number):
        draw(8, 8, 100 * seed + i).save(folder / f"{i}.png")


@pytest.fixture
def evaluate(cupl: Cupl, clip: Path, work: Path) -> Cupl:
    """``evaluate(...)`` judges ``bank.yaml`` on ``photos`` unless it is told otherwise."""

    def run(*options: object, data: object = "photos", bank: object = "bank.yaml") -> Outcome:
        return cupl("evaluate", data, "--bank", bank, "--encoder", clip, *options)

    return run


def found(directory: str | Path = "out") -> dict[str, Any]:
    content: dict[str, Any] = json.loads((Path(directory) / "evaluation.json").read_bytes())
    return content


def files_in(directory: str | Path) -> dict[str, bytes]:
    paths = Path(directory).rglob("*")
    return {str(path.relative_to(directory)): path.read_bytes() for path in paths if path.is_file()}


def test_the_table_names_every_contender(evaluate: Cupl) -> None:
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
    assert max(map(len, rows)) <= 120
    assert outcome.err.count("images: ") == 10
    assert "wrote" not in outcome.err


def test_a_directory_is_written(evaluate: Cupl, work: Path) -> None:
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


def test_calibrated_vectors_have_the_temperature(
    evaluate: Cupl, cupl: Cupl, clip: Path, work: Path
) -> None:
    outcome = evaluate("--calibrated", "v.safetensors", "-o", "out", "--controls", "none")
    assert outcome.code == 0, outcome.err
    fitted = found()["contenders"][0]["calibration"]["temperature"]
    vectors = ClassVectors.load("v.safetensors")
    assert vectors.provenance.temperature == fitted != 1
    assert vectors.provenance.bank == "animals"
    assert f"wrote v.safetensors: class vectors of animals, temperature {fitted:.3g}" in outcome.err
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


def test_nineteen_images_are_too_few_to_calibrate(evaluate: Cupl, work: Path) -> None:
    for i in (0, 1):
        (work / "photos" / "cat" / f"{i}.png").unlink()
    outcome = evaluate("--calibrated", "v.safetensors", "-o", "out")
    assert outcome.code == 1
    assert "half of at least 20 images, and there are 19: leave out --calibrated" in outcome.err
    assert not any((work / name).exists() for name in ("v.safetensors", "out"))
    assert evaluate("-o", "out").code == 0
    assert found()["contenders"][0]["calibration"] is None


def test_templates_are_those_of_the_calibrated_vectors(evaluate: Cupl, cupl: Cupl) -> None:
    assert evaluate("--templates", "photo", "--calibrated", "v.safetensors").code == 0
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


def test_templates_and_pooling_reach_the_vectors(evaluate: Cupl) -> None:
    options = ["--templates", "photo", "--pooling", "similarity", "--controls", "none"]
    assert evaluate(*options, "--calibrated", "v.safetensors", "-o", "out").code == 0
    assert found()["contenders"][0]["prompts"] == pytest.approx(7 / 3 + 1)
    vectors = ClassVectors.load("v.safetensors")
    assert vectors.provenance.pooling == "similarity"
    assert (vectors.matrix.norm(dim=1) < 1).all()


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
    assert found("again") == found("out")
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
        for figure in (one["top1"], one["top5"], one["per_class"]):
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


def save_vectors(directory: Path, clip: Path, paths: Sequence[str], vectors: torch.Tensor) -> None:
    directory.mkdir()
    provenance = ImageProvenance.of(load_encoder(str(clip)))
    metadata = ShardMetadata(shard=0, shard_size=len(paths), provenance=provenance)
    write_shard(directory, metadata, Shard([*paths], [None] * len(paths), vectors))


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
    evaluate: Cupl, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cupl.cli.evaluate.progress", interrupted_at_two)
    outcome = evaluate("-o", "out", "--calibrated", "v.safetensors")
    assert outcome.code == 130
    assert outcome.out == ""
    assert "Traceback" not in outcome.err
    assert outcome.err.endswith("interrupted\n")
    assert {path.name for path in work.iterdir()} == {"bank.yaml", "photos"}


@pytest.mark.parametrize("moment", [0, 1, 5])
def test_ctrl_c_while_results_are_written(
    evaluate: Cupl, work: Path, monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    options = ["--controls", "names", "--calibrated", work / "v.safetensors"]
    assert evaluate(*options, "-o", "whole").code == 0
    (work / "v.safetensors").unlink()
    times, sync = 0, os.fsync

    def press(descriptor: int) -> None:
        nonlocal times
        if times == moment:
            raise KeyboardInterrupt
        times += 1
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", press)
    outcome = evaluate(*options, "-o", "out")
    assert (outcome.code, outcome.err.splitlines()[-1]) == (130, "interrupted")
    whole, half = files_in("whole"), files_in("out") if (work / "out").exists() else {}
    assert len(half) == moment
    assert half.items() <= whole.items()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["photos"], 2, "--bank"),
        (["--bank", "bank.yaml"], 2, "data"),
        (["no", "--bank", "bank.yaml"], 1, "no: no such file or folder"),
        (["photos", "--bank", "no.yaml"], 1, "no.yaml: no such file"),
        (["photos", "--bank", "photos"], 1, "photos: cannot be read"),
        (["photos", "--bank", "bank.yaml", "--bank", "small.yaml"], 1, "has no class 'tree frog'"),
        (["photos", "--bank", "bank.yaml", "--bank", "bank.yaml"], 1, "are named 'bank'"),
        (["photos", "--bank", "photo.yaml"], 1, "two banks or controls are named 'photo'"),
        (["bank.yaml", "--bank", "bank.yaml"], 1, "line 1: must name the columns"),
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
        (["photos", "--bank", "bank.yaml", "-o", "photos/cat/1.png"], 1, "it is not a folder"),
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
    assert ",".join(candidates.CONTROLS) in text
    assert f"[default: {candidates.SEEDS}; 1<=x<=100]" in text


@dataclass(frozen=True)
class World:
    """An evaluation of vectors with mixed results, and what it was made of."""

    bank: PromptBank
    evaluation: dict[str, Any]
    rows: dict[tuple[str, int], list[dict[str, str]]]
    """Of ``predictions.csv``, by contender and draw."""
    calibrated: ClassVectors
    images: npt.NDArray[np.float64]
    """``[images, dim]`` of length 1."""
    targets: npt.NDArray[np.int64]
    prompts: list[list[npt.NDArray[np.float64]]]
    """For each class and question the embeddings of its prompts."""

    @property
    def labels(self) -> list[str]:
        return [str(entry.label) for entry in self.bank]

    def right(self, name: str, draws: Sequence[int] | None = None) -> npt.NDArray[np.float64]:
        """Share of the draws that have each image right, by what is called predicted."""
        chosen = [rows for (one, draw), rows in self.rows.items()
                  if one == name and (draws is None or draw in draws)]  # fmt: skip
        right = [[row["label"] == row["predicted"] for row in rows] for rows in chosen]
        share: npt.NDArray[np.float64] = np.array(right, np.float64).mean(axis=0)
        return share


NAMES = ["cat", "dog", "tree frog", "crane", "crane", "small tree", "owl", "photo", "the large"]
QUESTIONS = ("What does {} look like?", "How is {}?")
IMAGES = 320


@pytest.fixture(scope="module")
def world(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> World:
    """Nine classes, two of one name, one with one image and one with none; 320 images."""
    folder, rng = tmp_path_factory.mktemp("world"), np.random.default_rng(3)
    words = ["a", "photo", "of", "small", "with", "large", "the", "has", "red", "legs"]
    classes = [
        ClassPrompts(name=name, id=f"n{i}" if name == "crane" else None, prompts={
            question.replace("{}", f"a {name}"): [
                f"{name} {' '.join(rng.choice(words, 4))}" for _ in range(1 + (i + place) % 3)
            ] for place, question in enumerate(QUESTIONS)
        }) for i, name in enumerate(NAMES)
    ]  # fmt: skip
    bank = PromptBank(name="first", classes=classes)
    bank.save(folder / "first.yaml")
    second = [entry.model_copy(update={"prompts": {"": [f"the {entry.name} {i}"]}})
              for i, entry in enumerate(classes)]  # fmt: skip
    PromptBank(name="second", classes=second[::-1]).save(folder / "second.yaml")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CUPL_CACHE", str(folder / "cache"))
        patch.chdir(folder)
        encoder = load_encoder(str(clip))
        prompts = [
            [unit(encoder.encode_text(texts)) for texts in entry.prompts.values()] for entry in bank
        ]
        centres = np.stack([unit(np.concatenate(parts).mean(0)) for parts in prompts])
        targets = rng.choice(7, IMAGES, p=np.array([7, 5, 5, 4, 4, 2, 2]) / 29)
        targets[11] = 7
        spread = centres.std(axis=0).mean()
        vectors = centres[targets] + rng.normal(0, 0.8 * spread, (IMAGES, 16))
        names = [entry.id or entry.name.replace(" ", "_") for entry in bank]
        paths = [f"set/{names[target]}/{i}.png" for i, target in enumerate(targets)]
        save_vectors(folder / "v", clip, paths, torch.from_numpy(5 * vectors).float())
        command = ["evaluate", "v", "--bank", "first.yaml", "--bank", "second.yaml", "-o", "out"]
        app([*command, "--calibrated", "warm.safetensors"], standalone_mode=False)
    rows = defaultdict(list)
    with (folder / "out" / "predictions.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            rows[row["contender"], int(row["draw"])].append(row)
    (shard,) = load_embeddings(folder / "v")
    return World(
        bank, found(folder / "out"), dict(rows), ClassVectors.load(folder / "warm.safetensors"),
        unit(shard.vectors), targets, prompts,
    )  # fmt: skip


def unit(vectors: Any) -> npt.NDArray[np.float64]:
    array = np.asarray(vectors, np.float64)
    scaled: npt.NDArray[np.float64] = array / np.linalg.norm(array, axis=-1, keepdims=True)
    return scaled


def resampled(
    values: npt.NDArray[np.float64], groups: npt.NDArray[np.int64] | None = None
) -> tuple[float, float]:
    """95 % of the means of 3,000 resamples, or of the means over groups of their means."""
    rng, means = np.random.default_rng(99), []
    for _ in range(3000):
        rows = rng.integers(len(values), size=len(values))
        if groups is None:
            means.append(values[rows].mean())
        else:
            of = groups[rows]
            means.append(np.mean([values[rows][of == group].mean() for group in set(of.tolist())]))
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def check(figure: dict[str, float], value: float, between: tuple[float, float]) -> None:
    assert figure["value"] == pytest.approx(value, abs=1e-12)
    assert figure["low"] <= figure["value"] <= figure["high"]
    assert (figure["low"], figure["high"]) == pytest.approx(between, abs=0.02)


def test_what_was_judged(world: World) -> None:
    evaluation = world.evaluation
    assert (evaluation["images"], evaluation["classes"]) == (IMAGES, 9)
    assert (evaluation["classes_with_images"], evaluation["unreadable"]) == (8, [])
    assert evaluation["reference"] == "photo"
    names = [(one["name"], one["seeds"]) for one in evaluation["contenders"]]
    assert names == [
        ("first", 1), ("second", 1), ("photo", 1), ("names", 1), ("random-words", 3),
        ("shuffled", 3),
    ]  # fmt: skip
    assert sorted(world.rows) == sorted((name, i) for name, seeds in names for i in range(seeds))
    numbers = [one["prompts"] for one in evaluation["contenders"]]
    mean = np.mean([len(entry.texts) for entry in world.bank])
    assert numbers == pytest.approx([mean, 1, 1, 1, mean, mean])
    first = world.rows["first", 0]
    assert [row["label"] for row in first] == [world.labels[target] for target in world.targets]
    for rows in world.rows.values():
        assert [(row["path"], row["label"]) for row in rows] == [
            (row["path"], row["label"]) for row in first
        ]
        for row in rows:
            assert (row["rank"] == "1") == (row["label"] == row["predicted"])
            assert row["predicted"] in world.labels
            assert 1 <= int(row["rank"]) <= 9
    # Mixed results, or the tests below could not fail.
    assert 0.3 < world.right("first").mean() < 0.95
    assert len({world.right(name).mean() for name, _ in names}) > 3


def test_accuracies_are_those_of_the_raw_predictions(world: World) -> None:
    for one in world.evaluation["contenders"]:
        right = world.right(one["name"])
        check(one["top1"], right.mean(), resampled(right))
        draws = [rows for (name, _), rows in world.rows.items() if name == one["name"]]
        five = np.mean([[int(row["rank"]) <= 5 for row in rows] for rows in draws], axis=0)
        check(one["top5"], five.mean(), resampled(five))
        balanced = float(np.mean([list(by_class(rows).values()) for rows in draws]))
        check(one["per_class"], balanced, resampled(right, world.targets))
        assert one["top1_of_seeds"] == pytest.approx([
            world.right(one["name"], [draw]).mean() for draw in range(one["seeds"])
        ])  # fmt: skip


def by_class(rows: Sequence[dict[str, str]]) -> dict[str, float]:
    right = defaultdict(list)
    for row in rows:
        right[row["label"]].append(row["label"] == row["predicted"])
    return {label: float(np.mean(each)) for label, each in right.items()}


def test_comparisons_are_those_of_the_raw_predictions(world: World) -> None:
    reference = world.right("photo")
    for one in world.evaluation["contenders"]:
        comparison = one["comparison"]
        if one["name"] == "photo":
            assert comparison is None
            continue
        assert comparison["to"] == "photo"
        difference = world.right(one["name"]) - reference
        check(comparison["difference"], difference.mean(), resampled(difference))
        pairs = Counter(zip(world.right(one["name"], [0]), reference, strict=True))
        won, lost = pairs[1, 0], pairs[0, 1]
        assert (comparison["won"], comparison["lost"]) == (won, lost)
        tail = sum(math.comb(won + lost, k) for k in range(min(won, lost) + 1))
        assert comparison["p"] == pytest.approx(min(1, 2 * tail / 2 ** (won + lost)))


def test_confusions_and_classes_are_those_of_the_raw_predictions(world: World) -> None:
    for one in world.evaluation["contenders"]:
        rows = world.rows[one["name"], 0]
        totals = Counter(row["label"] for row in rows)
        wrong = Counter((r["label"], r["predicted"]) for r in rows if r["label"] != r["predicted"])
        told = one["confusions"]
        assert [entry["images"] for entry in told] == sorted(wrong.values(), reverse=True)[:20]
        assert len({(entry["truth"], entry["predicted"]) for entry in told}) == len(told)
        for entry in told:
            assert entry["images"] == wrong[entry["truth"], entry["predicted"]]
            assert entry["share"] == pytest.approx(entry["images"] / totals[entry["truth"]])
        right = world.right(one["name"])
        assert one["classes"] == [
            {"name": label.name, "id": label.id, "images": int((world.targets == i).sum()),
             "accuracy": pytest.approx(right[world.targets == i].mean())}
            for i, label in enumerate(entry.label for entry in world.bank)
            if (world.targets == i).any()
        ]  # fmt: skip


def calibration_error(bins: Sequence[dict[str, float]]) -> float:
    total = sum(one["images"] for one in bins)
    gaps = [one["images"] * abs(one["accuracy"] - one["confidence"]) for one in bins]
    return sum(gaps) / total


def test_calibration_is_that_of_the_raw_predictions(world: World) -> None:
    parts = {tuple(row["part"] for row in world.rows[name, 0]) for name in ("first", "shuffled")}
    assert len(parts) == 1
    for one in world.evaluation["contenders"]:
        rows = world.rows[one["name"], 0]
        measured = [row for row in rows if row["part"] == "measure"]
        fitted = [row for row in rows if row["part"] == "fit"]
        told = one["calibration"]
        assert (told["images_fitted"], told["images_measured"]) == (len(fitted), len(measured))
        assert len(fitted) + len(measured) == IMAGES
        assert len(fitted) == len(measured)
        right = np.array([row["rank"] == "1" for row in measured])
        for column, error, name in (
            ("probability", "before", "bins_before"), ("calibrated", "after", "bins_after"),
        ):  # fmt: skip
            sure = np.array([float(row[column]) for row in measured])
            place = np.minimum((sure * 15).astype(int), 14)
            assert len(told[name]) == 15
            for i, one_bin in enumerate(told[name]):
                assert (one_bin["low"], one_bin["high"]) == pytest.approx((i / 15, (i + 1) / 15))
                inside = place == i
                assert one_bin["images"] == inside.sum()
                if inside.any():
                    assert one_bin["confidence"] == pytest.approx(sure[inside].mean())
                    assert one_bin["accuracy"] == pytest.approx(right[inside].mean())
            assert told[error] == pytest.approx(calibration_error(told[name]), abs=1e-5)
        for seed in range(1, one["seeds"]):
            assert {row["calibrated"] + row["part"] for row in world.rows[one["name"], seed]} == {
                ""
            }


def test_predictions_and_temperature_are_those_of_the_vectors(world: World) -> None:
    vectors = world.calibrated
    scores = world.images @ vectors.matrix.double().numpy().T
    rows = world.rows["first", 0]
    assert [row["predicted"] for row in rows] == [world.labels[i] for i in scores.argmax(axis=1)]
    own = scores[np.arange(IMAGES), world.targets]
    assert [int(row["rank"]) for row in rows] == (1 + (scores > own[:, None]).sum(axis=1)).tolist()
    logits = vectors.provenance.logit_scale * scores
    fitted = np.array([row["part"] == "fit" for row in rows])

    def sure(temperature: float) -> npt.NDArray[np.float64]:
        powers = np.exp(logits / temperature - (logits / temperature).max(axis=1, keepdims=True))
        shares: npt.NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
        return shares

    def loss(temperature: float) -> float:
        true = sure(temperature)[np.arange(IMAGES), world.targets]
        return float(-np.log(true[fitted]).mean())

    best = minimize_scalar(lambda power: loss(10**power), bounds=(-2, 2), options={"xatol": 1e-7})
    temperature = vectors.provenance.temperature
    assert temperature == world.evaluation["contenders"][0]["calibration"]["temperature"]
    assert temperature == pytest.approx(10**best.x, rel=0.02)
    assert loss(temperature) == pytest.approx(best.fun, abs=1e-4)
    for column, at in (("probability", 1.0), ("calibrated", temperature)):
        told = [float(row[column]) for row in rows]
        assert told == pytest.approx(sure(at).max(axis=1), rel=1e-4)


def test_questions_and_curve_are_those_of_the_vectors(world: World) -> None:
    analysis = world.evaluation["analyses"][0]
    whole = world.right("first")
    assert {effect["question"] for effect in analysis["questions"]} == set(QUESTIONS)
    for effect in analysis["questions"]:
        other = 1 - QUESTIONS.index(effect["question"])
        centres = np.stack([unit(parts[other].mean(axis=0)) for parts in world.prompts])
        right = (world.images @ centres.T).argmax(axis=1) == world.targets
        assert effect["top1_without"] == pytest.approx(right.mean())
        assert effect["prompts"] == sum(len(parts[1 - other]) for parts in world.prompts)
        assert effect["classes"] == 9
        comparison = effect["comparison"]
        check(comparison["difference"], (whole - right).mean(), resampled(whole - right))
        pairs = Counter(zip(whole.astype(bool), right, strict=True))
        assert comparison["won"] == pairs[True, False]
        assert comparison["lost"] == pairs[False, True]
    gains = [effect["comparison"]["difference"]["value"] for effect in analysis["questions"]]
    assert gains == sorted(gains, reverse=True)
    most = max(len(entry.texts) for entry in world.bank)
    assert [point["prompts"] for point in analysis["curve"]] == [1, 2, 4, most]
    last = analysis["curve"][-1]
    assert (last["value"], last["low"], last["high"]) == pytest.approx([whole.mean()] * 3)


def test_losses_are_those_of_the_raw_predictions(world: World) -> None:
    for analysis in world.evaluation["analyses"]:
        ours, theirs = by_class(world.rows[analysis["bank"], 0]), by_class(world.rows["photo", 0])
        expected = {label: ours[label] - theirs[label] for label in ours}
        expected = {label: loss for label, loss in expected.items() if loss < 0}
        told = {
            loss["name"] + (f" ({loss['id']})" if loss["id"] else ""): loss["bank"]
            - loss["control"]
            for loss in analysis["losses"]
        }
        assert told == pytest.approx(expected)
        assert list(told.values()) == sorted(told.values())
