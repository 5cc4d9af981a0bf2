from pathlib import Path

import pytest
import torch

from cupl.embedding.class_vectors import ClassVectors
from tests.cli.conftest import Cupl
from tests.models import bank_of, draw, save_clip


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture
def bank(tmp_path: Path) -> Path:
    path = tmp_path / "bank.yaml"
    bank_of({"cat": ["A cat is small."], "tree frog": ["A tree frog.", "a " * 200]}).save(path)
    return path


def test_class_vectors_are_written(cupl: Cupl, clip: Path, bank: Path, tmp_path: Path) -> None:
    outcome = cupl("encode", bank, "-o", tmp_path / "v.safetensors", "--encoder", clip)
    assert outcome.code == 0, outcome.err
    assert "1 prompt longer than 77 tokens, cut:\n  tree frog: a a a" in outcome.err
    assert "2 class vectors of 16 numbers" in outcome.err
    vectors = ClassVectors.load(tmp_path / "v.safetensors")
    assert [label.name for label in vectors.labels] == ["cat", "tree frog"]
    assert torch.allclose(vectors.matrix.norm(dim=1), torch.ones(2))


def test_strict_refuses_a_prompt_that_is_too_long(
    cupl: Cupl, clip: Path, bank: Path, tmp_path: Path
) -> None:
    outcome = cupl("encode", bank, "-o", tmp_path / "v.safetensors", "--encoder", clip, "--strict")
    assert outcome.code == 1
    assert "tree frog" in outcome.err
    assert not (tmp_path / "v.safetensors").exists()


def test_settings_reach_the_vectors(cupl: Cupl, clip: Path, bank: Path, tmp_path: Path) -> None:
    made = {}
    for name, options in {
        "plain": [],
        "pooled": ["--pooling", "similarity"],
        "concat": ["--templates", "photo"],
        "average": ["--templates", "photo", "--combine", "average"],
    }.items():
        path = tmp_path / f"{name}.safetensors"
        assert cupl("encode", bank, "-o", path, "--encoder", clip, *options).code == 0
        made[name] = ClassVectors.load(path)
    assert made["concat"].provenance.templates == ("a photo of a {}.",)
    path = tmp_path / "top.safetensors"
    assert cupl("encode", bank, "-o", path, "--encoder", clip, "--pooling", "top").code == 0
    top = ClassVectors.load(path)
    assert top.parts is not None
    assert top.parts.counts == (1, 2)
    assert torch.equal(top.matrix, made["plain"].matrix)
    matrices = [vectors.matrix for vectors in made.values()]
    for i, first in enumerate(matrices):
        assert not any(torch.allclose(first, other) for other in matrices[i + 1 :])


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["nothing.yaml", "-o", "v"], 1, "nothing.yaml: no such file"),
        (["bank.yaml", "-o", "no/v"], 1, "does not exist"),
        (["bank.yaml", "-o", "bank.yaml"], 1, "also what is read"),
        (["bank.yaml", "-o", "v", "--encoder", "./no"], 1, "no"),
        (["bank.yaml", "-o", "v", "--device", "tpu"], 1, "tpu"),
        (["bank.yaml", "-o", "v", "--pooling", "max"], 2, "max"),
        (["bank.yaml", "-o", "v", "--templates", "no.yaml"], 1, "no such templates file"),
    ],
)
def test_wrong_arguments(
    cupl: Cupl,
    bank: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    monkeypatch.chdir(bank.parent)
    outcome = cupl("encode", *arguments)
    assert outcome.code == code
    assert message in outcome.err
    assert [path.name for path in bank.parent.iterdir()] == ["bank.yaml"]


def test_a_class_that_can_never_win_is_told(cupl: Cupl, clip: Path, tmp_path: Path) -> None:
    bank, vectors = tmp_path / "twins.yaml", tmp_path / "v.safetensors"
    bank.write_text(
        "format: cupl-bank/1\nname: t\nclasses:\n"
        "- {name: cat, id: n1, prompts: [A cat is small., A photo of a cat.]}\n"
        "- {name: cat, id: n2, prompts: [A photo of a cat., A cat is small.]}\n"
        "- {name: dog, prompts: [A dog is large.]}\n"
    )
    outcome = cupl("encode", bank, "-o", vectors, "--encoder", clip)
    assert outcome.code == 0
    assert "warning: the same class vector has 'cat (n2)' after 'cat (n1)'" in outcome.err
    image = tmp_path / "a.png"
    draw(20, 20).save(image)
    for given in (["--vectors", vectors], ["--bank", bank, "--encoder", clip]):
        outcome = cupl("classify", image, *given)
        assert outcome.code == 0, outcome.err
        assert outcome.err.count("the later class can never win") == 1


def test_only_some_classes(cupl: Cupl, clip: Path, bank: Path, tmp_path: Path) -> None:
    out = tmp_path / "v.safetensors"
    options = ("-o", out, "--encoder", clip, "--embedding-cache", "none")
    outcome = cupl("encode", bank, *options, "--classes", "tree_frog")
    assert outcome.code == 0, outcome.err
    assert [label.name for label in ClassVectors.load(out).labels] == ["tree frog"]
    outcome = cupl("encode", bank, *options, "--classes", "tree frogs")
    assert outcome.code == 1
    assert "has no class 'tree frogs': nearly 'tree frog'\n" in outcome.err
