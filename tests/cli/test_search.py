import csv
import json
import os
import re
import subprocess
import sys
import webbrowser
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from cupl.encoders.loading import load_encoder
from cupl.encoders.sentence_tower import SentenceTower
from tests.cli.conftest import Cupl, Outcome
from tests.models import bank_of, draw, save_clip
from tests.two_models import save_sentences

INDEX = ("--index", "photos.lance")
PLAIN = ("--format", "jsonl")


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cupl: Cupl) -> Path:
    monkeypatch.chdir(tmp_path)
    save_clip(tmp_path / "model")
    (tmp_path / "photos").mkdir()
    for number in range(8):
        draw(24, 24, seed=number).save(tmp_path / "photos" / f"{number}.png")
    added = cupl("index", "add", "photos", *INDEX, "--encoder", "model",
                 "--embedding-cache", "none")  # fmt: skip
    assert added.code == 0, added.err
    return tmp_path


def found(outcome: Outcome) -> list[str]:
    assert outcome.code == 0, outcome.err
    return [Path(json.loads(line)["path"]).name for line in outcome.out.splitlines()]


def test_a_table_of_the_closest_photos(work: Path, cupl: Cupl) -> None:
    outcome = cupl("search", "a small cat", *INDEX, "-k", 3)
    assert outcome.code == 0, outcome.err
    header, _, *rows = outcome.out.splitlines()
    assert header.split() == ["score", "photo"]
    assert len(rows) == 3
    assert all(re.fullmatch(rf"-?0\.\d+  {work}/photos/\d\.png", row) for row in rows)


def test_queries_of_terms_and_of_options_are_the_same(work: Path, cupl: Cupl) -> None:
    wanted = found(cupl("search", "cat + ./photos/3.png - dog", *INDEX, *PLAIN))
    assert len(wanted) == 7  # without the photo itself
    assert found(cupl("search", "cat", *INDEX, "--image", "photos/3.png", "--not", "dog",
                      *PLAIN)) == wanted  # fmt: skip
    assert found(cupl("search", "cat", "photos/3.png", *INDEX, "--not", "dog", *PLAIN)) == wanted
    assert found(cupl("search", "- dog", *INDEX, *PLAIN, "cat", "./photos/3.png")) == wanted
    assert found(cupl("search", *INDEX, *PLAIN, "--", "- dog", "cat", "./photos/3.png")) == wanted


@pytest.mark.filterwarnings("ignore:nothing shows")
def test_texts_by_another_tower(work: Path, cupl: Cupl) -> None:
    image, text = load_encoder("model", "cpu"), save_sentences(work / "text", out=16)
    tower = SentenceTower.load(str(text), torch.device("cpu"), torch.float32)
    words = torch.nn.functional.normalize(tower.encode(["ein Frosch"]))[0]
    photos = sorted((work / "photos").iterdir())
    vectors = image.encode_images([Image.open(one).convert("RGB") for one in photos])
    order = (torch.nn.functional.normalize(vectors) @ words).argsort(descending=True).tolist()
    outcome = cupl("search", "ein Frosch", *INDEX, *PLAIN, "-k", 8, "--encoder", "model",
                   "--text-encoder", "text")  # fmt: skip
    assert found(outcome) == [photos[number].name for number in order]


def test_texts_of_any_signs_are_texts(work: Path, cupl: Cupl) -> None:
    for text in ("a black-and-white cat", "12:30 train", "'; DROP TABLE photos; --", "50% \"off\"",
                 "x" * 100_000, "cat\\", "\N{CAT FACE}"):  # fmt: skip
        outcome = cupl("search", text, *INDEX, *PLAIN)
        assert len(found(outcome)) == 8
        assert ("only the beginning" in outcome.err) == (len(text) > 1000)


def test_a_path_that_is_no_file_is_told_and_one_with_a_sign_is_a_photo(
    work: Path, cupl: Cupl
) -> None:
    for text in ("photos/K\u00fcste am abend.JPG", "photos/pond"):
        outcome = cupl("search", text, *INDEX, *PLAIN)
        assert len(found(outcome)) == 8
        assert f"there is no file {text}: searched for as a text" in outcome.err
    assert "no file" not in cupl("search", "a black/white cat", *INDEX).err
    (work / "photos" / "1.png").rename(work / "photos" / "a + b.png")
    outcome = cupl("search", "./photos/a + b.png", *INDEX, *PLAIN)
    assert len(found(outcome)) == 8  # the index has it by its old name
    assert "no file" not in outcome.err


def test_the_best_photos_of_every_class(work: Path, cupl: Cupl) -> None:
    bank_of({"cat": ["a small cat"], "dog": ["a large dog"]}).save(work / "bank.yaml")
    assert cupl("encode", "bank.yaml", "-o", "v.safetensors", "--encoder", "model",
                "--embedding-cache", "none").code == 0  # fmt: skip
    by_bank = cupl("search", "--bank", "bank.yaml", *INDEX, "-k", 2, "--embedding-cache", "none",
                   "--format", "csv")  # fmt: skip
    by_vectors = cupl("search", "--vectors", "v.safetensors", *INDEX, "-k", 2, "--format", "csv")
    assert by_bank.out == by_vectors.out
    rows = list(csv.DictReader(by_bank.out.splitlines()))
    assert [row["class"] for row in rows] == ["cat", "cat", "dog", "dog"]
    table = cupl("search", "-c", "cat", "-c", "dog", *INDEX, "-k", 2, "--embedding-cache", "none")
    assert re.findall("^class .*", table.out, re.MULTILINE) == ["class cat", "class dog"]


def test_files_that_are_written(work: Path, cupl: Cupl) -> None:
    search = ("search", "cat", *INDEX, "-k", 3)
    wanted = [json.loads(line) for line in cupl(*search, *PLAIN).out.splitlines()]
    for name in ("hits.csv", "hits.jsonl", "hits.parquet"):
        for _ in range(2):  # an older one is replaced
            outcome = cupl(*search, "-o", name)
            assert (outcome.code, outcome.out) == (0, "")
            assert f"wrote {name}: 3 photos" in outcome.err
        assert not Path(f"{name}.old").exists()
    lines = Path("hits.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == wanted
    table = pq.read_table("hits.parquet").to_pylist()
    assert [row["path"] for row in table] == [row["path"] for row in wanted]
    assert table[0]["score"] == pytest.approx(wanted[0]["score"], abs=1e-5)
    with Path("hits.csv").open(newline="") as file:
        assert [row["path"] for row in csv.DictReader(file)] == [row["path"] for row in wanted]


def test_another_file_in_its_place_is_kept(work: Path, cupl: Cupl) -> None:
    Path("hits.csv").write_text("mine")
    outcome = cupl("search", "cat", *INDEX, "-o", "hits.csv")
    assert "hits.csv held something else: kept as hits.csv.old" in outcome.err
    assert Path("hits.csv.old").read_text() == "mine"


def printed(*words: str) -> subprocess.CompletedProcess[bytes]:
    """The bytes that a program of its own writes."""
    return subprocess.run(
        [sys.executable, "-m", "cupl", "search", "cat", *INDEX, *words],
        capture_output=True,
        check=True,
    )


def test_names_of_any_bytes_survive_a_pipe(work: Path, cupl: Cupl) -> None:
    odd = {b"odd \xff.png", b"two\nlines.png"}
    for name in odd:
        draw(9, 9).save(Path("photos", os.fsdecode(name)))
    assert cupl("index", "add", "photos", *INDEX, "--encoder", "model",
                "--embedding-cache", "none").code == 0  # fmt: skip
    paths = printed("-0").stdout.split(b"\0")
    assert len(paths) == 11
    assert {path.rpartition(b"/")[2] for path in paths} >= odd
    lines = printed("--paths")
    assert b"photos/odd \xff.png\n" in lines.stdout
    assert b"1 path with a line break inside" in lines.stderr


def test_a_contact_sheet(work: Path, cupl: Cupl, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []

    def open_page(url: str) -> bool:
        opened.append(url)
        return True

    monkeypatch.setattr(webbrowser, "open", open_page)
    Path("photos/2.png").unlink()
    Path("photos/3.png").write_bytes(b"not any more")
    outcome = cupl("search", "a <b>cat</b>", *INDEX, "--sheet", "page.html", "--open", "-0")
    assert outcome.code == 0, outcome.err
    page = Path("page.html").read_text()
    assert "a &lt;b&gt;cat&lt;/b&gt;" in page
    assert page.count("data:image/webp") == 6
    assert page.count("The photo cannot be shown") == 2
    assert not re.search(r"(src|href)=\"?(http|//)", page)
    assert opened == [(work / "page.html").as_uri()]
    assert cupl("search", "cat", *INDEX, "--open", "-0").code == 0
    assert opened[1].endswith("photos.html")
    Path(opened[1].removeprefix("file://")).unlink()


def test_nothing_found_is_no_error(work: Path, cupl: Cupl) -> None:
    outcome = cupl("search", "cat", *INDEX, "--where", 'label = "cat"')
    assert (outcome.code, outcome.out) == (0, "")
    assert "no photo was found" in outcome.err
    outcome = cupl("search", "cat", *INDEX, "--min-score", 1, "--format", "csv")
    assert outcome.out.startswith("score,path,date,")
    assert outcome.out.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((), 2, "say what to look for"),
        (("cat", "-c", "dog"), 2, "not both"),
        (("cat", "-k", "0"), 2, "-k"),
        (("cat", "-o", "hits.txt"), 2, "does not say what to write"),
        (("cat", "-o", "a.csv", "--sheet", "a.csv"), 2, "cannot be the list and the page"),
        (("cat", "--format", "parquet"), 2, "not for printing"),
        (("cat", "--paths", "--format", "csv"), 2, "paths alone"),
        (("cat", "-o", "photos.lance/hits.csv"), 1, "lies in photos.lance"),
        (("cat", "-o", "nowhere/hits.csv"), 1, "nowhere does not exist"),
        (("cat", "--sheet", "photos/1.png"), 2, "--sheet writes a page: name it .html"),
        (("cat", "--sheet", "bank.yaml"), 2, "--sheet writes a page: name it .html"),
        (("cat", "-o", "photos/1.png", "--format", "csv"), 2, "-o writes a list"),
        (("cat", "--min-score", "nan"), 1, "--min-score"),
        (("cat", "--where", "1 = 1"), 1, "--where"),
        (("",), 1, "empty"),
        (("cat - cat",), 1, "leave nothing"),
        (("2000:cat",), 1, "no weight"),
        (("--image", "photos"), 1, "folder"),
        (("--image", "https://a.b/c.png"), 1, "URL"),
        (("--image", "model/config.json"), 1, "not an image"),
        (("./gone.png",), 1, "./gone.png: "),
        (("--bank", "gone.yaml"), 1, "gone.yaml"),
        (("cat", "--index", "gone.lance"), 1, "gone.lance"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said_in_a_sentence(
    work: Path, cupl: Cupl, words: tuple[str, ...], code: int, said: str
) -> None:
    outcome = cupl("search", *INDEX, *words)
    assert outcome.code == code, outcome.err
    assert said in " ".join(outcome.err.replace("│", " ").split())
    assert "Traceback" not in outcome.err
    assert outcome.out == ""
    assert not Path("gone.lance").exists()


def test_a_photo_of_any_name_is_not_written_over(work: Path, cupl: Cupl) -> None:
    photo = (work / "photos" / "1.png").rename(work / "photos" / "odd.csv")
    before = photo.read_bytes()
    assert (
        cupl("index", "add", "photos", *INDEX, "--all-files", "--embedding-cache", "none").code == 0
    )
    for command in (("search", "cat"), ("similar", "--to", "photos/2.png"), ("duplicates",)):
        outcome = cupl(*command, *INDEX, "-o", "photos/../photos/odd.csv")
        assert outcome.code == 1
        assert "odd.csv: it is a photo of the index" in outcome.err
    assert photo.read_bytes() == before
    assert not list(work.rglob("*.old"))
