"""``cupl classify`` by names alone, and of what ``cupl embed`` wrote."""

import json
import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import Cupl, interrupted_at_two

NAMES = ("-c", "cat", "-c", "dog", "-c", "frog")
_MODEL = ("--encoder", "model")


def rows(path: Path) -> list[str]:
    return path.read_text().splitlines()


@pytest.fixture
def stored(cupl: Cupl, work: Path) -> str:
    """What ``cupl embed`` wrote of the photos, one of which is damaged, in shards of two."""
    (work / "photos" / "cat" / "broken.png").write_bytes(b"")
    assert cupl("embed", "photos", "-o", "stored", *_MODEL, "--shard-size", 2).code == 3
    return "stored"


def test_names_are_a_bank_of_their_templates(cupl: Cupl, work: Path) -> None:
    (work / "names.yaml").write_text(
        "format: cupl-bank/1\nname: by hand\nclasses:\n"
        + "".join(f"- {{name: {name}, prompts: [a photo of a {name}.]}}\n" for name in NAMES[1::2])
    )
    (work / "names.txt").write_text("cat\ndog\n# not a class\nfrog\n")
    ways = {"bank": ("--bank", "names.yaml"), "names": NAMES, "list": ("--classes", "names.txt"),
            "both": ("--classes", "names.txt", "-c", "owl")}  # fmt: skip
    for name, way in ways.items():
        outcome = cupl("classify", "photos", *way, *_MODEL, "-o", f"{name}.csv")
        assert outcome.code == 0, outcome.err
    assert rows(work / "names.csv") == rows(work / "bank.csv") == rows(work / "list.csv")
    assert "owl" in (work / "both.csv").read_text()


def test_names_take_other_templates_and_all_that_a_bank_takes(cupl: Cupl, work: Path) -> None:
    (work / "t.yaml").write_text("format: cupl-templates/1\nname: t\ntemplates: ['{}', 'a {}.']\n")
    outcome = cupl(
        "classify", "photos", *NAMES, *_MODEL, "--templates", "t.yaml", "--explain",
        "--report", "p.html", "--format", "jsonl", "-o", "p.jsonl", "--reject", "bank.yaml",
    )  # fmt: skip
    assert "the reject bank" in outcome.err  # it has a class of theirs
    outcome = cupl(
        "classify", "photos", "-c", "owl", "-c", "newt", *_MODEL, "--templates", "t.yaml",
        "--explain", "--report", "p.html", "-o", "p.jsonl", "--reject", "bank.yaml",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    first = json.loads(rows(work / "p.jsonl")[0])
    assert first["explanation"]["winner"]["label"] in ("owl", "newt")
    assert (work / "p.html").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, "--bank BANK.yaml, --vectors V.safetensors, or names alone, -c NAME"),
        (["-c", "cat", "--bank", "bank.yaml"], 2, "name the classes in one way"),
        (["--classes", "bank.yaml", "--vectors", "v.safetensors"], 2, "name the classes in one"),
        (["-c", "cat", "-c", "dog", "--combine", "average"], 2, "--combine goes with --bank"),
        (["-c", "cat", "-c", "cat"], 1, "two classes are named 'cat'"),
        (["--classes", "cat,dog"], 1, "no such class list; give a file, a folder or the names"),
        (["-c", "cat", "-c", "dog", "--templates", "nosuch"], 1, "no such templates file"),
        (["-c", " "], 1, "empty name"),
    ],
)
def test_names_that_cannot_be_used(
    arguments: list[str], code: int, said: str, cupl: Cupl, work: Path
) -> None:
    outcome = cupl("classify", "photos", *arguments, *_MODEL)
    assert outcome.code == code
    assert said in " ".join(outcome.err.split())


def test_one_class_alone_is_said(cupl: Cupl, work: Path) -> None:
    assert "one class alone" in cupl("classify", "photos", "-c", "cat", *_MODEL).err
    outcome = cupl("classify", "photos", "-c", "cat", *_MODEL, "--threshold", 0.5)
    assert "one class alone" not in outcome.err


def test_it_ends_with_how_many_got_which_label(cupl: Cupl, work: Path) -> None:
    outcome = cupl("classify", "photos", "--vectors", "v.safetensors")
    last = outcome.err.splitlines()[-1]
    assert sum(int(part.split()[-1]) for part in last.split(", ")) == 6
    one = cupl("classify", "photos/cat/0.png", "--vectors", "v.safetensors")
    assert one.err == ""


def test_what_embed_wrote_has_the_rows_of_its_images(cupl: Cupl, work: Path, stored: str) -> None:
    made = cupl("classify", "photos", "--vectors", "v.safetensors", "-o", "images.csv")
    shutil.rmtree(work / "model")  # no encoder is needed
    outcome = cupl("classify", stored, "--vectors", "v.safetensors", "-o", "stored.csv")
    assert outcome.code == made.code == 3
    assert "1 image of 7 could not be read:\n  photos/cat/broken.png: the file is" in outcome.err
    assert rows(work / "stored.csv") == rows(work / "images.csv")


def test_the_encoder_of_stored_vectors_is_taken_for_texts(
    cupl: Cupl, work: Path, stored: str
) -> None:
    cupl("classify", "photos", *NAMES, *_MODEL, "-o", "images.csv")
    outcome = cupl("classify", stored, *NAMES, "--explain", "--report", "p.html", "-o", "s.csv")
    assert outcome.code == 3, outcome.err
    assert rows(work / "s.csv") == rows(work / "images.csv")
    assert (work / "p.html").read_text().count("data:image/webp") == 6


def test_stored_vectors_adapt_and_reject(cupl: Cupl, work: Path, stored: str) -> None:
    command = ("classify", stored, "--vectors", "v.safetensors")
    shutil.rmtree(work / "photos")
    outcome = cupl(*command, "--adapt", "-o", "a.csv", "--report", "p.html")
    assert outcome.code == 3, outcome.err
    assert len(rows(work / "a.csv")) == 8
    assert "the drive" not in outcome.err


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_stopped_run_of_stored_vectors_goes_on(
    ending: str, cupl: Cupl, work: Path, stored: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ("classify", stored, "--vectors", "v.safetensors", "-o", f"p.{ending}")
    cupl(*command)
    whole = (work / f"p.{ending}").read_bytes()
    (work / f"p.{ending}").unlink()
    with monkeypatch.context() as patched:
        patched.setattr("cupl.cli.classify_told.progress", interrupted_at_two)
        assert cupl(*command).code == 130
    refused = cupl("classify", "photos", *command[2:], "--resume")
    assert refused.code == 1
    assert "was made with" in refused.err
    assert cupl(*command, "--resume").code == 3
    assert (work / f"p.{ending}").read_bytes() == whole
    assert not (work / f"p.{ending}.part").exists()


def test_missing_images_of_stored_vectors_are_as_they_were(cupl: Cupl, work: Path) -> None:
    cupl("embed", "photos", "gone.png", "-o", "stored", *_MODEL)
    command = ("classify", "stored", "--vectors", "v.safetensors", "-o", "p.csv")
    outcome = cupl(*command)
    assert "gone.png: there is no such file" in outcome.err
    assert "--resume" not in outcome.err
    assert not (work / "p.csv.part").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["stored", "photos", "--vectors", "v.safetensors"], "name it alone"),
        (["stored", "--vectors", "v.safetensors", "-o", "stored/p.csv"], "it lies in stored"),
        (["begun", "--vectors", "v.safetensors"], "before its first shard was done; resume"),
        (["stored", "--vectors", "other.safetensors"], "encode both with the same"),
        (["stored", *NAMES, "--encoder", "other"], "use that encoder, or embed the images again"),
    ],
)
def test_stored_vectors_that_cannot_be_used(
    arguments: list[str], said: str, cupl: Cupl, work: Path, stored: str
) -> None:
    from tests.models import save_clip

    save_clip(work / "other", seed=1)
    cupl("encode", "bank.yaml", "-o", "other.safetensors", "--encoder", "other")
    (work / "begun").mkdir()
    shutil.copy(work / "stored" / "vectors-00000.safetensors", work / "begun")
    outcome = cupl("classify", *arguments)
    assert outcome.code == 1
    assert said in " ".join(outcome.err.split())


def test_h_is_help(cupl: Cupl) -> None:
    for command in ([], ["classify"], ["bank"], ["bank", "check"], ["cache", "embeddings"]):
        short, long = cupl(*command, "-h"), cupl(*command, "--help")
        assert (short.code, short.out) == (0, long.out)
        assert "Usage:" in short.out


def test_class_vectors_that_are_not_there(cupl: Cupl, work: Path) -> None:
    """Also where names stand beside them, as those of vectors made elsewhere do."""
    outcome = cupl("classify", "photos", "--vectors", "nope.npy", "-c", "cat", *_MODEL)
    assert outcome.code == 1
    assert outcome.err == "error: nope.npy: no such file\n"
