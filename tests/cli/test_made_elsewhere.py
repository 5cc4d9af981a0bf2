"""Vectors of other programs on the command line: as those of cupl, where they are the same."""

import csv
import json
import shutil
from contextlib import chdir
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from cupl.bank.model import ClassPrompts, PromptBank
from cupl.embedding.bank_encoding import encode_bank
from cupl.embedding.class_vectors import ClassVectors
from cupl.embedding.image_files import find_images
from cupl.embedding.image_runs import embed_images
from cupl.embedding.image_vectors import load_embeddings
from cupl.encoders.loading import load_encoder
from tests.cli.conftest import Cupl, Outcome
from tests.models import draw, save_clip

PHOTOS = 24
ELSEWHERE = ("e.npz", "e.parquet")
TABLES = ("ours.csv", "a.csv", "b.csv")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="module")
def made(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos in two folders, their vectors as cupl writes them and as others do, and a bank."""
    folder = tmp_path_factory.mktemp("made")
    texts = {"cat": "A cat sits.", "dog": "A dog runs."}
    classes = [ClassPrompts(name=name, prompts={"": [text]}) for name, text in texts.items()]
    bank = PromptBank(name="pets", classes=classes)
    bank.save(folder / "bank.yaml")
    encoder = load_encoder(clip)
    encode_bank(bank, encoder, text_cache=False).save(folder / "v.safetensors")
    with chdir(folder):
        for number in range(PHOTOS):
            photo = Path("photos", "cat" if number % 2 else "dog", f"{number:02}.png")
            photo.parent.mkdir(parents=True, exist_ok=True)
            draw(40, 30, number).save(photo)
        embed_images(find_images("photos"), encoder, "ours", image_cache=False)
        found = load_embeddings("ours")
        paths = [path for some in found.paths() for path in some]
        matrix = torch.cat([shard.vectors for shard in found]).numpy()
        np.savez("e.npz", image_features=matrix, paths=np.array(paths))
        column = pa.FixedSizeListArray.from_arrays(pa.array(matrix.ravel()), matrix.shape[1])
        table = pa.table({"path": paths, "embedding": column})
        pq.write_table(table, "e.parquet", row_group_size=5)
        np.save("e.npy", matrix)
    return folder


@pytest.fixture
def run(cupl: Cupl, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cupl:
    """A command beside a copy of these files that has to succeed, or to end with ``code``."""
    shutil.copytree(made, tmp_path / "work")
    monkeypatch.chdir(tmp_path / "work")

    def checked(*arguments: object, code: int = 0) -> Outcome:
        outcome = cupl(*arguments)
        assert outcome.code == code, outcome.err
        return outcome

    return checked


@pytest.mark.parametrize("format", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("name", ELSEWHERE)
def test_predictions_are_those_of_the_same_vectors(
    run: Cupl, clip: Path, name: str, format: str
) -> None:
    run("classify", "ours", "--vectors", "v.safetensors", "-o", f"ours.{format}")
    said = run(
        "classify", name, "--vectors", "v.safetensors", "--encoder", clip, "-o", f"theirs.{format}"
    )
    assert Path(f"ours.{format}").read_bytes() == Path(f"theirs.{format}").read_bytes()
    assert f"{name}: taken as made by {clip}, as you say; no file can tell\n" in said.err
    run("classify", "ours", "--bank", "bank.yaml", "-o", f"ours2.{format}")
    run("classify", name, "--bank", "bank.yaml", "--encoder", clip, "-o", f"theirs2.{format}")
    assert Path(f"ours2.{format}").read_bytes() == Path(f"theirs2.{format}").read_bytes()


@pytest.mark.parametrize("name", ELSEWHERE)
def test_figures_and_adaptations_are_those_of_the_same_vectors(
    run: Cupl, clip: Path, name: str
) -> None:
    one = run("evaluate", "ours", "--bank", "bank.yaml", "--encoder", clip)
    other = run("evaluate", name, "--bank", "bank.yaml", "--encoder", clip)
    assert one.out.replace("ours", "DATA") == other.out.replace(name, "DATA")
    assert f"{name}: taken as made by {clip}, as you say; no file can tell\n" in other.err
    assert "as you say" not in one.err
    for option in ("--examples", "--photos"):
        run("adapt", "v.safetensors", option, "ours", "-o", "a.safetensors")
        run("adapt", "v.safetensors", option, name, "-o", "b.safetensors", "--encoder", clip)
        assert Path("a.safetensors").read_bytes() == Path("b.safetensors").read_bytes()


def test_an_index_takes_them_and_knows_their_encoder(run: Cupl, clip: Path) -> None:
    added = run("index", "add", "e.npz", "--index", "i.lance", "--encoder", clip)
    assert "24 photos added" in added.err
    assert "taken as made by" in added.err
    found = run("search", "a cat", "--index", "i.lance")
    assert ".png" in found.out
    again = run("index", "add", "e.parquet", "--index", "i.lance", "--encoder", clip)
    assert "nothing new" in again.err
    refused = run("index", "add", "e.npz", "--index", "i.lance", "--encoder", "mini", code=1)
    assert "wide" in refused.err
    nameless = run("index", "add", "e.npy", "--index", "i.lance", "--encoder", clip, code=1)
    assert "knows photos by their files" in nameless.err


@pytest.mark.parametrize(
    "words",
    [
        ("classify", "e.npz", "--vectors", "v.safetensors"),
        ("classify", "e.npz", "--bank", "bank.yaml"),
        ("evaluate", "e.npz", "--bank", "bank.yaml"),
        ("adapt", "v.safetensors", "--photos", "e.npz", "-o", "x.safetensors"),
        ("adapt", "v.safetensors", "--examples", "e.npz", "-o", "x.safetensors"),
        ("index", "add", "e.npz", "--index", "i.lance"),
        ("sort", "e.npz", "--vectors", "v.safetensors", "-o", "sorted"),
        ("label", "e.npz", "--vectors", "v.safetensors", "-o", "l.csv"),
    ],
)
def test_without_an_encoder_nothing_is_guessed(run: Cupl, words: tuple[str, ...]) -> None:
    said = run(*words, code=1).err
    assert "(--encoder)" in said
    assert "Traceback" not in said


def test_classes_from_elsewhere_need_no_encoder_and_keep_to_themselves(run: Cupl) -> None:
    made = ClassVectors.load("v.safetensors")
    rows = made.matrix.numpy() * 3
    np.savez("c.npz", class_embeddings=rows, names=["cat", "dog"])
    np.save("c.npy", rows)
    run("classify", "ours", "--vectors", "v.safetensors", "-o", "ours.csv")
    said = run("classify", "e.npz", "--vectors", "c.npz", "-o", "a.csv").err
    assert "the logit scale 100; --logit-scale takes another" in said
    assert "made by the encoder of the class vectors, which no file can tell" in said
    named = ("--vectors", "c.npy", "-c", "cat", "-c", "dog", "--logit-scale", "3")
    assert "logit scale 100" not in run("classify", "e.npz", *named, "-o", "b.csv").err
    tables = [list(csv.DictReader(Path(name).read_text().splitlines())) for name in TABLES]
    labels = [[row["label"] for row in table] for table in tables]
    assert labels[0] == labels[1] == labels[2]
    assert tables[1][0]["probability"] != tables[2][0]["probability"]
    run("adapt", "c.npz", "--photos", "e.npz", "-o", "adapted.safetensors")
    run("classify", "e.npz", "--vectors", "adapted.safetensors", "-o", "d.csv")
    refused = run("classify", "ours", "--vectors", "adapted.safetensors", code=1)
    assert "encode both with the same" in refused.err
    refused = run("classify", "photos", "--vectors", "adapted.safetensors", code=1)
    assert "made outside of cupl" in refused.err


def test_classes_of_an_encoder_that_is_named_classify_photos(run: Cupl, clip: Path) -> None:
    made = ClassVectors.load("v.safetensors")
    np.savez("c.npz", class_embeddings=made.matrix.numpy(), names=["cat", "dog"])
    run("classify", "photos", "--vectors", "v.safetensors", "-o", "a.csv")
    run("classify", "photos", "--vectors", "c.npz", "--encoder", clip, "-o", "b.csv")
    first, second = (Path(name).read_text().splitlines() for name in ("a.csv", "b.csv"))
    assert [line.split(",")[:2] for line in first] == [line.split(",")[:2] for line in second]


def test_rows_that_cannot_be_used_are_rows_with_the_reason(run: Cupl, clip: Path) -> None:
    matrix = np.load("e.npy")
    matrix[3], matrix[5] = 0, np.nan
    np.savez("bad.npz", x=matrix, label=np.arange(PHOTOS) % 2)
    how = ("--vectors", "v.safetensors", "--encoder", clip, "-o", "o.jsonl")
    run("classify", "bad.npz", *how, code=3)
    rows = [json.loads(line) for line in Path("o.jsonl").read_text().splitlines()]
    assert [row["path"] for row in rows] == list(map(str, range(PHOTOS)))
    assert [row["path"] for row in rows if row["error"]] == ["3", "5"]
    judge = ("evaluate", "bad.npz", "--bank", "bank.yaml", "--encoder", clip)
    judged = run(*judge, code=3)
    assert "the labels are numbers: taken in the order of the bank" in judged.err
    Path("l.csv").write_text("path,label\n" + "".join(f"{n},cat\n" for n in range(6, 20)))
    assert "14 images" in run(*judge, "--labels", "l.csv", "--skip-unmatched", code=3).out
    unlabelled = run("evaluate", "e.npy", "--bank", "bank.yaml", "--encoder", clip, code=1)
    assert "has neither labels nor paths" in unlabelled.err


def test_a_result_never_takes_the_place_of_the_vectors(run: Cupl, clip: Path) -> None:
    before = Path("e.parquet").read_bytes()
    how = ("--vectors", "v.safetensors", "--encoder", clip)
    said = run("classify", "e.parquet", *how, "-o", "e.parquet", code=1).err
    assert "it is also what is read" in said
    assert Path("e.parquet").read_bytes() == before


@pytest.mark.parametrize("name", ELSEWHERE)
def test_decisions_are_those_of_the_same_vectors(run: Cupl, clip: Path, name: str) -> None:
    how = ("--block-name", "cat", "--allow-name", "dog", "--encoder", clip, "-o")
    run("filter", "ours", *how, "a.csv")
    said = run("filter", name, *how, "b.csv")
    assert Path("a.csv").read_bytes() == Path("b.csv").read_bytes()
    assert len(Path("a.csv").read_text().splitlines()) == PHOTOS + 1
    assert f"{name}: taken as made by {clip}, as you say" in said.err


def test_tags_are_of_images_only(run: Cupl, clip: Path) -> None:
    how = ("-c", "cat", "-c", "dog", "--top", "1", "--encoder", clip)
    refused = run("tag", "e.npz", *how, code=1).err
    assert refused == (
        "error: e.npz: cupl tag takes images, what cupl embed wrote, or an --index; vectors that "
        "were made elsewhere are taken by cupl evaluate and cupl adapt\n"
    )


def test_paths_that_are_pickled_are_refused(run: Cupl, clip: Path) -> None:
    paths = np.array([f"{number}.png" for number in range(PHOTOS)], dtype=object)
    np.savez("p.npz", image_features=np.load("e.npy"), paths=paths, more=paths)
    refused = run("classify", "p.npz", "--vectors", "v.safetensors", "--encoder", clip, code=1).err
    assert refused == (
        "error: p.npz: paths object [24] is pickled, which could run code and is not read: save it "
        "as texts, astype(str)\n"
    )
