from pathlib import Path

import pyarrow.parquet as pq
import pytest

from cupl.bank.model import PromptBank
from cupl.classification.classifier import ZeroShotClassifier
from cupl.encoders.loading import load_encoder
from tests.cli.conftest import Cupl
from tests.models import bank_of, draw, save_clip


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Banks of classes and of what is none, and four pictures of noise."""
    monkeypatch.chdir(tmp_path)
    save_clip(tmp_path / "clip")
    words = "small large a photo of the has with"
    prompts = {
        name: [f"A {name} {word}." for word in words.split()[: 8 - place]]
        for place, name in enumerate(("cat", "dog", "frog"))
    }
    bank_of(prompts).save(tmp_path / "bank.yaml")
    bank_of({"tree": ["The large tree.", "A tree."]}).save(tmp_path / "none.yaml")
    (tmp_path / "photos").mkdir()
    for number in range(4):
        draw(64, 64, seed=number).save(tmp_path / "photos" / f"{number}.png")
    return tmp_path


def test_top_by_bank_and_by_vectors_with_a_reject_bank_to_parquet(cupl: Cupl, work: Path) -> None:
    top = ["--pooling", "top", "--encoder", "clip"]
    assert cupl("encode", "bank.yaml", "-o", "v.safetensors", *top).code == 0
    common = ["classify", "photos", "--reject", "none.yaml"]
    for name, source in (
        ("bank", ["--bank", "bank.yaml", *top]),
        ("vectors", ["--vectors", "v.safetensors", "--encoder", "clip"]),
    ):
        outcome = cupl(*common, *source, "-o", f"{name}.parquet")
        assert outcome.code == 0, outcome.err
    rows = [pq.read_table(f"{name}.parquet").to_pylist() for name in ("bank", "vectors")]
    assert rows[0] == rows[1]
    expected = ZeroShotClassifier.from_bank(
        "bank.yaml", load_encoder("clip"), pooling="top", reject="none.yaml", text_cache=False
    )
    plain = ZeroShotClassifier.from_bank("bank.yaml", load_encoder("clip"), text_cache=False)
    names = [entry.name for entry in PromptBank.load("bank.yaml")]
    for number, row in enumerate(rows[0]):
        (scores,) = expected.scores(Path("photos", f"{number}.png"))
        (others,) = plain.scores(Path("photos", f"{number}.png"))
        assert row["score"] == pytest.approx(max(scores), abs=1e-5)
        assert row["score"] != pytest.approx(max(others), abs=1e-5)
        assert row["label"] in (names[int(scores.argmax())], None)


def test_top_explains_itself(cupl: Cupl, work: Path) -> None:
    command = ["classify", "photos", "--bank", "bank.yaml", "--encoder", "clip", "--explain"]
    outcome = cupl(*command, "--pooling", "top", "--format", "jsonl")
    assert outcome.code == 0, outcome.err
    assert '"speak_for"' in outcome.out
