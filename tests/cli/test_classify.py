import csv
import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests.cli.conftest import Cupl, interrupted_at_two
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


def test_a_dash_is_standard_output(cupl: Cupl, clip: Path, work: Path) -> None:
    command = ["classify", work / "photos", "--bank", work / "bank.yaml", "--encoder", clip]
    for options in ([], ["--format", "csv"]):
        dash, without = cupl(*command, *options, "-o", "-"), cupl(*command, *options)
        assert (dash.code, dash.out) == (3, without.out)
        assert "wrote" not in dash.err


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
    assert outcome.err.splitlines()[-6:-1] == [
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
    command = ["classify", work / "photos", "--bank", work / "bank.yaml", "--encoder", clip]
    command += ["--batch-size", 1, "-o", work / f"p.{ending}"]
    assert cupl(*command).code == 3
    uninterrupted = (work / f"p.{ending}").read_bytes()
    (work / f"p.{ending}").unlink()
    with monkeypatch.context() as patched:
        patched.setattr("cupl.cli.classify_told.progress", interrupted_at_two)
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


def records_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_explanations_in_json_lines_and_below_the_table(cupl: Cupl, clip: Path, work: Path) -> None:
    (work / "photos" / "broken.jpg").rename(work / "broken.jpg")
    command = ["classify", work / "photos", "--bank", work / "bank.yaml", "--encoder", clip]
    outcome = cupl(*command, "--explain", "--format", "jsonl")
    assert outcome.code == 0
    for record in records_of(outcome.out):
        sides = [record["explanation"][name] for name in ("winner", "runner_up")]
        assert [side["label"] for side in sides] == [one["label"] for one in record["top"][:2]]
        said = [[*side["speak_for"], *side["speak_against"]] for side in sides]
        # One prompt a class: its cosine is the score.
        assert [one["cosine"] for (one,) in said] == pytest.approx([s["score"] for s in sides])
    text = cupl(*command, "--explain").out
    assert len(re.findall(r"^    \d\.\d{3} of .+, for ", text, re.MULTILINE)) == 4
    assert "A small frog." in text or "A dog." in text


def test_vectors_are_explained_by_their_bank(cupl: Cupl, clip: Path, work: Path) -> None:
    vectors, bank = work / "v.safetensors", work / "bank.yaml"
    cupl("encode", bank, "-o", vectors, "--encoder", clip, "--templates", "photo")
    command = ["classify", work / "photos" / "more", "--vectors", vectors, "--format", "jsonl"]
    outcome = cupl(*command, "--bank", bank, "--explain")
    (record,) = records_of(outcome.out)
    questions = [one["question"] for one in record["explanation"]["winner"]["speak_for"]]
    assert "template" in questions + [
        one["question"] for one in record["explanation"]["winner"]["speak_against"]
    ]
    bank_of({"cat": ["Another."], "dog": ["A dog."], "frog": ["A frog."]}).save(bank)
    outcome = cupl(*command, "--bank", bank, "--explain")
    assert outcome.code == 1
    assert "were not made of this bank" in outcome.err


def test_temperature_changes_probabilities_alone(cupl: Cupl, clip: Path, work: Path) -> None:
    command = ["classify", work / "photos" / "more", "--bank", work / "bank.yaml"]
    command += ["--encoder", clip, "--format", "jsonl"]
    (usual,) = records_of(cupl(*command).out)
    (flat,) = records_of(cupl(*command, "--temperature", 1e6).out)
    assert [one["label"] for one in flat["top"]] == [one["label"] for one in usual["top"]]
    assert [one["score"] for one in flat["top"]] == [one["score"] for one in usual["top"]]
    assert [one["probability"] for one in flat["top"]] == pytest.approx([1 / 3] * 3, abs=1e-4)
    assert cupl(*command, "--temperature", 0).code == 1


def test_below_the_threshold(cupl: Cupl, clip: Path, work: Path) -> None:
    command = ["classify", work / "photos", "--bank", work / "bank.yaml", "--encoder", clip]
    assert cupl(*command, "--threshold", 1, "--top-k", 2, "-o", work / "p.csv").code == 3
    with (work / "p.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["label"] for row in rows] == [""] * 3
    reasons = [row["rejected"].split(":")[0] for row in rows if not row["error"]]
    assert reasons == ["below the threshold 1"] * 2
    assert list(rows[0])[-1] == "rejected"
    lines = records_of(cupl(*command, "--threshold", 0, "--format", "jsonl").out)
    assert [line["label"] is None for line in lines] == [
        line["error"] is not None for line in lines
    ]


def test_a_reject_bank_and_several_labels(cupl: Cupl, clip: Path, work: Path) -> None:
    bank_of({"tree": ["The large tree."]}).save(work / "none.yaml")
    command = ["classify", work / "photos" / "more", "--bank", work / "bank.yaml"]
    command += ["--encoder", clip, "--format", "jsonl"]
    (alone,) = records_of(cupl(*command).out)
    (record,) = records_of(cupl(*command, "--reject", work / "none.yaml").out)
    assert {one["label"] for one in record["top"]} == {"cat", "dog", "frog"}
    assert record["probability"] < alone["probability"]
    assert record["label"] in (alone["label"], None)
    assert (record["label"] is None) == (record["rejected"] == "none of these: tree")
    refused = cupl(*command, "--multi-label")
    assert refused.code == 1
    assert "give a reject bank, which drawn words are not, or a threshold" in refused.err
    several = cupl(*command, "--multi-label", "--reject", work / "none.yaml", "--threshold", 0)
    (record,) = records_of(several.out)
    assert {one["label"] for one in record["labels"]} == {"cat", "dog", "frog"}
    (work / "t.csv").write_text("class,cosine\ncat,1\ndog,-1\nfrog,1\n")
    several = cupl(*command, "--multi-label", "--class-thresholds", work / "t.csv")
    (record,) = records_of(several.out)
    assert [one["label"] for one in record["labels"]] == ["dog"]
    assert record["label"] == "dog"


def test_a_page_beside_the_output(cupl: Cupl, clip: Path, work: Path) -> None:
    command = ["classify", work / "photos", "--bank", work / "bank.yaml", "--encoder", clip]
    outcome = cupl(*command, "-o", work / "p.csv", "--report", work / "page.html", "--explain")
    assert outcome.code == 3
    assert f"wrote {work / 'page.html'}: 3 images\n" in outcome.err
    page = (work / "page.html").read_text()
    assert "[red].jpg" in page
    assert "A small frog." in page or "A dog." in page
    assert "How it was made" in page
    assert "--explain</code>" in page
    outcome = cupl(*command, "--report", work / "page.html")
    assert outcome.out.count("%") == 6


def test_a_page_of_many_images_shows_the_first(
    cupl: Cupl, clip: Path, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cupl.report.photo_page.MOST_IMAGES", 1)
    command = ["classify", work / "photos", "--bank", work / "bank.yaml", "--encoder", clip]
    outcome = cupl(*command, "--report", work / "page.html", "--format", "csv")
    assert f"wrote {work / 'page.html'}: the first 1 of 3 images\n" in outcome.err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["photos"], 2, "in one way: --bank"),
        (["photos", "--bank", "bank.yaml", "--vectors", "v"], 2, "in one way: --bank"),
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
        (["photos", "--bank", "bank.yaml", "--format", "parquet"], 1, "(-o)"),
        (["photos", "--vectors", "v", "--explain"], 2, "needs the --bank"),
        (["photos", "--bank", "bank.yaml", "--explain", "-o", "p.csv"], 2, "no place in csv"),
        (["photos", "--bank", "bank.yaml", "--explain", "-o", "p.parquet"], 2, "no place in"),
        (["photos", "--bank", "bank.yaml", "--threshold", "1.5"], 2, "threshold"),
        (["photos", "--bank", "bank.yaml", "--class-thresholds", "t"], 2, "--multi-label"),
        (
            ["photos", "--bank", "bank.yaml", "--multi-label", "--class-thresholds", "t"],
            1,
            "t: no such file",
        ),
        (["photos", "--bank", "bank.yaml", "--report", "no/p.html"], 1, "does not exist"),
        (["photos", "--bank", "bank.yaml", "--report", "bank.yaml"], 1, "also what is read"),
        (["photos", "--bank", "bank.yaml", "--report", "a.csv", "-o", "a.csv"], 2, "two results"),
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
