import csv
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests.cli.conftest import Cupl
from tests.models import bank_of, save_clip


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A bank of three classes, a folder with two images, a broken one and a text file."""
    bank_of({"cat": ["A cat."], "dog": ["A dog."], "frog": ["A small frog."]}).save(
        tmp_path / "bank.yaml"
    )
    photos = tmp_path / "photos" / "more"
    photos.mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 40, 60, 3), dtype=np.uint8)
    Image.fromarray(pixels[0]).save(photos / "one, two.png")
    Image.fromarray(pixels[1]).save(photos.parent / "[red].jpg")
    (photos.parent / "broken.jpg").write_bytes((photos / "one, two.png").read_bytes()[:500])
    (photos.parent / "notes.txt").write_text("no image")
    return tmp_path


def test_a_table_for_a_person(cupl: Cupl, clip: Path, work: Path) -> None:
    outcome = cupl("classify", work / "photos", "--bank", work / "bank.yaml", "--encoder", clip)
    assert outcome.code == 3
    assert "[red].jpg" in outcome.out
    assert "error: the image is damaged or cut off" in outcome.out
    assert outcome.out.count("%") == 6
    assert "1 image of 3 could not be read" in outcome.err


def test_csv_and_json_lines_say_the_same(cupl: Cupl, clip: Path, work: Path) -> None:
    command = ["classify", work / "photos", "--bank", work / "bank.yaml", "--encoder", clip]
    assert cupl(*command, "--top-k", 2, "-o", work / "p.csv").code == 3
    assert cupl(*command, "--top-k", 2, "-o", work / "p.jsonl").code == 3
    with (work / "p.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    records = [json.loads(line) for line in (work / "p.jsonl").read_text().splitlines()]
    assert [row["path"] for row in rows] == [record["path"] for record in records]
    for row, record in zip(rows, records, strict=True):
        if record["error"]:
            assert row["error"] == record["error"]
            assert row["label"] == ""
            assert record["top"] == []
        else:
            assert [row["label"], row["label_2"]] == [top["label"] for top in record["top"]]
            assert float(row["score"]) == pytest.approx(record["score"], abs=1e-6)
            assert float(row["probability_2"]) == pytest.approx(
                record["top"][1]["probability"], abs=1e-6
            )
    assert sum(bool(row["error"]) for row in rows) == 1


def test_parquet_says_what_json_lines_say(cupl: Cupl, clip: Path, work: Path) -> None:
    command = ["classify", work / "photos", "--bank", work / "bank.yaml", "--encoder", clip]
    assert cupl(*command, "-o", work / "p.parquet").code == 3
    assert cupl(*command, "-o", work / "p.jsonl").code == 3
    records = [json.loads(line) for line in (work / "p.jsonl").read_text().splitlines()]
    rows = pq.read_table(work / "p.parquet").to_pylist()
    for row, record in zip(rows, records, strict=True):
        row_top, record_top = row.pop("top"), record.pop("top")
        assert row == pytest.approx(record)
        assert row_top == [pytest.approx(best) for best in record_top]


def test_files_that_are_no_images_have_a_row_each(cupl: Cupl, clip: Path, tmp_path: Path) -> None:
    bank_of({"cat": ["A cat."]}).save(tmp_path / "bank.yaml")
    folder = tmp_path / "photos"
    folder.mkdir()
    good = folder / "good.png"
    Image.effect_noise((40, 40), 80).save(good)
    noise = good.read_bytes()
    Image.new("1", (20_000, 10_000)).save(folder / "huge.png")
    (folder / "empty.jpg").touch()
    (folder / "png.jpg").write_bytes(noise)
    (folder / "text.jpg").write_text("no image")
    os.mkfifo(folder / "pipe.jpg")
    (folder / os.fsdecode(b"odd \xff.jpg")).write_bytes(noise[: len(noise) // 2])
    command = ["classify", folder, "--bank", tmp_path / "bank.yaml", "--encoder", clip]
    outcome = cupl(*command, "-o", tmp_path / "p.jsonl")
    records = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text().splitlines()]
    reasons = {os.fsencode(record["path"]).split(b"/")[-1]: record["error"] for record in records}
    assert reasons == {
        b"empty.jpg": "the file is empty",
        b"good.png": None,
        b"huge.png": "the image has more pixels than Pillow agrees to decode",
        b"odd \xff.jpg": "the image is damaged or cut off",
        b"pipe.jpg": "this is not a regular file",
        b"png.jpg": None,
        b"text.jpg": reasons[b"text.jpg"],
    }
    assert "not an image" in reasons[b"text.jpg"]
    assert outcome.code == 3
    assert outcome.err.splitlines()[-5:] == [
        "5 images of 7 could not be read:",
        f"  {folder}/empty.jpg: the file is empty",
        f"  {folder}/huge.png: the image has more pixels than Pillow agrees to decode",
        f"  {folder}/odd \\udcff.jpg: the image is damaged or cut off",
        "  and 2 more; their rows say why",
    ]


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_ctrl_c_and_resume(
    cupl: Cupl, clip: Path, work: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    def press(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt  # not the signal, which a run in the background may ignore

    @contextmanager
    def pressed(label: str) -> Iterator[Callable[[int, int], None]]:
        yield press

    command = ["classify", work / "photos", "--bank", work / "bank.yaml", "--encoder", clip]
    command += ["--batch-size", 1, "-o", work / f"p.{ending}"]
    assert cupl(*command).code == 3
    uninterrupted = (work / f"p.{ending}").read_bytes()
    (work / f"p.{ending}").unlink()
    with monkeypatch.context() as patched:
        patched.setattr("cupl.cli.classify.progress", pressed)
        outcome = cupl(*command)
    assert outcome.code == 130
    assert "2 of 3 images done; the same command with --resume goes on\n" in outcome.err
    assert "Traceback" not in outcome.err
    assert not (work / f"p.{ending}").exists()
    assert len((work / f"p.{ending}.part").read_text().splitlines()) == 3
    outcome = cupl(*command, "--top-k", 1, "--resume")
    assert outcome.code == 1
    assert "top-k" in outcome.err
    assert cupl(*command, "--resume").code == 3
    assert (work / f"p.{ending}").read_bytes() == uninterrupted
    assert not (work / f"p.{ending}.part").exists()


def test_vectors_give_what_the_bank_gives(cupl: Cupl, clip: Path, work: Path) -> None:
    vectors = work / "v.safetensors"
    cupl("encode", work / "bank.yaml", "-o", vectors, "--encoder", clip)
    image = work / "photos" / "[red].jpg"
    options = ["--format", "jsonl", "--encoder", clip]
    from_bank = cupl("classify", image, "--bank", work / "bank.yaml", *options)
    from_vectors = cupl("classify", image, "--vectors", vectors, *options)
    without_name = cupl("classify", image, "--vectors", vectors, "--format", "jsonl")
    assert from_bank.code == from_vectors.code == without_name.code == 0
    assert from_bank.out == from_vectors.out == without_name.out


def test_files_folders_and_patterns(
    cupl: Cupl, clip: Path, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(work)
    outcome = cupl(
        "classify", "photos/**/*.png", "photos/[red].jpg", "missing.png", "--bank", "bank.yaml",
        "--encoder", clip, "--format", "csv",
    )  # fmt: skip
    rows = list(csv.DictReader(outcome.out.splitlines()))
    assert [row["path"] for row in rows] == [
        os.path.join("photos", "more", "one, two.png"),
        os.path.join("photos", "[red].jpg"),
        "missing.png",
    ]
    assert rows[2]["error"] == "there is no such file"
    assert outcome.code == 3


def test_another_encoder_is_refused(cupl: Cupl, clip: Path, work: Path, tmp_path: Path) -> None:
    vectors = work / "v.safetensors"
    cupl("encode", work / "bank.yaml", "-o", vectors, "--encoder", clip)
    other = save_clip(tmp_path / "other", seed=1)
    outcome = cupl("classify", work / "photos", "--vectors", vectors, "--encoder", other)
    assert outcome.code == 1
    assert "fingerprint" in outcome.err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["photos"], 2, "either --bank"),
        (["photos", "--bank", "bank.yaml", "--vectors", "v"], 2, "either --bank"),
        (["photos", "--vectors", "v", "--templates", "photo"], 2, "go with --bank"),
        (["photos", "--vectors", "v", "--pooling", "mean"], 2, "go with --bank"),
        (["photos", "--bank", "bank.yaml", "--combine", "average"], 2, "--templates"),
        (["photos", "--bank", "bank.yaml", "--format", "xml"], 2, "xml"),
        (["photos", "--bank", "bank.yaml", "--top-k", "0"], 2, "top-k"),
        (["photos", "--bank", "bank.yaml", "-o", "no/p.csv"], 1, "does not exist"),
        (["photos", "--bank", "bank.yaml", "-o", "p.json"], 2, "--format"),
        (["photos", "--bank", "bank.yaml", "-o", "bank.yaml", "--format", "csv"], 1, "also what"),
        (
            ["photos", "--bank", "bank.yaml", "-o", "photos/broken.jpg", "--format", "csv"],
            1,
            "also",
        ),
        (["photos", "--bank", "bank.yaml", "--resume"], 2, "goes with -o"),
        (["photos", "--bank", "bank.yaml", "--format", "parquet"], 1, "with -o"),
        (["*.gif", "--bank", "bank.yaml"], 1, "no image matches"),
        (["photos", "--vectors", "bank.yaml"], 1, "bank.yaml"),
    ],
)
def test_wrong_arguments(
    cupl: Cupl,
    work: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    monkeypatch.chdir(work)
    outcome = cupl("classify", *arguments)
    assert outcome.code == code
    assert message in outcome.err
    assert outcome.out == ""
