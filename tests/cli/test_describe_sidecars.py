"""``cupl describe --write xmp``: captions in sidecars, by a real HTTP server and read by exiv2."""

import csv
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cupl.index import exiv2
from cupl.index.descriptions import write_descriptions
from tests.cli.conftest import Cupl
from tests.description.seeing_server import SeeingModel, make_photos, serve_seeing
from tests.index.test_keywords import DARKTABLE

MINE = "<dc:description>Mine</dc:description><dc:subject>"


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return make_photos(Path("private"), red=2, green=2)


@pytest.fixture
def model() -> SeeingModel:
    return SeeingModel(secrets=("secret", "private"))


@pytest.fixture
def asked(model: SeeingModel) -> Iterator[tuple[object, ...]]:
    with serve_seeing(model) as server:
        yield "--model", "m", "--base-url", server.url, "--cache", "cache"


def files(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def described(sidecar: Path) -> Any:
    with exiv2.opened(exiv2.CARRIER) as image:
        image.modify_raw_xmp(sidecar.read_text("utf-8"))
        return image.read_xmp().get("Xmp.dc.description")


def test_captions_come_and_go(
    cupl: Cupl, work: Path, model: SeeingModel, asked: tuple[object, ...]
) -> None:
    before = files(work)
    command = ("describe", "private", "--write", "xmp", *asked)
    dry = cupl(*command, "--dry-run")
    assert dry.code == 0, dry.err
    assert files(work) == before
    outcome = cupl(*command)
    assert outcome.code == 0, outcome.err
    assert "made 4 captions of 4 photos\n" in outcome.err
    assert "captions written into sidecars (.xmp) beside 4 photos\n" in outcome.err
    there = files(work)
    again = cupl(*command, "--captions", "c.csv", "--offline")
    assert again.code == 0, again.err
    assert "wrote c.csv: 4 captions of 4 photos" in again.err
    assert "beside 0 photos; as they were: 4" in again.err
    assert files(work) == there
    rows = list(csv.DictReader(Path("c.csv").read_text("utf-8").splitlines()))
    assert {row["path"] for row in rows} == set(before)
    for row in rows:
        assert described(Path(f"{row['path']}.xmp")) == {'lang="x-default"': row["caption"]}
    assert model.answers == 4
    [hint] = [line for line in outcome.err.splitlines() if line.startswith("next: ")]
    assert hint == "next: cupl tag private --untag"
    taken = cupl(*shlex.split(hint)[2:])
    assert taken.code == 0, taken.err
    assert "keywords and captions were taken from 4 photos of 4" in taken.err
    assert files(work) == before


def test_a_persons_description_stays_and_is_told(
    cupl: Cupl, work: Path, asked: tuple[object, ...]
) -> None:
    own = work / "red" / "secret-00.png.xmp"
    own.write_text(DARKTABLE.replace("<dc:subject>", MINE), "utf-8")
    before = own.read_bytes()
    old = work / "red" / "secret-01.png"
    write_descriptions({old: "What was said before."})
    outcome = cupl("describe", "private", "--write", "xmp", *asked)
    assert outcome.code == 0, outcome.err
    assert "1 photo has a description already, which stays:\n  private/red/secret-00.png\n" in (
        outcome.err
    )
    assert "beside 3 photos\n" in outcome.err
    assert own.read_bytes() == before
    assert described(Path(f"{old}.xmp"))['lang="x-default"'].startswith("A red card")


def test_what_cannot_be_written_is_told_and_the_rest_is_done(
    cupl: Cupl, work: Path, asked: tuple[object, ...]
) -> None:
    (work / "red" / "secret-00.png.xmp").write_bytes(b"no xmp")
    (work / "green" / "secret-00.png").write_bytes(b"broken")
    outcome = cupl("describe", "private", "--write", "xmp", *asked)
    assert outcome.code == 3
    assert "1 image of 4 could not be read, left out:\n  private/green/secret-00.png" in outcome.err
    assert "made 3 captions of 4 photos" in outcome.err
    assert "captions written into sidecars (.xmp) beside 2 photos" in outcome.err
    assert "1 image of 3 were left as they are:\n  private/red/secret-00.png: " in outcome.err
    assert (work / "red" / "secret-00.png.xmp").read_bytes() == b"no xmp"
    assert not (work / "green" / "secret-00.png.xmp").exists()


def test_the_command_after_a_batch_file_writes_sidecars_too(
    cupl: Cupl, work: Path, asked: tuple[object, ...]
) -> None:
    command = ("describe", "private", "--write", "xmp", *asked)
    before = files(work)
    assert cupl("describe", "private", "--captions", "c.csv", *asked).code == 0
    outcome = cupl(*command, "--export-requests", "r.jsonl")
    assert outcome.code == 0, outcome.err
    assert files(work) == before
    [hint] = [line for line in outcome.err.splitlines() if line.startswith("next: cupl describe")]
    assert cupl(*shlex.split(hint)[2:]).code == 0
    assert len(files(work)) == 2 * len(before)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("-o", "b.yaml"), "--write takes the place of a bank"),
        (("--groups", "2"), "--write takes the place of a bank"),
        (("--captions", "c.xmp"), "captions are written as .csv or .jsonl"),
    ],
)
def test_refused_before_anything_is_asked(
    cupl: Cupl, work: Path, more: tuple[str, ...], message: str
) -> None:
    outcome = cupl("describe", "private", "--write", "xmp", "--model", "m", *more)
    assert outcome.code in (1, 2)
    assert message in " ".join(outcome.err.split())


def test_without_pyexiv2_nothing_is_asked(
    cupl: Cupl, work: Path, model: SeeingModel, asked: tuple[object, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    exiv2.need_exiv2.cache_clear()
    monkeypatch.setitem(__import__("sys").modules, "pyexiv2", None)
    outcome = cupl("describe", "private", "--write", "xmp", *asked)
    assert outcome.code == 1
    assert 'pip install "cupl[keywords]"' in outcome.err
    assert not model.answers
