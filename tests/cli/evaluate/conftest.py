"""``cupl evaluate`` on small pictures, and on vectors that lie near their class."""

from pathlib import Path

import pytest
import torch

from cupl.bank.model import PromptBank
from cupl.embedding.bank_encoding import encode_bank
from cupl.encoders.loading import load_encoder
from tests.cli.conftest import Cupl, Outcome
from tests.cli.evaluate.files import ANIMALS, add_images, save_vectors
from tests.cli.evaluate.world import World, make_world
from tests.models import bank_of, save_clip


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bank of three classes and an ImageFolder with 21 pictures of noise."""
    bank_of(ANIMALS).save(tmp_path / "bank.yaml")
    for place, folder in enumerate(("cat", "dog", "tree_frog")):
        add_images(tmp_path / "photos" / folder, 7, place)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def evaluate(cupl: Cupl, clip: Path, work: Path) -> Cupl:
    """``evaluate(...)`` judges ``bank.yaml`` on ``photos`` unless it is told otherwise."""

    def run(*options: object, data: object = "photos", bank: object = "bank.yaml") -> Outcome:
        encoder = () if "--encoder" in options else ("--encoder", clip)
        return cupl("evaluate", data, "--bank", bank, *encoder, *options)

    return run


@pytest.fixture
def near(clip: Path, work: Path) -> Path:
    """Vectors of 60 images near the class vectors of ``bank.yaml``, most of them right."""
    centres = encode_bank(PromptBank.load("bank.yaml"), load_encoder(str(clip))).matrix
    random = torch.Generator().manual_seed(0)
    noise = torch.randn(60, 16, generator=random) * 3 * centres.std(dim=0).mean()
    names = [f"set/{('cat', 'dog', 'tree_frog')[i % 3]}/{i}.png" for i in range(60)]
    save_vectors(work / "near", clip, names, centres[torch.arange(60) % 3] + noise)
    return work / "near"


@pytest.fixture(scope="package")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Nine classes, two of one name, one with one image and one with none; 320 images."""
    clip = save_clip(tmp_path_factory.mktemp("clip"))
    return make_world(clip, tmp_path_factory.mktemp("world"))
