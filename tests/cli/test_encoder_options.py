"""The options of the commands that take an encoder."""

import shutil
from pathlib import Path

import pytest
from huggingface_hub import constants
from PIL import Image

from cupl.embedding.class_vectors import ClassVectors
from cupl.embedding.image_vectors import load_embeddings
from cupl.io.paths import cache_dir
from tests.cli.conftest import Cupl
from tests.hub import COMMIT, LATER, Hub, hub, hub_cache, no_network, write_cache
from tests.models import bank_of, save_clip

__all__ = ["hub", "hub_cache", "no_network"]
pytestmark = pytest.mark.usefixtures("hub_cache")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture
def work(hub_cache: Path) -> Path:
    """Where the command runs: a bank, and a photo of each of its classes."""
    folder = Path.cwd()
    bank = {"cat": ["A cat.", "It has a tail."], "dog": ["A dog.", "It has a large tail."]}
    bank_of(bank).save(folder / "bank.yaml")
    for number, name in enumerate(("cat", "dog")):
        (folder / "photos" / name).mkdir(parents=True)
        Image.new("RGB", (30, 20), (200 * number, 90, 30)).save(folder / f"photos/{name}/1.png")
    return folder


@pytest.fixture
def two_revisions(hub_cache: Path, clip: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A cache in which the main branch is at one commit, and another is there too."""
    other = save_clip(tmp_path_factory.mktemp("later"), seed=1)
    shutil.copytree(clip, write_cache(hub_cache, {}), dirs_exist_ok=True)
    shutil.copytree(other, write_cache(hub_cache, {}, LATER, "v2"), dirs_exist_ok=True)


COMMANDS: dict[str, list[object]] = {
    "encode": ["encode", "bank.yaml", "-o", "made"],
    "embed": ["embed", "photos", "-o", "made"],
    "classify": ["classify", "photos", "--bank", "bank.yaml", "-o", "made.csv"],
    "evaluate": ["evaluate", "photos", "--bank", "bank.yaml", "-o", "made", "--seeds", 1],
    "prune": ["bank", "prune", "bank.yaml", "-o", "made.yaml", "--by", "redundancy"],
}


@pytest.mark.usefixtures("two_revisions", "work", "no_network")
@pytest.mark.parametrize("command", COMMANDS)
def test_a_revision_is_taken(command: str, cupl: Cupl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    outcome = cupl(*COMMANDS[command], "--encoder", "org/clip", "--revision", "v9")
    assert outcome.code == 1
    assert "org/clip, revision 'v9', is not on this machine" in outcome.err
    outcome = cupl(*COMMANDS[command], "--encoder", "org/clip", "--revision", "v2")
    assert outcome.code == 0, outcome.err


@pytest.mark.usefixtures("two_revisions", "work", "no_network")
def test_what_is_made_says_which_revision_made_it(cupl: Cupl) -> None:
    named = ["--encoder", "org/clip", "--revision", LATER]
    assert cupl(*COMMANDS["encode"], *named).code == 0
    assert ClassVectors.load("made").provenance.revision == LATER
    assert cupl("embed", "photos", "-o", "vectors", *named).code == 0
    assert load_embeddings("vectors").provenance.revision == LATER


@pytest.mark.usefixtures("work", "no_network")
def test_mini_and_folders_have_no_revisions(cupl: Cupl, clip: Path) -> None:
    for encoder in ("mini", clip):
        outcome = cupl(*COMMANDS["encode"], "--encoder", encoder, "--revision", "main")
        assert outcome.code == 1
        assert "has no revisions: leave it out (without --revision)" in outcome.err


@pytest.mark.usefixtures("two_revisions", "work", "no_network")
def test_vectors_are_used_with_the_revision_that_made_them(cupl: Cupl) -> None:
    """Whatever the main branch of the cache is at."""
    named = ["--encoder", "org/clip", "--revision", "v2"]
    assert cupl("encode", "bank.yaml", "-o", "v.safetensors", *named).code == 0
    assert cupl("embed", "photos", "-o", "images", *named).code == 0
    assert cupl("classify", "photos", "--vectors", "v.safetensors").code == 0
    assert cupl("evaluate", "images", "--bank", "bank.yaml", "--seeds", 1).code == 0


@pytest.mark.usefixtures("two_revisions", "work", "no_network")
def test_vectors_of_a_revision_that_is_gone_say_how_to_get_it(cupl: Cupl, hub_cache: Path) -> None:
    named = ["--encoder", "org/clip", "--revision", "v2"]
    assert cupl("encode", "bank.yaml", "-o", "v.safetensors", *named).code == 0
    assert cupl("embed", "photos", "-o", "images", *named).code == 0
    shutil.rmtree(hub_cache / "models--org--clip" / "snapshots" / LATER)
    for command in (
        ["classify", "photos", "--vectors", "v.safetensors"],
        ["evaluate", "images", "--bank", "bank.yaml", "--seeds", 1],
    ):
        outcome = cupl(*command)
        assert outcome.code == 1
        said = f"made by revision '{LATER}' of 'org/clip', and this is revision '{COMMIT}'"
        assert said in outcome.err
        assert outcome.err.rstrip().endswith(f"(--revision {LATER})")
        outcome = cupl(*command, "--revision", LATER)
        assert "may not be downloaded" in outcome.err
        assert "(--encoder org/clip)" in outcome.err


@pytest.mark.usefixtures("work", "no_network")
def test_a_file_does_not_decide_what_is_downloaded(cupl: Cupl, hub_cache: Path, clip: Path) -> None:
    shutil.copytree(clip, write_cache(hub_cache, {}), dirs_exist_ok=True)
    assert cupl("encode", "bank.yaml", "-o", "v.safetensors", "--encoder", "org/clip").code == 0
    assert cupl("embed", "photos", "-o", "images", "--encoder", "org/clip").code == 0
    shutil.rmtree(hub_cache)
    for command in (
        ["classify", "photos", "--vectors", "v.safetensors"],
        ["evaluate", "images", "--bank", "bank.yaml", "--seeds", 1],
    ):
        outcome = cupl(*command)
        assert outcome.code == 1
        assert "nothing is downloaded only because a file names it" in outcome.err
        assert outcome.err.rstrip().endswith("(--encoder org/clip)")


@pytest.mark.usefixtures("work")
def test_a_model_that_a_person_names_is_downloaded(
    cupl: Cupl, clip: Path, hub: Hub, hub_cache: Path
) -> None:
    hub.files |= {path.name: path.read_bytes() for path in clip.iterdir()}
    assert cupl("encode", "bank.yaml", "-o", "v.safetensors", "--encoder", "org/clip").code == 0
    shutil.rmtree(hub_cache)
    hub.served.clear()
    assert cupl("classify", "photos", "--vectors", "v.safetensors").code == 1
    assert hub.served == []
    outcome = cupl("classify", "photos", "--vectors", "v.safetensors", "--encoder", "org/clip")
    assert outcome.code == 0, outcome.err
    assert "model.safetensors" in hub.served


TEXT_COMMANDS: dict[str, list[object]] = {
    name: command for name, command in COMMANDS.items() if name != "embed"
}


@pytest.mark.usefixtures("work", "no_network")
@pytest.mark.parametrize("command", TEXT_COMMANDS)
def test_embeddings_are_kept_where_one_says_or_nowhere(
    command: str, cupl: Cupl, clip: Path
) -> None:
    usual = cache_dir() / "embeddings"
    named = [*TEXT_COMMANDS[command], "--encoder", clip, "--embedding-cache"]
    outcome = cupl(*named, "none")
    assert outcome.code == 0, outcome.err
    assert not usual.exists()
    outcome = cupl(*named, Path("there") / "kept")
    assert outcome.code == 0, outcome.err
    assert (Path("there") / "kept" / "cache.db").exists()
    assert not usual.exists()


@pytest.mark.usefixtures("work", "no_network")
def test_those_of_a_reject_bank_and_of_explanations_too(cupl: Cupl, clip: Path) -> None:
    bank_of({"wall": ["A wall."], "sky": ["The sky."]}, "others").save("others.yaml")
    outcome = cupl(
        "classify", "photos", "--bank", "bank.yaml", "--encoder", clip, "--reject", "others.yaml",
        "--explain", "--embedding-cache", "none",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    assert not (cache_dir() / "embeddings").exists()
