import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from cupl.cli.encoder_options import files_of
from cupl.encoders.loading import load_encoder, load_recorded_encoder
from cupl.encoders.open_clip_files import find_open_clip
from cupl.encoders.open_clip_names import import_open_clip
from cupl.errors import InputError, MissingFileError, ServerError
from tests.encoders.files import edit_json
from tests.hub import COMMIT, LATER, Hub, write_cache
from tests.models import draw, save_clip
from tests.open_clip_models import CONFIGS, save_open_clip, save_roberta, write_config

WEIGHTS = "open_clip_model.safetensors"
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 5\n"
PICKLE = "open_clip_pytorch_model.bin"


class Evil:
    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.file}",)


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_open_clip(tmp_path_factory.mktemp("open_clip") / "saved")


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    """A copy to be changed."""
    return Path(shutil.copytree(saved, tmp_path / "model"))


@pytest.fixture
def tiny(saved: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An architecture that open_clip knows as its own, with published weights in org/clip."""
    open_clip = import_open_clip()
    known = open_clip.factory._MODEL_CONFIGS
    monkeypatch.setitem(known, "ViT-tiny-8", CONFIGS["clip"][0])
    published = {"hf_hub": "org/clip/", "mean": (0.5,) * 3, "quick_gelu": True}
    tags = {"random": published, "named": {**published, "hf_hub": "org/clip/pytorch_model.bin"}}
    tags["elsewhere"] = {"url": "https://example.org/x.pt"}
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, "ViT-tiny-8", tags)
    return "ViT-tiny-8"


def _torch_save(folder: Path, file: Path, prefix: str = "") -> None:
    state = {prefix + name: weights for name, weights in load_file(folder / WEIGHTS).items()}
    torch.save({"epoch": 3, "state_dict": state, "optimizer": {}} if prefix else state, file)


def _fixed(encoder: Any) -> torch.Tensor:
    return encoder.encode_text(["a photo of a cat."])  # type: ignore[no-any-return]


def test_a_directory_is_named_in_full(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    encoder = load_encoder("model", "cpu")
    assert (encoder.id, encoder.revision) == (str(folder), None)
    again = load_recorded_encoder(encoder.id, device="cpu")
    assert again.fingerprint == encoder.fingerprint
    by_name = load_encoder("open_clip:model", "cpu")
    assert by_name.id == f"open_clip:{folder}"
    assert load_recorded_encoder(by_name.id, device="cpu").fingerprint == encoder.fingerprint


def test_a_directory_of_both_libraries(folder: Path) -> None:
    save_clip(folder)
    both = load_encoder(folder, "cpu")
    assert type(both).__name__ == "ClipEncoder"
    assert load_encoder(f"open_clip:{folder}", "cpu").dim == 32
    edit = folder / "config.json"
    edit.write_text(json.dumps({"architecture": "vit_tiny"}))  # as timm writes it
    assert type(load_encoder(folder, "cpu")).__name__ == "OpenClipEncoder"


def test_weights_in_a_pickle_and_of_training(folder: Path, tiny: str, tmp_path: Path) -> None:
    expected = _fixed(load_encoder(folder, "cpu"))
    _torch_save(folder, tmp_path / "epoch_3.pt", "module.")
    _torch_save(folder, folder / PICKLE)
    (folder / WEIGHTS).rename(tmp_path / "mine.safetensors")
    assert torch.equal(_fixed(load_encoder(folder, "cpu")), expected)
    for file in ("epoch_3.pt", "mine.safetensors"):
        encoder = load_encoder(f"open_clip:{tiny}/{tmp_path / file}", "cpu")
        assert torch.equal(_fixed(encoder), expected)
        assert encoder.id == f"open_clip:{tiny}/{tmp_path / file}"
        assert encoder.fingerprint == load_recorded_encoder(encoder.id, device="cpu").fingerprint


@pytest.mark.parametrize("name", ["model.safetensors", "epoch_9.pt"])
def test_the_only_file_of_weights(folder: Path, name: str) -> None:
    if name.endswith(".pt"):
        _torch_save(folder, folder / name)
        (folder / WEIGHTS).unlink()
    else:
        (folder / WEIGHTS).rename(folder / name)
    assert find_open_clip(str(folder)).weights == folder / name
    (folder / "other.bin").write_bytes(b"")
    with pytest.raises(InputError, match=f"2 files of weights .*call the one.* {WEIGHTS}"):
        find_open_clip(str(folder))


def test_what_is_missing_or_damaged(folder: Path, saved: Path, tmp_path: Path) -> None:
    whole = (saved / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=f"{WEIGHTS} of .* are damaged: "):
        load_encoder(folder, "cpu")
    (folder / WEIGHTS).write_bytes(b"{" * len(whole))
    with pytest.raises(InputError, match="are damaged: "):
        load_encoder(folder, "cpu")
    (folder / WEIGHTS).write_bytes(b"")
    with pytest.raises(InputError, match="too small for .*: it is cut off"):
        load_encoder(folder, "cpu")
    (folder / WEIGHTS).write_text(POINTER)
    with pytest.raises(InputError, match="git-lfs pointer"):
        load_encoder(folder, "cpu")
    (folder / WEIGHTS).unlink()
    with pytest.raises(InputError, match=f"has no weights: neither {WEIGHTS} nor {PICKLE}"):
        load_encoder(folder, "cpu")


@pytest.mark.parametrize("kind", ["code", "script", "other"])
def test_weights_that_are_no_tensors(kind: str, folder: Path, tmp_path: Path) -> None:
    ran, room = tmp_path / "ran", torch.zeros(2_000_000)
    if kind == "script":
        model = torch.nn.Linear(2000, 1000)
        torch.jit.script(model).save(folder / PICKLE)  # type: ignore[no-untyped-call]
    elif kind == "code":
        torch.save({"room": room, "evil": Evil(ran)}, folder / PICKLE)
    else:
        torch.save([room], folder / PICKLE)
    (folder / WEIGHTS).unlink()
    said = {"code": "could run code", "script": "TorchScript", "other": "do not fit"}[kind]
    with pytest.raises(InputError, match=f"{PICKLE} of .*{said}"):
        load_encoder(folder, "cpu")
    assert not ran.exists()


def test_weights_of_another_architecture(folder: Path) -> None:
    config = json.loads((folder / "open_clip_config.json").read_text())["model_cfg"]
    config["vision_cfg"]["width"] = 48
    write_config(folder, config, {})
    with pytest.raises(InputError, match="do not fit its architecture: size mismatch for visual"):
        load_encoder(folder, "cpu")
    config["vision_cfg"].update(width=32, layers=3)
    write_config(folder, config, {})
    with pytest.raises(InputError, match="do not fit its architecture: Missing key.*resblocks.2"):
        load_encoder(folder, "cpu")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"embed_dim": 32, "vision_cfg": {"image_size": 32}}, "a text and an image tower"),
        ({"surprise": 1}, "configuration of .* cannot be used: .*surprise"),
        ({"vision_cfg": {"image_size": 32, "patch_size": 8, "width": 0}}, "cannot be used"),
        ({"text_cfg": {"width": 32, "heads": 5, "layers": 2}}, "cannot be used"),
    ],
)
def test_unusable_configurations(folder: Path, changes: dict[str, Any], said: str) -> None:
    config = {**CONFIGS["clip"][0], **changes}
    if said.startswith("a text"):
        del config["text_cfg"]
    write_config(folder, config, {})
    with pytest.raises(InputError, match=said):
        load_encoder(folder, "cpu")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"model_cfg": 1}', '{"model_cfg', "[" * 9**6])
def test_damaged_configurations(folder: Path, text: str) -> None:
    (folder / "open_clip_config.json").write_text(text)
    with pytest.raises(InputError, match=r"open_clip_config\.json"):
        load_encoder(folder, "cpu")


def test_a_tokenizer_that_is_missing_or_too_large(saved: Path, tmp_path: Path) -> None:
    folder = save_open_clip(tmp_path / "siglip2", "siglip2")
    (folder / "tokenizer.json").rename(tmp_path / "tokenizer.json")
    (folder / "tokenizer_config.json").rename(tmp_path / "tokenizer_config.json")
    with pytest.raises(InputError, match="holds no tokenizer.*'timm/siglip': put the files"):
        load_encoder(folder, "cpu")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).rename(folder / name)
    text = CONFIGS["siglip2"][0]["text_cfg"] | {"vocab_size": 99}
    tensors = load_file(folder / WEIGHTS)
    tensors["text.token_embedding.weight"] = tensors["text.token_embedding.weight"][:99]
    torch.save(tensors, folder / PICKLE)
    (folder / WEIGHTS).unlink()
    write_config(folder, {**CONFIGS["siglip2"][0], "text_cfg": text}, {})
    with pytest.raises(InputError, match="tokenizer of .* does not fit.* beyond the 99"):
        load_encoder(folder, "cpu")


def test_revisions_are_for_the_hub(folder: Path, tiny: str) -> None:
    for name in (str(folder), f"open_clip:{folder}", f"open_clip:{tiny}/{folder / WEIGHTS}"):
        with pytest.raises(InputError, match="has no revisions") as caught:
            load_encoder(name, "cpu", revision="main")
        assert caught.value.arguments == {"revision": False}


def test_files_that_no_result_may_replace(folder: Path) -> None:
    config, weights = folder / "open_clip_config.json", folder / WEIGHTS
    assert {config, weights} <= set(files_of(str(folder)))
    assert {config, weights} <= set(files_of(f"open_clip:{folder}"))
    assert files_of(f"open_clip:ViT-B-32/{weights}") == [weights]
    assert files_of(f"open_clip:ViT-B/32/{weights}") == [weights]
    assert files_of("open_clip:ViT-B-32/openai") == []


def _hub_files(folder: Path, *names: str) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in names}


@pytest.mark.usefixtures("no_network")
def test_a_repository_in_the_cache(saved: Path, hub_cache: Path) -> None:
    files = _hub_files(saved, "open_clip_config.json", WEIGHTS)
    write_cache(hub_cache, files)
    for name in ("org/clip", "open_clip:hf-hub:org/clip"):
        encoder = load_encoder(name, "cpu")
        assert (encoder.id, encoder.revision) == (name, COMMIT)
        assert encoder.fingerprint == load_encoder(saved, "cpu").fingerprint
        again = load_recorded_encoder(encoder.id, encoder.revision, device="cpu")
        assert again.revision == COMMIT


@pytest.mark.usefixtures("no_network")
def test_weights_of_a_tag_in_the_cache(saved: Path, hub_cache: Path, tiny: str) -> None:
    write_cache(hub_cache, _hub_files(saved, WEIGHTS))
    encoder = load_encoder(f"open_clip:{tiny}/Random", "cpu", download=False)
    assert (encoder.id, encoder.revision) == (f"open_clip:{tiny}/random", COMMIT)
    assert load_recorded_encoder(encoder.id, LATER, device="cpu").revision == COMMIT
    with pytest.raises(ServerError, match=r"revision 'v2', is not on this machine"):
        load_encoder(encoder.id, "cpu", revision="v2", download=False)
    with pytest.raises(InputError, match=f"weights of open_clip:{tiny}/elsewhere are not on"):
        load_encoder(f"open_clip:{tiny}/elsewhere", "cpu")


def test_a_tag_is_computed_as_it_was_trained(saved: Path, hub_cache: Path, tiny: str) -> None:
    """open_clip only warns where weights were trained with QuickGELU and the name says nothing."""
    write_cache(hub_cache, _hub_files(saved, WEIGHTS))
    tagged = load_encoder(f"open_clip:{tiny}/random", "cpu", download=False)
    of_file = load_encoder(f"open_clip:{tiny}/{saved / WEIGHTS}", "cpu")
    open_clip = import_open_clip()
    model = open_clip.create_model(tiny, str(saved / WEIGHTS), force_quick_gelu=True).eval()
    with torch.no_grad():
        theirs = model.encode_text(open_clip.get_tokenizer(tiny)(["a photo of a cat."]))
    assert torch.allclose(_fixed(tagged), theirs, atol=1e-5)
    assert not torch.allclose(_fixed(of_file), theirs, atol=1e-3)
    assert tagged.fingerprint != of_file.fingerprint
    pixel = tagged.prepare(draw(32, 32))
    assert pixel.max() > 0.99  # by the mean and deviation of the tag
    assert pixel.min() < -0.99


def test_nothing_is_downloaded_if_it_may_not_be(hub: Hub, hub_cache: Path, tiny: str) -> None:
    hub.files[WEIGHTS] = b"never"
    for name in (f"open_clip:{tiny}/random", "open_clip:hf-hub:org/clip"):
        with pytest.raises(ServerError, match="may not be downloaded") as caught:
            load_encoder(name, "cpu", download=False)
        assert caught.value.arguments == {"encoder": name}
        with pytest.raises(ServerError, match="nothing is downloaded only because"):
            load_recorded_encoder(name, device="cpu")
    assert hub.served == []


def test_a_repository_is_downloaded(saved: Path, hub: Hub, hub_cache: Path, tmp_path: Path) -> None:
    del hub.files["config.json"]
    hub.files |= _hub_files(saved, "open_clip_config.json", WEIGHTS)
    hub.files[PICKLE] = b"never wanted"
    encoder = load_encoder("org/clip", "cpu", revision="main")
    assert (encoder.id, encoder.revision) == ("org/clip", COMMIT)
    assert PICKLE not in hub.served
    hub.served.clear()
    assert torch.equal(_fixed(load_encoder("org/clip", "cpu")), _fixed(encoder))
    assert hub.served == []


def test_weights_of_a_tag_are_downloaded(
    saved: Path, hub: Hub, hub_cache: Path, tiny: str, tmp_path: Path
) -> None:
    _torch_save(saved, tmp_path / "weights")
    hub.files["pytorch_model.bin"] = (tmp_path / "weights").read_bytes()
    encoder = load_encoder(f"open_clip:{tiny}/named", "cpu")
    assert (encoder.id, encoder.revision) == (f"open_clip:{tiny}/named", COMMIT)
    with pytest.raises(InputError, match=f"no weights of open_clip: neither {WEIGHTS}"):
        load_encoder(f"open_clip:{tiny}/random", "cpu")


def test_parts_that_a_configuration_names(hub: Hub, hub_cache: Path, tmp_path: Path) -> None:
    folder = save_open_clip(tmp_path / "roberta", "roberta")
    tower = save_roberta(tmp_path / "tower")
    hub.files["config.json"] = (tower / "config.json").read_bytes()
    text = {**CONFIGS["roberta"][0]["text_cfg"], "hf_model_name": "org/clip"}
    write_config(folder, {**CONFIGS["roberta"][0], "text_cfg": text}, CONFIGS["roberta"][1])
    with pytest.raises(ServerError, match="org/clip is not on this machine and may not be"):
        load_encoder(folder, "cpu", download=False)
    assert hub.served == []
    assert load_encoder(folder, "cpu").dim == 32
    assert hub.served == ["config.json"]
    edit_json(tower / "config.json", model_type="evil", auto_map={"AutoConfig": "evil.Evil"})
    text["hf_model_name"] = str(tower)
    write_config(folder, {**CONFIGS["roberta"][0], "text_cfg": text}, {})
    with pytest.raises(InputError, match="text tower of the type 'evil'"):
        load_encoder(folder, "cpu")
    text["hf_model_name"] = "/no/such/tower"
    write_config(folder, {**CONFIGS["roberta"][0], "text_cfg": text}, {})
    with pytest.raises(MissingFileError, match="/no/such/tower"):
        load_encoder(folder, "cpu")
