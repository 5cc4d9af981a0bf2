import csv
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import cupl as library
from tests.batch_server import FakeBatches, serve_batches
from tests.cli.conftest import Cupl
from tests.description.seeing_server import SeeingModel, make_photos, serve_seeing
from tests.models import draw, save_clip


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with photos."""
    monkeypatch.chdir(tmp_path)
    save_clip(Path("model"))
    return make_photos(Path("private"), red=6, tree_frog=2)


@pytest.fixture
def model() -> SeeingModel:
    return SeeingModel(secrets=("secret", "private", "tree_frog"))


@pytest.fixture
def asked(model: SeeingModel) -> Iterator[tuple[object, ...]]:
    with serve_seeing(model) as server:
        yield "--model", "m", "--base-url", server.url, "--cache", "cache"


def test_from_folders_to_a_bank(
    cupl: Cupl, work: Path, model: SeeingModel, asked: tuple[object, ...]
) -> None:
    outcome = cupl("describe", "private", "-o", "bank.yaml", *asked)
    assert outcome.code == 0, outcome.err
    assert outcome.out == ""
    assert "2 classes, 6 photos, 2 questions, 3 samples each: 0 of 36 answers cached, 36 to " in (
        outcome.err
    )
    assert "wrote bank.yaml: 2 classes, " in outcome.err
    assert "next: cupl bank check bank.yaml\n  or: cupl classify private --bank" in outcome.err
    bank = library.PromptBank.load("bank.yaml")
    assert [entry.name for entry in bank] == ["red", "tree frog"]
    first = Path("bank.yaml").read_bytes()
    Path("bank.yaml").unlink()
    again = cupl("describe", "private", "-o", "bank.yaml", "--offline", *asked)
    assert again.code == 0
    assert "36 of 36 answers cached, 0 to come" in again.err
    assert Path("bank.yaml").read_bytes() == first
    assert model.answers == 36
    assert cupl("bank", "check", "bank.yaml").code in (0, 3)


def test_a_dry_run_asks_nothing_and_says_what_it_would_send(
    cupl: Cupl, work: Path, model: SeeingModel, asked: tuple[object, ...]
) -> None:
    outcome = cupl("describe", "private", *asked, "--dry-run", "--image-side", 32,
                   "--price-in", 1, "--price-out", 2)  # fmt: skip
    assert outcome.code == 0
    # 32 x 21 pixels are 2 tokens of 28 x 28; each of 6 photos goes with 2 questions.
    assert "tokens in (24 of them for 12 images), at most 3,600 out: at most about 0.00" in (
        outcome.err
    )
    assert "what an image counts is a guess, a token for 28 x 28 pixels" in outcome.err
    assert "  sends: JPEG of at most 32 pixels a side, " in outcome.err
    assert "of photos, without EXIF, paths and file names\n" in outcome.err
    assert outcome.err.count("asks: ") == 2
    assert not model.answers
    assert sorted(path.name for path in Path().iterdir()) == ["cache", "model", "private"]


def test_a_broken_photo_is_left_out_and_told(
    cupl: Cupl, work: Path, asked: tuple[object, ...]
) -> None:
    (work / "red" / "secret-00.png").write_bytes(b"broken")
    outcome = cupl("describe", "private", "-o", "bank.yaml", *asked)
    assert outcome.code == 3
    assert "1 image of 7 could not be read, left out:\n  private/red/secret-00.png: not" in (
        outcome.err
    )
    assert Path("bank.yaml").exists()
    captions = cupl("describe", "private", "--captions", "c.csv", *asked)
    assert captions.code == 3
    assert "wrote c.csv: 7 captions of 8 photos" in captions.err


def test_captions(cupl: Cupl, work: Path, model: SeeingModel, asked: tuple[object, ...]) -> None:
    outcome = cupl("describe", "private", "--captions", "c.csv", *asked)
    assert outcome.code == 0, outcome.err
    assert "8 photos, 1 question, 1 sample each: 0 of 8 answers cached" in outcome.err
    rows = list(csv.DictReader(Path("c.csv").read_text("utf-8").splitlines()))
    assert [row["path"] for row in rows] == sorted(map(str, work.rglob("*.png")))
    assert all(row["caption"].startswith("A ") and row["error"] == "" for row in rows)
    lines = cupl("describe", "private/red", "--captions", "c.jsonl", "--offline", *asked)
    assert lines.code == 0
    records = [json.loads(line) for line in Path("c.jsonl").read_text().splitlines()]
    assert [one["caption"] for one in records] == [row["caption"] for row in rows[:6]]
    assert model.answers == 8
    dry = cupl("describe", "private", "--captions", "d.csv", "--dry-run", *asked)
    assert dry.code == 0
    assert "8 of 8 answers cached" in dry.err
    assert not Path("d.csv").exists()


def test_captions_in_the_way_of_a_file_keep_it(
    cupl: Cupl, work: Path, asked: tuple[object, ...]
) -> None:
    Path("c.csv").write_text("mine")
    outcome = cupl("describe", "private", "--captions", "c.csv", *asked)
    assert "c.csv held something else: kept as c.csv.old" in outcome.err
    assert Path("c.csv.old").read_text() == "mine"


def test_groups_become_classes(
    cupl: Cupl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: SeeingModel,
    asked: tuple[object, ...],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    save_clip(Path("model"))
    make_photos(Path("private"), red=6, green=5, blue=4)
    command = ("describe", "private", "--groups", 3, "--encoder", "model",
               "--embedding-cache", "none", "--per-class", 2, *asked)  # fmt: skip
    dry = cupl(*command, "--dry-run")
    assert dry.code == 0, dry.err
    assert "names of the groups: 3 groups, 6 photos, 1 question, 1 sample each: 0 of 3" in dry.err
    assert "then: 3 groups, 6 photos, 2 questions, 3 samples each: 0 of 36" in dry.err
    assert not model.answers
    outcome = cupl(*command, "-o", "bank.yaml")
    assert outcome.code == 0, outcome.err
    assert "3 groups: red things, green things, blue things" in outcome.err
    assert "wrote bank-groups.csv: the group of 15 photos" in outcome.err
    rows = list(csv.DictReader(Path("bank-groups.csv").read_text("utf-8").splitlines()))
    assert {(Path(row["path"]).parent.name, row["label"]) for row in rows} == {
        ("red", "red things"), ("green", "green things"), ("blue", "blue things"),
    }  # fmt: skip
    bank = library.PromptBank.load("bank.yaml")
    assert [entry.name for entry in bank] == ["red things", "green things", "blue things"]
    assert bank.source is not None
    assert bank.source.pictures is not None
    assert (bank.source.pictures.groups, bank.source.pictures.encoder) == (3, "model")
    assert len(model.seen) == 6 + 12
    # The groups are labels, by which the bank can be looked at.
    judged = cupl("evaluate", "bank-groups.csv", "--bank", "bank.yaml", "--encoder", "model",
                  "--embedding-cache", "none", "--controls", "none", "-o", "report")  # fmt: skip
    assert judged.code == 0, judged.err


def test_what_embed_wrote_is_grouped(
    cupl: Cupl, work: Path, model: SeeingModel, asked: tuple[object, ...]
) -> None:
    assert cupl("embed", "private", "-o", "vectors", "--encoder", "model",
                "--embedding-cache", "none").code == 0  # fmt: skip
    outcome = cupl("describe", "vectors", "--groups", 2, "-o", "a.yaml", *asked)
    assert outcome.code == 0, outcome.err
    number = model.answers
    photos = cupl("describe", "private", "--groups", 2, "--encoder", "model", "-o", "b.yaml",
                  "--embedding-cache", "none", "--offline", *asked)  # fmt: skip
    assert photos.code == 0, photos.err
    assert model.answers == number
    groups = [Path(f"{name}-groups.csv").read_bytes() for name in "ab"]
    assert groups[0] == groups[1]
    twice = cupl("describe", "vectors", "--groups", 2, "--encoder", "model", "-o", "c.yaml", *asked)
    assert twice.code == 2
    assert "--encoder is for photos; these are vectors already" in twice.err


@pytest.mark.parametrize("kind", ["bank", "captions", "groups"])
def test_batch_files_bring_the_same(
    cupl: Cupl, work: Path, model: SeeingModel, asked: tuple[object, ...], kind: str
) -> None:
    how: dict[str, tuple[object, ...]] = {
        "bank": ("-o", "made.yaml"), "captions": ("--captions", "made.csv"),
        "groups": ("-o", "made.yaml", "--groups", 2, "--encoder", "model",
                   "--embedding-cache", "none"),
    }  # fmt: skip
    command = ("describe", "private", *how[kind])
    name = str(how[kind][1])
    with serve_batches() as fake:
        fake.answer = model
        to = ("--model", "m", "--base-url", fake.url, "--cache", "batches")
        for _ in range(3):
            exported = cupl(*command, *to, "--export-requests", "r.jsonl")
            assert exported.code == 0, exported.err
            if "nothing is missing" in exported.err:
                break
            _answer(cupl, fake, model)
        else:
            pytest.fail(exported.err)
        assert f"next: cupl describe private {how[kind][0]} {name}" in exported.err
        assert "--offline\n" in exported.err
        assert not Path(name).exists()
        answers = model.answers
        assert cupl(*command, *to, "--offline").code == 0
    assert model.answers == answers
    made = Path(name).read_bytes().replace(fake.url.encode(), b"URL")
    Path(name).unlink()
    asked_of = asked[asked.index("--base-url") + 1]
    assert cupl(*command, *asked).code == 0
    assert Path(name).read_bytes().replace(str(asked_of).encode(), b"URL") == made


def _answer(cupl: Cupl, fake: FakeBatches, model: SeeingModel) -> None:
    """Have the file of requests answered, as the Batch API does."""
    submitted = cupl("batch", "submit", "r.jsonl", "--base-url", fake.url)
    assert submitted.code == 0, submitted.err
    fake.run(model)
    [id] = submitted.out.split()
    assert cupl("batch", "fetch", id, "--base-url", fake.url, "-o", f"{id}.jsonl").code == 0
    imported = cupl("batch", "import", f"{id}.jsonl", "--cache", "batches")
    assert imported.code == 0, imported.err


def test_a_changed_photo_in_a_batch_file_is_refused(cupl: Cupl, work: Path) -> None:
    with serve_batches() as fake:
        cupl("describe", "private", "--model", "m", "--base-url", fake.url, "--cache", "c",
             "--export-requests", "r.jsonl")  # fmt: skip
        lines = Path("r.jsonl").read_text().splitlines()
        line = json.loads(lines[0])
        other = json.loads(lines[2])["body"]["messages"]
        line["body"]["messages"] = other
        Path("r.jsonl").write_text(json.dumps(line) + "\n")
        outcome = cupl("batch", "submit", "r.jsonl", "--base-url", fake.url)
    assert outcome.code == 1
    assert "not exported for the server" in outcome.err
    assert not fake.files


def test_a_limit_stops_and_the_same_command_goes_on(
    cupl: Cupl, work: Path, model: SeeingModel, asked: tuple[object, ...]
) -> None:
    command = ("describe", "private", "-o", "bank.yaml", *asked)
    outcome = cupl(*command, "--max-requests", 3)
    assert outcome.code == 1
    assert "error: stopped at 3 requests; 9 new answers are in the cache" in outcome.err
    assert not Path("bank.yaml").exists()
    assert cupl(*command).code == 0
    assert model.answers == 36


WRONG: dict[str, tuple[tuple[object, ...], int, str]] = {
    "nothing to write": (("private", "--model", "m"), 2, "name the bank to write with -o BANK"),
    "model": (("private", "-o", "b.yaml", "--model", "mini"), 1,
             "error: the mini model reads text alone and cannot see; name a chat model that can "
             "(--model)\n"),
    "both": (("private", "-o", "b.yaml", "--captions", "c.csv"), 2, "takes the place of a bank"),
    "ending": (("private", "--captions", "c.xmp"), 1, "as .csv or .jsonl, not as 'c.xmp'"),
    "no folder": (("nowhere", "-o", "b.yaml"), 1, "error: there is no folder nowhere\n"),
    "no photos": (("nowhere", "--captions", "c.csv"), 1, "there is no file or folder nowhere"),
    "no classes": (("private/red", "-o", "b.yaml"), 1, "get captions (--groups, --captions)\n"),
    "two folders": (("private", "private/red", "-o", "b.yaml"), 1, "(--groups, --captions)\n"),
    "a file": (("private/red/secret-00.png", "-o", "b.yaml"), 1, "(--groups, --captions)\n"),
    "too many groups": (("private", "--groups", 9, "--encoder", "model", "-o", "b.yaml",
                         "--embedding-cache", "none"), 1, "into 2 to 8 groups, not 9"),
    "over the photo": (("private/red/secret-00.png", "--captions", "private/red/secret-00.csv",
                        "-o", "x"), 2, "leave -o"),
    "no questions": (("private", "-o", "b.yaml", "--questions", "none.yaml"), 1,
                     "no such questions file"),
    "no price": (("private", "-o", "b.yaml", "--price-in", 1), 2, "go together"),
    "offline": (("private", "-o", "b.yaml", "--offline", "--cache", "c"), 1,
                "missing from the cache: 36 answers"),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_one_sentence(cupl: Cupl, work: Path, what: str) -> None:
    words, code, message = WRONG[what]
    outcome = cupl("describe", *words)
    assert outcome.code == code, outcome.err
    assert message in outcome.err
    assert not list(Path().glob("*.yaml"))
    assert not list(Path().glob("*.csv"))


def test_two_machines_with_the_same_photos_share_answers(
    cupl: Cupl, work: Path, model: SeeingModel, asked: tuple[Any, ...]
) -> None:
    assert cupl("describe", "private", "-o", "a.yaml", *asked).code == 0
    number = model.answers
    shutil.copytree(work, "other")
    for path in sorted(Path("other").rglob("*.png")):
        path.rename(path.with_name(f"IMG_{path.name}"))
    assert cupl("describe", "other", "-o", "b.yaml", *asked).code == 0
    assert model.answers == number


def test_without_a_key_no_model_is_named_that_cannot_see(
    tmp_path: Path, cupl: Cupl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    draw(24, 24).save(tmp_path / "photos" / "a.png")
    outcome = cupl("describe", "photos", "--captions", "c.csv")
    assert outcome.code == 1
    assert "OPENAI_API_KEY is not set" in outcome.err
    assert "(--api-key-env, --base-url)" in outcome.err
