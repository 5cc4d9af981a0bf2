"""``cupl adapt --examples``, with the embedded encoder and pictures that it can see."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from cupl.classification.classifier import ZeroShotClassifier
from cupl.embedding.class_vectors import ClassVectors
from tests.cli.conftest import Cupl
from tests.models import bank_of, draw

NAMES = ("cat", "dog", "boat")
COLORS = ((220, 30, 30), (30, 200, 40), (40, 40, 210))


def save_pictures(folder: Path, shots: int, first: int = 0) -> Path:
    """A folder for each class, each of one colour with noise."""
    for number, name in enumerate(NAMES):
        (folder / name).mkdir(parents=True)
        for seed in range(first, first + shots):
            noise = draw(24, 24, seed=100 * number + seed)
            plain = Image.new("RGB", (24, 24), COLORS[number])
            Image.blend(plain, noise, 0.4).save(folder / name / f"{seed}.png")
    return folder


@pytest.fixture
def vectors(cupl: Cupl, tmp_path: Path) -> Path:
    bank_of({name: [f"a photo of a {name}."] for name in NAMES}).save(tmp_path / "bank.yaml")
    path = tmp_path / "v.safetensors"
    outcome = cupl("encode", tmp_path / "bank.yaml", "-o", path, "--encoder", "mini")
    assert outcome.code == 0, outcome.err
    return path


def share_right(vectors: Path, folder: Path) -> float:
    loaded = ClassVectors.load(vectors)
    classifier = ZeroShotClassifier(loaded, loaded.load_encoder())
    found = [
        (name, classifier.predict(path).label)
        for name in NAMES
        for path in sorted((folder / name).iterdir())
    ]
    return sum(name == label for name, label in found) / len(found)


def test_examples_make_the_classifier_better(cupl: Cupl, vectors: Path, tmp_path: Path) -> None:
    examples, others = save_pictures(tmp_path / "a", 6), save_pictures(tmp_path / "b", 5, 50)
    new = tmp_path / "new.safetensors"
    outcome = cupl("adapt", vectors, "--examples", examples, "-o", new)
    assert outcome.code == 0, outcome.err
    assert "18 examples: " in outcome.err
    assert "each of 18 left out: " in outcome.err
    assert f"next: cupl classify IMAGE... --vectors {new}" in outcome.err
    made = ClassVectors.load(new).provenance.adaptation
    assert made is not None
    assert made.images == 18
    assert share_right(new, others) > share_right(vectors, others) + 0.3


def test_embedded_images_give_the_same_bytes(cupl: Cupl, vectors: Path, tmp_path: Path) -> None:
    examples = save_pictures(tmp_path / "a", 3)
    assert cupl("embed", examples, "-o", tmp_path / "e", "--encoder", "mini").code == 0
    for source, name in ((examples, "one"), (tmp_path / "e", "two")):
        outcome = cupl("adapt", vectors, "--examples", source, "-o", tmp_path / name)
        assert outcome.code == 0, outcome.err
    one, two = (ClassVectors.load(tmp_path / name) for name in ("one", "two"))
    assert one.provenance == two.provenance
    assert one.adapter is not None
    assert two.adapter is not None
    assert (one.adapter.weights - two.adapter.weights).abs().max() < 1e-3


def test_a_list_of_labels_may_have_some_classes_only(
    cupl: Cupl, vectors: Path, tmp_path: Path
) -> None:
    save_pictures(tmp_path / "a", 2)
    rows = [f"a/{name}/{number}.png,{name}" for name in NAMES[:2] for number in range(2)]
    (tmp_path / "list.csv").write_text("\n".join(["path,label", *rows, "a/boat/0.png,ship"]))
    new = tmp_path / "new.safetensors"
    refused = cupl("adapt", vectors, "--examples", tmp_path / "list.csv", "-o", new)
    assert refused.code == 1
    assert "'ship'" in refused.err
    assert "--skip-unmatched" in refused.err
    assert not new.exists()
    outcome = cupl(
        "adapt", vectors, "--examples", tmp_path / "list.csv", "-o", new, "--skip-unmatched"
    )
    assert outcome.code == 0, outcome.err
    assert "1 image left out: the label means no class" in outcome.err
    assert "1 class stays as the text made it, without an example: 'boat'" in outcome.err
    assert "what they are worth cannot be told" in outcome.err


def test_an_image_that_cannot_be_read_is_named(cupl: Cupl, vectors: Path, tmp_path: Path) -> None:
    examples = save_pictures(tmp_path / "a", 2)
    (examples / "cat" / "0.png").write_bytes(b"no picture")
    new = tmp_path / "new.safetensors"
    outcome = cupl("adapt", vectors, "--examples", examples, "-o", new)
    assert outcome.code == 3
    assert "1 image of 6 could not be read" in outcome.err
    assert "5 examples: " in outcome.err
    assert new.exists()


def test_vectors_of_another_encoder_are_refused(cupl: Cupl, vectors: Path, tmp_path: Path) -> None:
    examples = save_pictures(tmp_path / "a", 1)
    assert cupl("embed", examples, "-o", tmp_path / "e", "--encoder", "mini").code == 0
    loaded = ClassVectors.load(vectors)
    other = ClassVectors.from_arrays(list(NAMES), loaded.matrix)
    other.save(tmp_path / "other.safetensors")
    outcome = cupl(
        "adapt", tmp_path / "other.safetensors", "--examples", tmp_path / "e", "-o", vectors
    )
    assert outcome.code == 1
    assert "encode both with the same" in outcome.err
    assert ClassVectors.load(vectors).provenance == loaded.provenance


def test_the_result_takes_no_input_s_place(cupl: Cupl, vectors: Path, tmp_path: Path) -> None:
    before = vectors.read_bytes()
    examples = save_pictures(tmp_path / "a", 1)
    outcome = cupl("adapt", vectors, "--examples", examples, "-o", vectors)
    assert outcome.code == 1
    assert "also what is read" in outcome.err
    assert vectors.read_bytes() == before
