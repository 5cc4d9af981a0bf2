"""A model at a commit, branch or tag of its own; and models that may not be downloaded."""

import shutil
from pathlib import Path

import pytest
from huggingface_hub import constants

from cupl.encoders.hub import fetch_weights, find_model
from cupl.encoders.loading import load_encoder, load_recorded_encoder
from cupl.errors import InputError, MissingFileError, ServerError
from tests.hub import COMMIT, FILES, LATER, Hub, write_cache
from tests.models import save_clip

pytestmark = pytest.mark.usefixtures("hub_cache")
GONE = "f" * 40


@pytest.fixture
def moved(hub: Hub) -> Hub:
    """A hub whose main branch has moved on, and whose tag v1 has not."""
    hub.commits[LATER] = FILES | {
        "config.json": b'{"model_type": "siglip"}',
        "pytorch_model.bin": b"",
    }
    hub.refs = {"main": LATER, "v1": COMMIT, "refs/pr/7": COMMIT, "experiments/large": LATER}
    return hub


@pytest.mark.usefixtures("moved")
@pytest.mark.parametrize(
    ("revision", "commit"),
    [
        (None, LATER),
        ("main", LATER),
        (COMMIT, COMMIT),
        (LATER, LATER),
        ("v1", COMMIT),
        ("refs/pr/7", COMMIT),
        ("experiments/large", LATER),
    ],
)
def test_a_commit_branch_or_tag_is_fetched(revision: str | None, commit: str) -> None:
    found = find_model("org/clip", revision)
    assert found.revision == commit
    kind = "siglip" if commit == LATER else "clip"
    assert kind in (found.folder / "config.json").read_text("utf-8")


@pytest.mark.parametrize("revision", [COMMIT, "v1", "refs/pr/7"])
def test_a_second_time_the_hub_is_not_asked(
    revision: str, moved: Hub, request: pytest.FixtureRequest
) -> None:
    moved.files["pytorch_model.bin"] = b"pickle"
    first = find_model("org/clip", revision)
    assert fetch_weights(first) is False
    request.getfixturevalue("no_network")
    assert find_model("org/clip", revision) == first
    assert fetch_weights(first) is False
    assert find_model("org/clip", COMMIT) == first


def test_weights_are_those_of_the_revision(moved: Hub) -> None:
    moved.files["model.safetensors"] = b"old"
    moved.commits[LATER]["model.safetensors"] = b"new"
    for revision, weights in (("v1", b"old"), ("main", b"new")):
        found = find_model("org/clip", revision)
        assert fetch_weights(found) is True
        assert (found.folder / "model.safetensors").read_bytes() == weights


@pytest.mark.usefixtures("moved")
@pytest.mark.parametrize("revision", ["v9", GONE, "no/such/branch"])
def test_a_revision_that_the_hub_does_not_have(revision: str) -> None:
    said = (
        f"the model hub has no revision {revision!r} of org/clip: a commit, branch or tag is needed"
    )
    with pytest.raises(ServerError) as caught:
        find_model("org/clip", revision)
    assert str(caught.value) == said


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize(
    "revision",
    ["", ".", "..", "../main", "a/../b", "/main", "main/", "a\0b", "a b", "a\n", "x" * 300],
)
def test_what_can_be_no_revision(revision: str) -> None:
    with pytest.raises(InputError, match="is no revision: a commit, branch or tag") as caught:
        find_model("org/clip", revision)
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("no_network")
def test_offline_the_revision_that_is_missing_is_named(
    hub_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    write_cache(hub_cache, FILES)
    with pytest.raises(ServerError, match="org/clip, revision 'v1', is not on this machine and"):
        find_model("org/clip", "v1")
    assert find_model("org/clip", COMMIT).revision == COMMIT


@pytest.mark.usefixtures("no_network")
def test_a_pinned_commit_in_the_cache_needs_no_branch(hub_cache: Path) -> None:
    write_cache(hub_cache, FILES, COMMIT, "v1")
    snapshot = write_cache(hub_cache, FILES, LATER)
    shutil.rmtree(hub_cache / "models--org--clip" / "refs")
    assert find_model("org/clip", LATER).folder == snapshot


@pytest.mark.usefixtures("no_network")
def test_an_encoder_is_loaded_at_its_revision(hub_cache: Path) -> None:
    save_clip(write_cache(hub_cache, {}), seed=0)
    save_clip(write_cache(hub_cache, {}, LATER, "next"), seed=1)
    usual = load_encoder("org/clip", "cpu")
    pinned = load_encoder("org/clip", "cpu", revision=LATER)
    branch = load_encoder("org/clip", "cpu", revision="next")
    assert [usual.revision, pinned.revision, branch.revision] == [COMMIT, LATER, LATER]
    assert usual.fingerprint != pinned.fingerprint == branch.fingerprint


@pytest.mark.usefixtures("no_network")
def test_a_folder_of_ones_own_has_no_revisions(tmp_path: Path) -> None:
    folder = save_clip(tmp_path / "clip")
    with pytest.raises(InputError, match=r"clip is a folder and has no revisions: leave it out"):
        load_encoder(folder, "cpu", revision="main")


@pytest.mark.usefixtures("no_network")
def test_mini_has_no_revisions() -> None:
    with pytest.raises(InputError, match="mini comes with its packages and has no revisions") as e:
        load_encoder("mini", "cpu", revision="main")
    assert e.value.arguments == {"revision": False}


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("revision", [None, COMMIT, "v1"])
def test_what_may_not_be_downloaded_is_not(revision: str | None, hub_cache: Path) -> None:
    write_cache(hub_cache, FILES, LATER, "other")
    for find in (find_model, load_encoder):
        with pytest.raises(ServerError, match="org/clip.* is not on this machine") as caught:
            find("org/clip", revision=revision, download=False)
        assert caught.value.arguments == {"encoder": "org/clip"}


@pytest.mark.usefixtures("no_network")
def test_half_a_model_may_not_be_completed_either(hub_cache: Path) -> None:
    snapshot = write_cache(hub_cache, {"config.json": FILES["config.json"]})
    with pytest.raises(ServerError, match="org/clip is not on this machine"):
        find_model("org/clip", download=False)
    for name, data in FILES.items():
        (snapshot / name).write_bytes(data)
    found = find_model("org/clip", download=False)
    with pytest.raises(ServerError, match="org/clip is not on this machine") as caught:
        fetch_weights(found)
    assert caught.value.arguments == {"encoder": "org/clip"}
    (snapshot / "pytorch_model.bin").write_bytes(b"pickle")
    assert fetch_weights(found) is False


@pytest.mark.usefixtures("no_network")
def test_what_is_here_needs_no_download(hub_cache: Path, tmp_path: Path) -> None:
    save_clip(write_cache(hub_cache, {}))
    assert load_encoder("org/clip", "cpu", download=False).revision == COMMIT
    assert load_encoder(save_clip(tmp_path / "clip"), "cpu", download=False).revision is None


@pytest.mark.usefixtures("no_network")
def test_an_encoder_that_a_file_names_is_not_downloaded() -> None:
    for revision in (None, COMMIT, "main"):
        with pytest.raises(ServerError) as caught:
            load_recorded_encoder("org/clip", revision)
        assert str(caught.value) == (
            "the encoder 'org/clip' is not on this machine, and nothing is downloaded only because "
            "a file names it: to allow that, name it as the encoder"
        )
        assert caught.value.arguments == {"encoder": "org/clip"}


@pytest.mark.usefixtures("no_network")
def test_an_encoder_that_a_file_names_is_taken_at_its_revision(hub_cache: Path) -> None:
    save_clip(write_cache(hub_cache, {}), seed=0)
    save_clip(write_cache(hub_cache, {}, LATER, "next"), seed=1)
    for recorded, found in ((COMMIT, COMMIT), (LATER, LATER), (None, COMMIT), (GONE, COMMIT)):
        assert load_recorded_encoder("org/clip", recorded, "cpu").revision == found


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("revision", ["../../x", "main", "a\0b", "", COMMIT, LATER.upper()])
def test_a_revision_in_a_file_is_believed_where_it_is_a_commit(
    revision: str, hub_cache: Path, tmp_path: Path
) -> None:
    save_clip(write_cache(hub_cache, {}, COMMIT, "main"))
    assert load_recorded_encoder("org/clip", revision, "cpu").revision == COMMIT
    folder = save_clip(tmp_path / "clip")
    assert load_recorded_encoder(str(folder), revision, "cpu").id == str(folder)


@pytest.mark.usefixtures("no_network")
def test_a_folder_that_a_file_names_and_that_is_not_here() -> None:
    with pytest.raises(MissingFileError, match="/no/such/clip: no such directory"):
        load_recorded_encoder("/no/such/clip")
