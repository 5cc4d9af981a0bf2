"""Encoders of two models, and numbers of 8 bits, from the command line."""

from pathlib import Path

import pytest

from cupl.embedding.image_vectors import load_embeddings
from cupl.encoders.int8 import can_multiply_int8
from tests.cli.conftest import Cupl
from tests.models import bank_of, draw, save_clip
from tests.two_models import save_sentences

pytestmark = pytest.mark.filterwarnings("ignore:nothing shows that the texts")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    save_clip(tmp_path / "clip")
    save_sentences(tmp_path / "text", out=16)
    bank_of({"frosch": ["ein Frosch"], "molch": ["ein Molch im Teich"]}).save("bank.yaml")
    Path("photos").mkdir()
    for number in range(20):
        draw(60, 40, number).save(f"photos/{number:02}.png")
    return tmp_path


def test_photos_that_the_encoder_alone_has_embedded_meet_texts_of_another(
    cupl: Cupl, folder: Path
) -> None:
    assert cupl("embed", "photos", "-o", "v", "--encoder", "clip").code == 0
    both = ("--encoder", "clip", "--text-encoder", "text")
    assert cupl("encode", "bank.yaml", "-o", "pair.safetensors", *both).code == 0
    assert cupl("encode", "bank.yaml", "-o", "own.safetensors", "--encoder", "clip").code == 0
    assert cupl("classify", "v", "--bank", "bank.yaml", *both, "-o", "a.csv").code == 0
    assert cupl("classify", "v", "--vectors", "pair.safetensors", "-o", "b.csv").code == 0
    assert cupl("classify", "v", "--vectors", "own.safetensors", "-o", "c.csv").code == 0
    a, b, c = (Path(name).read_text() for name in ("a.csv", "b.csv", "c.csv"))
    assert a == b
    assert a != c


@pytest.mark.parametrize(
    "words", [("classify", "v", "--bank", "bank.yaml"), ("evaluate", "v", "--bank", "bank.yaml")]
)
def test_vectors_name_the_encoder_that_has_to_be_named(
    cupl: Cupl, folder: Path, words: tuple[str, ...]
) -> None:
    assert cupl("embed", "photos", "-o", "v", "--encoder", "clip").code == 0
    outcome = cupl(*words, "--text-encoder", "text")
    assert outcome.code == 2
    assert f"needs --encoder {folder / 'clip'} beside it" in " ".join(outcome.err.split())


@pytest.mark.parametrize("encoder", ["pair:clip+text", "bridge:clip+text"])
def test_two_models_take_no_third(cupl: Cupl, folder: Path, encoder: str) -> None:
    outcome = cupl("encode", "bank.yaml", "-o", "v", "--encoder", encoder, "--text-encoder", "text")
    assert outcome.code == 2
    assert "has a text model of its own" in " ".join(outcome.err.split())


def test_int8(cupl: Cupl, folder: Path) -> None:
    if not can_multiply_int8():
        pytest.skip("this processor multiplies no int8")
    words = ("embed", "photos", "--encoder", "clip", "--precision", "int8")
    outcome = cupl(*words, "-o", "v")
    made_in = load_embeddings("v").provenance.precision
    assert outcome.code == 0
    assert f"in {made_in}" in outcome.err
    assert (made_in == "int8") != ("float32 is used" in outcome.err)
    Path("v/images-00000.parquet").unlink()
    before = Path("v/vectors-00000.safetensors").read_bytes()
    assert cupl(*words, "-o", "v", "--resume").code == 0
    assert Path("v/vectors-00000.safetensors").read_bytes() == before


@pytest.mark.parametrize("encoder", ["mini", "bridge:clip+text"])
def test_no_int8(cupl: Cupl, folder: Path, encoder: str) -> None:
    outcome = cupl("embed", "photos", "-o", "v", "--encoder", encoder, "--precision", "int8")
    assert outcome.code == 1
    assert "int8" in outcome.err
    assert not Path("v").exists()
