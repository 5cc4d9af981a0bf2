"""The commands that encode images share one cache of their vectors."""

import os
import shutil
from pathlib import Path

import pytest

import cupl as library
from cupl.encoders.transformers_dual import DualEncoder
from cupl.io.paths import cache_dir
from tests.cli.conftest import Cupl

_MODEL = ("--encoder", "model")
_CLASSIFY = ("classify", "photos", "--vectors", "v.safetensors")
COMMANDS = {
    "classify": (*_CLASSIFY, "-o", "p.csv"),
    "explain and report": (*_CLASSIFY, "--bank", "bank.yaml", "--explain", "--report", "p.html"),
    "classify --adapt": (*_CLASSIFY, "--adapt"),
    "names": ("classify", "photos", "-c", "cat", "-c", "dog", *_MODEL),
    "examples": (*_CLASSIFY, "--coverage", "0.5", "--examples", "photos"),
    "embed": ("embed", "photos", "-o", "out", *_MODEL),
    "adapt": ("adapt", "v.safetensors", "--photos", "photos", "-o", "a.safetensors"),
    "adapt to examples": ("adapt", "v.safetensors", "--examples", "photos", "-o", "a.safetensors"),
    "evaluate": ("evaluate", "photos", "--bank", "bank.yaml", "--controls", "names", *_MODEL),
}


@pytest.fixture(autouse=True)
def _cache_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUPL_IMAGE_CACHE_SIZE")


def no_image_is_encoded(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse = lambda *_: pytest.fail("an image was encoded")  # noqa: E731
    monkeypatch.setattr(DualEncoder, "encode_prepared", refuse)


@pytest.mark.parametrize("second", COMMANDS)
def test_what_one_command_has_encoded_no_other_does(
    second: str, cupl: Cupl, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cupl(*COMMANDS["embed"][:3], "first", *_MODEL).code == 0
    with monkeypatch.context() as patched:
        no_image_is_encoded(patched)
        known = cupl(*COMMANDS[second])
    assert known.code == 0, known.err
    (work / "p.csv").unlink(missing_ok=True)
    shutil.rmtree(work / "out", ignore_errors=True)
    monkeypatch.setenv("CUPL_IMAGE_CACHE_SIZE", "0")
    assert cupl(*COMMANDS[second]).out == known.out


@pytest.mark.parametrize("first", sorted(COMMANDS.keys() - {"embed"}))
def test_every_command_keeps_what_it_encodes(
    first: str, cupl: Cupl, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cupl(*COMMANDS[first]).code == 0
    no_image_is_encoded(monkeypatch)
    assert cupl(*COMMANDS["embed"]).code == 0


def test_python_shares_it(cupl: Cupl, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cupl(*COMMANDS["classify"]).code == 0
    no_image_is_encoded(monkeypatch)
    classifier = library.ZeroShotClassifier.load("v.safetensors", bank="bank.yaml")
    paths = library.find_images("photos")
    assert all(one.error is None for one in classifier.predict(paths))
    assert all(one.error is None for one in classifier.explain(paths))
    assert len(classifier.scores(paths)) == 6
    library.embed_images(paths, classifier.encoder, "python")
    library.evaluate("photos", "bank.yaml", encoder=classifier.encoder, controls=())


def test_a_resumed_run_is_that_of_one_without_a_cache(
    cupl: Cupl, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Images of a batch that is made again are encoded together, also those that are known."""
    lost = work / "photos" / "cat" / "0.png"
    aside = lost.rename(work / "aside.png")
    names = [str(path) for path in sorted((work / "photos").rglob("*.png"))] + [str(lost)]
    command = ("embed", *sorted(names), *_MODEL, "--batch-size", "3", "-o")
    assert cupl(*command, "one").code == 3
    aside.rename(lost)
    assert cupl(*command, "one", "--resume").code == 0
    monkeypatch.setenv("CUPL_IMAGE_CACHE_SIZE", "0")
    assert cupl(*command, "two").code == 0
    for name in ("images-00000.parquet", "vectors-00000.safetensors"):
        assert (work / "one" / name).read_bytes() == (work / "two" / name).read_bytes()


@pytest.mark.parametrize("command", ["classify", "embed", "adapt", "evaluate"])
def test_the_option_moves_it_or_turns_it_off(command: str, cupl: Cupl, work: Path) -> None:
    usual = cache_dir() / "embeddings"
    words = COMMANDS[command]
    assert cupl(*words, "--embedding-cache", "here").code == 0
    assert (work / "here" / "images" / "cache.db").exists()
    assert not usual.exists()
    if command == "embed":
        words = ("embed", "photos", "-o", "again", *_MODEL)
    assert cupl(*words, "--embedding-cache", "none").code == 0
    assert not usual.exists()


def test_it_is_shown_and_cleared(cupl: Cupl, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = cache_dir() / "embeddings"
    empty = cupl("cache", "embeddings")
    assert empty.out.splitlines() == [
        f"{usual}: 0 prompts, 0 bytes of at most 4.29 GB",
        f"{usual}/images: 0 images, 0 bytes of at most 1.07 GB",
    ]
    cupl(*COMMANDS["evaluate"])
    monkeypatch.setenv("CUPL_IMAGE_CACHE_SIZE", "5MB")
    texts, images = cupl("cache", "embeddings").out.splitlines()
    assert ": 12 prompts, " in texts
    assert ": 6 images, " in images
    assert images.endswith(" of at most 5 MB")
    cleared = cupl("cache", "embeddings", "--clear")
    assert cleared.err == f"cleared {usual}\ncleared {usual}/images\n"
    assert ": 0 images, " in cupl("cache", "embeddings").out
    cupl(*COMMANDS["evaluate"])
    assert ": 6 images, " in cupl("cache", "embeddings").out


def test_a_damaged_one_is_named_and_can_be_cleared(cupl: Cupl, work: Path) -> None:
    database = cache_dir() / "embeddings" / "images" / "cache.db"
    cupl(*COMMANDS["classify"])
    database.write_bytes(b"no database" * 1000)
    outcome = cupl("cache", "embeddings")
    assert outcome.code == 1
    assert "is damaged or cannot be read" in outcome.err
    assert "--clear" in outcome.err
    assert cupl("cache", "embeddings", "--clear").code == 0
    assert ": 0 images, " in cupl("cache", "embeddings").out


def test_one_whose_names_are_no_text_is_damaged(cupl: Cupl, work: Path) -> None:
    """Its errors then hold bytes that are no text either."""
    database = cache_dir() / "embeddings" / "images" / "cache.db"
    cupl(*COMMANDS["classify"])
    whole = database.read_bytes()
    parts = whole.split(b"Cache")
    for place in range(1, len(parts)):
        first, last = b"Cache".join(parts[:place]), b"Cache".join(parts[place:])
        database.write_bytes(first + b"C\xff\xfehe" + last)
        outcome = cupl("cache", "embeddings")
        assert outcome.code in (0, 1)
        assert (outcome.code == 1) == ("is damaged or cannot be read" in outcome.err)
        assert cupl("cache", "embeddings", "--clear").code == 0


def test_no_folder_is_no_place(cupl: Cupl, work: Path) -> None:
    command = [word for word in COMMANDS["classify"] if word != "--embedding-cache"]
    outcome = cupl(*command, "--embedding-cache", "")
    assert outcome.code == 2
    assert "name a folder, or none" in outcome.err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_one_that_may_not_be_written_is_not_cleared(cupl: Cupl, work: Path) -> None:
    folder = cache_dir() / "embeddings" / "images"
    cupl(*COMMANDS["classify"])
    folder.chmod(0o500)
    outcome = cupl("cache", "embeddings", "--clear")
    folder.chmod(0o700)
    assert outcome.code == 1
    assert "cannot be cleared" in outcome.err


@pytest.mark.parametrize("size", ["much", "-5"])
def test_a_size_that_is_none_is_said(
    size: str, cupl: Cupl, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUPL_IMAGE_CACHE_SIZE", size)
    outcome = cupl(*COMMANDS["classify"])
    assert outcome.code == 1
    assert "CUPL_IMAGE_CACHE_SIZE" in outcome.err
