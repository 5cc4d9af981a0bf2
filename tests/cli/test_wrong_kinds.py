"""A file of the wrong kind is named for what it is, wherever a file is taken, before any model."""

import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import save_file

from tests.cli.conftest import Cupl
from tests.models import draw

V01 = Path(__file__).parents[1] / "compatibility" / "v0.1"
HEADER = "path,label,contender,draw,predicted,rank,probability,calibrated,part\n"


def copied(name: str) -> Callable[[Path], object]:
    source = V01 / name
    return lambda path: (shutil.copytree if source.is_dir() else shutil.copyfile)(source, path)


def text(content: str) -> Callable[[Path], object]:
    return lambda path: path.write_text(content)


def report(path: Path) -> None:
    path.mkdir()
    shutil.copyfile(V01 / "evaluation.json", path / "evaluation.json")
    (path / "figures").mkdir()
    draw(4, 4).save(path / "figures" / "accuracy.png")


def workbook(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")


KINDS: dict[str, tuple[Callable[[Path], object], str]] = {
    "bank": (copied("bank.yaml"), "a prompt bank"),
    "questions": (text("# mine\nformat: cupl-questions/1\nname: m\nquestions: ['{}?']\n"),
                  "a set of questions"),
    "templates": (text("format: cupl-templates/1\nname: m\ntemplates: ['{}.']\n"),
                  "a set of templates"),
    "predictions": (copied("predictions.csv"), "a file of predictions that cupl classify wrote"),
    "jsonl": (copied("predictions.jsonl"), "a file of predictions that cupl classify wrote"),
    "judged": (text(HEADER), "the predictions.csv that cupl evaluate wrote"),
    "evaluation": (copied("evaluation.json"), "the evaluation.json that cupl evaluate wrote"),
    "requests": (copied("requests.jsonl"), "a batch file of requests"),
    "answers": (copied("answers.jsonl"), "a copy of a cache"),
    "part": (copied("stopped.csv.part"), "the unfinished output of cupl classify"),
    "vectors": (copied("mean.safetensors"), "a file of class vectors"),
    "shard": (copied("shards/vectors-00000.safetensors"), "a shard of image vectors"),
    "embeddings": (copied("shards"), "a folder of image vectors that cupl embed wrote"),
    "report": (report, "a folder with a report of cupl evaluate"),
    "picture": (lambda path: draw(8, 8).save(path, "JPEG"), "a photo (JPEG)"),
    "pointer": (text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"),
                "a git-lfs pointer"),
    "table": (lambda path: pq.write_table(pa.table({"a": [1]}), path), "a Parquet file"),
    "workbook": (workbook, "a zip archive"),
    "pickle": (lambda path: path.write_bytes(pickle.dumps(["cat"])), "a pickle"),
    "page": (text("<!DOCTYPE html><html><body>Sign in</body></html>"), "a web page"),
    "pdf": (text("%PDF-1.7\n"), "a PDF document"),
    "database": (copied("responses/cache.db"), "a database (SQLite)"),
}  # fmt: skip
"""What there is, and what it is called."""

NO_MODEL = ("--encoder", "org/absent")
BANK, VECTORS = str(V01 / "bank.yaml"), str(V01 / "mean.safetensors")
PHOTO, EMBEDDED = str(V01 / "photos" / "0.png"), str(V01 / "shards")
CLASSIFY, EVALUATE = ("classify", PHOTO, *NO_MODEL), ("evaluate", EMBEDDED, *NO_MODEL)
FILTER = ("filter", PHOTO, *NO_MODEL)
ASKED = ("-o", "new.yaml", "--model", "m", "--dry-run")

ARGUMENTS: dict[str, tuple[tuple[str, ...], str]] = {
    "generate FILE": (("generate", "FILE", *ASKED), "bank"),
    "generate --questions": (("generate", "-c", "cup", "--questions", "FILE", *ASKED), "questions"),
    "batch export FILE": (("batch", "export", "FILE", "-o", "r.jsonl", "--model", "m"), "bank"),
    "batch import": (("batch", "import", "FILE"), ""),
    "cache import": (("cache", "import", "FILE"), "answers"),
    "bank import": (("bank", "import", "FILE", "-o", "new.yaml"), ""),
    "bank check": (("bank", "check", "FILE"), "bank"),
    "bank prune": (("bank", "prune", "FILE", "--by", "outliers", "-o", "n.yaml", *NO_MODEL),
                   "bank"),
    "bank contrast": (("bank", "contrast", "FILE", "-o", "n.yaml", "--model", "m", *NO_MODEL),
                      "bank"),
    "bank names": (("bank", "names", "FILE", "--photos", EMBEDDED, "--model", "m"), "bank"),
    "encode FILE": (("encode", "FILE", "-o", "v.safetensors", *NO_MODEL), "bank"),
    "encode --templates": (("encode", BANK, "-o", "v.safetensors", "--templates", "FILE",
                            *NO_MODEL), "templates"),
    "classify --bank": ((*CLASSIFY, "--bank", "FILE"), "bank"),
    "classify --vectors": ((*CLASSIFY, "--vectors", "FILE"), "vectors"),
    "classify --reject": ((*CLASSIFY, "--bank", BANK, "--reject", "FILE"), "bank"),
    "classify --templates": ((*CLASSIFY, "--bank", BANK, "--templates", "FILE"), "templates"),
    "classify --class-thresholds": ((*CLASSIFY, "--bank", BANK, "--multi-label",
                                     "--class-thresholds", "FILE"), ""),
    "classify --examples": ((*CLASSIFY, "--bank", BANK, "--coverage", "0.5", "--examples", "FILE"),
                            "embeddings"),
    "classify --labels": ((*CLASSIFY, "--bank", BANK, "--coverage", "0.5", "--examples", EMBEDDED,
                           "--labels", "FILE"), ""),
    "filter --block": ((*FILTER, "--allow-name", "cup", "--block", "FILE"), "bank vectors"),
    "filter --allow": ((*FILTER, "--block-name", "cup", "--allow", "FILE"), "bank vectors"),
    "filter --examples": ((*FILTER, "--block-name", "cup", "--examples", "FILE"), "embeddings"),
    "filter --labels": ((*FILTER, "--block-name", "cup", "--examples", EMBEDDED, "--labels",
                         "FILE"), ""),
    "evaluate FILE": (("evaluate", "FILE", "--bank", BANK, *NO_MODEL), "embeddings"),
    "evaluate --labels": ((*EVALUATE, "--bank", BANK, "--labels", "FILE"), ""),
    "evaluate --bank": ((*EVALUATE, "--bank", "FILE"), "bank"),
    "evaluate --controls": ((*EVALUATE, "--bank", BANK, "--controls", "FILE"), "templates"),
    "evaluate --templates": ((*EVALUATE, "--bank", BANK, "--templates", "FILE"), "templates"),
    "adapt FILE": (("adapt", "FILE", "--photos", EMBEDDED, "-o", "v.safetensors"), "vectors"),
    "adapt --examples": (("adapt", VECTORS, "--examples", "FILE", "-o", "v.safetensors"),
                         "embeddings"),
    "adapt --labels": (("adapt", VECTORS, "--examples", EMBEDDED, "--labels", "FILE", "-o",
                        "v.safetensors"), ""),
}  # fmt: skip
"""Each argument that takes a file, and the kinds that it takes."""


@pytest.mark.parametrize("argument", ARGUMENTS)
def test_what_it_is_is_said(
    argument: str, cupl: Cupl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    command, taken = ARGUMENTS[argument]
    for kind, (write, said) in KINDS.items():
        if kind in taken.split():
            continue
        write(tmp_path / kind)
        outcome = cupl(*(kind if word == "FILE" else word for word in command))
        assert outcome.code == 1, (kind, outcome)
        assert outcome.err.startswith(f"error: {kind} is {said}"), kind
        assert outcome.err.count("\n") == 1
        assert outcome.out == ""


ENDINGS = {".npy": "", ".npz": "workbook", ".parquet": "table", ".safetensors": ""}
"""Of files of other programs, and the kind that is told only when it is opened."""


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize(
    "words",
    [
        (*CLASSIFY, "--vectors", "FILE"),
        ("adapt", "FILE", "--photos", EMBEDDED, "-o", "v.safetensors"),
        ("classify", "FILE", "--vectors", VECTORS, *NO_MODEL),
        ("filter", "FILE", "--block-name", "cup", "--allow-name", "mug", *NO_MODEL),
        ("evaluate", "FILE", "--bank", BANK, *NO_MODEL),
    ],
    ids=" ".join,
)
def test_an_ending_of_vectors_hides_nothing(
    words: tuple[str, ...], ending: str, cupl: Cupl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    of_classes = words[-1] == "FILE" or words[:2] == ("adapt", "FILE")
    for kind in ("pointer", "page", "workbook", "pickle", "picture", "table", "shard", "vectors"):
        if kind == ENDINGS[ending] or (of_classes and kind == "vectors"):
            continue
        write, said = KINDS[kind]
        write(Path(file := f"{kind}{ending}"))
        outcome = cupl(*(file if word == "FILE" else word for word in words))
        assert outcome.code == 1, (kind, outcome)
        assert outcome.err.startswith(f"error: {file} is {said}"), outcome.err
        assert outcome.err.count("\n") == 1


@pytest.mark.parametrize("side", ["images", "classes"])
def test_weights_of_a_model_are_no_vectors(
    side: str, cupl: Cupl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names = ("text_model.a.weight", "vision_model.a.weight", "text_projection.weight")
    save_file({name: torch.ones(2, 2) for name in names}, "model.safetensors")
    words = (
        ("evaluate", "model.safetensors", "--bank", BANK, *NO_MODEL)
        if side == "images"
        else ("classify", PHOTO, "--vectors", "model.safetensors")
    )
    outcome = cupl(*words)
    assert outcome.code == 1
    assert outcome.err == (
        f"error: model.safetensors is the weights of a model: it holds no vectors of {side}\n"
    )


IMAGES = {
    "classify IMAGE": ("classify", "FILE", "--bank", BANK, *NO_MODEL),
    "classify --keep": (*CLASSIFY, "--bank", BANK, "--keep", "0.5", "--examples", "FILE"),
    "filter IMAGE": ("filter", "FILE", "--block-name", "cup", "--allow-name", "mug", *NO_MODEL),
    "embed IMAGE": ("embed", "FILE", "-o", "vectors", *NO_MODEL),
    "adapt --photos": ("adapt", VECTORS, "--photos", "FILE", "-o", "v.safetensors"),
    "bank contrast --photos": ("bank", "contrast", BANK, "--photos", "FILE", "-o", "n.yaml",
                               "--model", "org/m", *NO_MODEL),
    "bank names --photos": ("bank", "names", BANK, "--photos", "FILE", "--model", "org/m"),
}  # fmt: skip
"""Arguments that take images or vectors of them."""


@pytest.mark.parametrize(
    "command", [*(one for one, _ in ARGUMENTS.values()), *IMAGES.values()], ids=" ".join
)
def test_what_is_missing_is_said_before_the_model(
    command: tuple[str, ...], cupl: Cupl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    outcome = cupl(*("absent.d" if word == "FILE" else word for word in command))
    assert outcome.code == 1
    assert "absent.d" in outcome.err
    assert outcome.err.startswith("error: ")
    assert "org/absent" not in outcome.err
    assert outcome.err.count("\n") == 1
