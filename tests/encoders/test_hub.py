"""The client of the model hub against a hub on this machine."""

import json
import pwd
import shutil
import socket
from pathlib import Path

import pytest
from huggingface_hub import constants

from cupl.encoders.hub import fetch_weights, find_model
from cupl.encoders.loading import load_encoder
from cupl.errors import InputError, MissingFileError, ServerError
from cupl.io.paths import cache_dir
from tests.hub import COMMIT, FILES, Hub, use_endpoint, write_cache
from tests.models import save_clip

pytestmark = pytest.mark.usefixtures("hub_cache")


def test_only_what_is_needed_is_fetched(hub: Hub, hub_cache: Path) -> None:
    hub.files |= {"model.safetensors": b"safe", "pytorch_model.bin": b"pickle", "flax.msgpack": b""}
    found = find_model("org/clip")
    assert found.revision == COMMIT
    assert sorted(hub.served) == ["config.json", "preprocessor_config.json", "tokenizer.json"]
    assert fetch_weights(found) is True
    assert hub.served[3:] == ["model.safetensors"]
    assert (found.folder / "model.safetensors").read_bytes() == b"safe"
    assert hub_cache in found.folder.parents


def test_a_pickle_is_fetched_where_there_is_nothing_better(
    hub: Hub, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    hub.files |= {"pytorch_model.bin": b"pickle"}
    found = find_model("org/clip")
    assert fetch_weights(found) is False
    assert (found.folder / "pytorch_model.bin").read_bytes() == b"pickle"
    assert "No files matched" not in caplog.text + capfd.readouterr().err


def test_a_model_without_weights_is_refused(hub: Hub) -> None:
    with pytest.raises(InputError, match=r"org/clip has no weights"):
        fetch_weights(find_model("org/clip"))


def test_a_download_that_was_stopped(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    found = find_model("org/clip")
    (found.folder.parent.parent / "blobs" / "abc.1.incomplete").write_bytes(b"sa")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match=r"download was stopped .* can be reached, HF_HUB_OFFLINE"):
        fetch_weights(found)


def test_a_folder_whose_download_was_stopped(tmp_path: Path) -> None:
    (tmp_path / ".cache/huggingface/download").mkdir(parents=True)
    (tmp_path / ".cache/huggingface/download/x.incomplete").touch()
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(InputError, match="has no weights: its download was stopped"):
        fetch_weights(find_model(str(tmp_path)))


def test_shards_are_fetched_and_all_are_wanted(hub: Hub) -> None:
    shards = [f"model-0000{i}-of-00002.safetensors" for i in (1, 2)]
    index = {"weight_map": {"a": shards[0], "b": shards[1]}}
    hub.files |= {"model.safetensors.index.json": json.dumps(index).encode()}
    hub.files |= {shard: shard.encode() for shard in shards}
    found = find_model("org/clip")
    assert fetch_weights(found) is True
    (found.folder / shards[1]).resolve().unlink()
    hub.served.clear()
    assert fetch_weights(found) is True
    assert hub.served == [shards[1]]


def test_no_home_is_needed(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(number: int) -> None:
        raise KeyError(number)

    monkeypatch.setattr(constants, "HF_HUB_CACHE", "~/.cache/huggingface/hub")
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", nobody)
    folder = find_model("org/clip").folder
    assert folder.is_relative_to(cache_dir() / "hub")
    assert not Path("~").exists()


def test_a_second_time_the_hub_is_not_asked(hub: Hub, request: pytest.FixtureRequest) -> None:
    hub.files |= {"pytorch_model.bin": b"pickle"}
    first = find_model("org/clip")
    fetch_weights(first)
    request.getfixturevalue("no_network")
    assert find_model("org/clip") == first
    assert fetch_weights(first) is False


@pytest.mark.usefixtures("no_network")
def test_a_cache_of_another_client_is_used(hub_cache: Path) -> None:
    snapshot = write_cache(hub_cache, FILES | {"pytorch_model.bin": b"pickle"})
    found = find_model("org/clip")
    assert (found.folder, found.revision) == (snapshot, COMMIT)
    assert fetch_weights(found) is False


def test_a_cached_model_is_loaded_with_its_revision(
    hub_cache: Path, request: pytest.FixtureRequest
) -> None:
    save_clip(write_cache(hub_cache, {}), safetensors=False)
    request.getfixturevalue("no_network")
    encoder = load_encoder("org/clip", "cpu")
    assert (encoder.id, encoder.revision) == ("org/clip", COMMIT)
    assert encoder.encode_text(["a photo of a cat"]).isfinite().all()


def test_half_a_model_in_the_cache_is_completed(hub: Hub, hub_cache: Path) -> None:
    write_cache(hub_cache, {"config.json": FILES["config.json"]})
    found = find_model("org/clip")
    assert (found.folder / "tokenizer.json").is_file()
    assert "config.json" not in hub.served


@pytest.mark.usefixtures("no_network")
def test_offline_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ServerError, match="org/clip is not on this machine") as caught:
        find_model("org/clip")
    assert "\n" not in str(caught.value)
    assert "HF_HUB_OFFLINE" in str(caught.value)
    assert "give a local directory, or the encoder 'mini'" in str(caught.value)


def test_a_hub_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        use_endpoint(monkeypatch, f"http://127.0.0.1:{unused.getsockname()[1]}")
        with pytest.raises(ServerError, match="could not be downloaded") as caught:
            find_model("org/clip")
    assert "\n" not in str(caught.value)
    assert "give a local directory, or the encoder 'mini'" in str(caught.value)


@pytest.mark.usefixtures("hub")
def test_a_model_the_hub_does_not_know() -> None:
    with pytest.raises(ServerError, match="the model hub has no model org/other"):
        find_model("org/other")


@pytest.mark.usefixtures("hub")
def test_a_gated_model() -> None:
    with pytest.raises(ServerError, match="org/gated is gated: accept its terms"):
        find_model("org/gated")


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("name", ["a/b/c", "two words", "a\0b", "x" * 200, "org/", "a\nb"])
def test_what_cannot_be_a_hub_name(name: str) -> None:
    with pytest.raises(InputError, match="neither a directory nor a model hub name") as caught:
        find_model(name)
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("name", ["./clip", "../clip", "~/no-such-clip", "/no/such/clip"])
def test_a_path_that_is_not_there(name: str) -> None:
    with pytest.raises(MissingFileError, match=f"^{name}: no such directory$"):
        find_model(name)


@pytest.mark.usefixtures("no_network")
def test_a_folder_comes_before_the_hub(tmp_path: Path) -> None:
    folder = tmp_path / "work" / "org" / "clip"
    folder.mkdir(parents=True)
    with pytest.raises(InputError, match=r"org/clip holds no model: there is no config\.json"):
        find_model("org/clip")
    shutil.copytree(write_cache(tmp_path / "cache", FILES), folder, dirs_exist_ok=True)
    found = find_model("org/clip")
    assert found.folder.resolve() == folder.resolve()
    assert found.revision is None


def test_a_file_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(InputError, match="is a file; name the directory of the model"):
        find_model(str(tmp_path / "model.safetensors"))


@pytest.mark.parametrize(
    "index", [b"", b"[]", b"{}", b'{"weight_map": []}', b'{"weight_map": {"a": 1}}']
)
def test_a_damaged_index_is_named(index: bytes, tmp_path: Path) -> None:
    for name, data in (FILES | {"model.safetensors.index.json": index}).items():
        (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match=r"model.safetensors.index.json is damaged"):
        fetch_weights(find_model(str(tmp_path)))
