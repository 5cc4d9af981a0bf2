"""Adapters of peft, made and saved by peft itself for tiny models."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoTokenizer, CLIPModel

from cupl.classification.classifier import ZeroShotClassifier
from cupl.embedding.bank_encoding import encode_bank
from cupl.encoders.loading import load_encoder, load_recorded_encoder
from cupl.encoders.transformers_dual import DualEncoder
from cupl.errors import InputError, MissingPackageError, ServerError
from tests.encoders.families import SAVE
from tests.encoders.files import edit_json
from tests.encoders.test_families import OWN, Own
from tests.hub import COMMIT, Hub
from tests.models import bank_of, draw, save_clip, save_siglip

peft = pytest.importorskip("peft")

TEXTS = ["", "a cat", "A photo of a small CAT.", "dog " * 200]
BOTH = ["q_proj", "v_proj"]
VISION = r"vision_model.*\.(q_proj|fc1)"
CONFIGS: dict[str, Any] = {
    "both towers": lambda: peft.LoraConfig(target_modules=BOTH),
    "text": lambda: peft.LoraConfig(target_modules=r"text_model.*\.out_proj", lora_alpha=32),
    "vision": lambda: peft.LoraConfig(target_modules=VISION, use_rslora=True),
    "DoRA": lambda: peft.LoraConfig(target_modules=BOTH, use_dora=True),
    "PiSSA": lambda: peft.LoraConfig(target_modules=BOTH, init_lora_weights="pissa"),
    "ranks": lambda: peft.LoraConfig(target_modules=BOTH, rank_pattern={"q_proj": 2}),
    "projections": lambda: peft.LoraConfig(
        target_modules=BOTH, modules_to_save=["visual_projection", "text_projection"]
    ),
    "patches": lambda: peft.LoraConfig(target_modules=["patch_embedding", "fc2"]),
    "features": lambda: peft.LoraConfig(target_modules=BOTH, task_type="FEATURE_EXTRACTION"),
    "LoHa": lambda: peft.LoHaConfig(target_modules=BOTH),
    "LoKr": lambda: peft.LoKrConfig(target_modules=BOTH),
    "IA3": lambda: peft.IA3Config(target_modules=["k_proj", "fc2"], feedforward_modules=["fc2"]),
    "OFT": lambda: peft.OFTConfig(target_modules=BOTH, oft_block_size=4, r=0),
}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_clip(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def adapter(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_adapter(CLIPModel, base, CONFIGS["both towers"](), tmp_path_factory.mktemp("lora"))


@pytest.fixture
def copy(adapter: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(adapter, tmp_path / "copy"))


def save_adapter(kind: Any, base: Path, config: Any, folder: Path) -> Path:
    """Train an adapter by chance, and save it."""
    torch.manual_seed(1)
    model = peft.get_peft_model(kind.from_pretrained(base), config)
    for weight in model.parameters():
        if weight.requires_grad:
            weight.data += 0.1 * torch.randn_like(weight)
    model.save_pretrained(folder)
    return folder


def merged(kind: Any, base: Path, folder: Path) -> Any:
    """As peft itself merges it."""
    return peft.PeftModel.from_pretrained(kind.from_pretrained(base), folder).merge_and_unload()


def load(folder: Path, precision: str = "auto") -> DualEncoder:
    loaded = load_encoder(str(folder), "cpu", precision)
    assert isinstance(loaded, DualEncoder)
    return loaded


@torch.inference_mode()
def texts_of(model: Any, base: Path) -> torch.Tensor:
    tokens = AutoTokenizer.from_pretrained(base)(
        TEXTS, padding="max_length", max_length=77, truncation=True, return_tensors="pt"
    )
    vectors: torch.Tensor = model.get_text_features(**tokens).pooler_output
    return vectors


@pytest.mark.parametrize("name", CONFIGS)
def test_vectors_are_those_of_the_model_that_peft_merges(
    name: str, base: Path, tmp_path: Path
) -> None:
    folder = save_adapter(CLIPModel, base, CONFIGS[name](), tmp_path)
    found, plain, model = load(folder), load(base), merged(CLIPModel, base, folder)
    pixels = plain.prepare(draw(300, 200))[None]
    with torch.inference_mode():
        images = model.get_image_features(pixels).pooler_output
    texts = texts_of(model, base)
    torch.testing.assert_close(found.encode_prepared(pixels), images, rtol=0, atol=1e-5)
    torch.testing.assert_close(found.encode_text(TEXTS), texts, rtol=0, atol=1e-5)
    changed = (found.encode_prepared(pixels) - plain.encode_prepared(pixels)).abs().max() > 1e-3
    assert changed == (name != "text")
    changed = (found.encode_text(TEXTS) - plain.encode_text(TEXTS)).abs().max() > 1e-3
    assert changed == (name != "vision")
    assert found.fingerprint != plain.fingerprint
    assert found.id == str(folder)
    assert load(Path(found.id)).fingerprint == found.fingerprint


@pytest.mark.parametrize("kind", sorted(SAVE))
def test_adapters_of_every_family(kind: str, tmp_path: Path) -> None:
    base, targets = SAVE[kind](tmp_path / "base"), ["q_proj", "query", "expand_conv"]
    own = Own(kind, base)
    config = peft.LoraConfig(target_modules=targets, init_lora_weights=False)
    folder = save_adapter(OWN[kind][0], base, config, tmp_path / "adapter")
    own.model = merged(OWN[kind][0], base, folder)
    image = draw(90, 60)
    found = load(folder)
    torch.testing.assert_close(found.encode_text(TEXTS), own.texts(TEXTS), rtol=0, atol=1e-5)
    expected = own.images([image])
    torch.testing.assert_close(found.encode_images([image]), expected, rtol=1e-5, atol=1e-5)


def test_class_vectors_name_the_adapter_and_no_other_model_fits_them(
    base: Path, adapter: Path, tmp_path: Path
) -> None:
    encoder = load(adapter)
    encode_bank(bank_of({"cat": ["A cat."], "dog": ["a dog"]}), encoder).save(tmp_path / "v")
    classifier = ZeroShotClassifier.load(tmp_path / "v", load_recorded_encoder(encoder.id))
    assert len(list(classifier.predict([draw(30, 20)]))) == 1
    with pytest.raises(InputError, match="encoder"):
        ZeroShotClassifier.load(tmp_path / "v", load(base))


def test_the_fingerprint_is_that_of_what_is_merged(adapter: Path, copy: Path) -> None:
    expected = load(adapter).fingerprint
    edit_json(copy / "adapter_config.json", peft_version="0.0.1", inference_mode=False)
    assert load(copy).fingerprint == expected
    edit_json(copy / "adapter_config.json", lora_alpha=64)
    assert load(copy).fingerprint != expected


def test_half_precision(adapter: Path) -> None:
    half, full = load(adapter, "bfloat16"), load(adapter)
    assert half.fingerprint == full.fingerprint
    similar = torch.cosine_similarity(half.encode_text(TEXTS), full.encode_text(TEXTS))
    assert similar.min() > 0.99


def test_a_base_beside_the_adapter(base: Path, copy: Path, adapter: Path) -> None:
    shutil.copytree(base, copy / "clip")
    shutil.copytree(base, copy.parent / "beside")
    for name in ("clip", f"../{copy.name}/clip", "beside", "../beside"):
        edit_json(copy / "adapter_config.json", base_model_name_or_path=name)
        assert load(copy).fingerprint == load(adapter).fingerprint


def test_a_base_in_the_working_directory(
    base: Path, copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(base, tmp_path / "models" / "clip")
    edit_json(copy / "adapter_config.json", base_model_name_or_path="models/clip", revision="x")
    monkeypatch.chdir(tmp_path)
    assert load(copy).id == str(copy)


@pytest.mark.usefixtures("hub_cache", "no_network")
def test_a_base_on_the_hub_is_not_fetched_without_leave(copy: Path) -> None:
    edit_json(copy / "adapter_config.json", base_model_name_or_path="org/clip")
    with pytest.raises(ServerError, match=r"org/clip is not on this machine and may not"):
        load_encoder(str(copy), "cpu", download=False)
    with pytest.raises(ServerError, match="nothing is downloaded only because a file names it"):
        load_recorded_encoder(str(copy), device="cpu")


def test_an_adapter_of_the_hub(
    adapter: Path, hub: Hub, hub_cache: Path, request: pytest.FixtureRequest
) -> None:
    hub.files.clear()
    hub.files |= {file.name: file.read_bytes() for file in adapter.iterdir()}
    found = load_encoder("org/clip", "cpu")
    assert (found.id, found.revision) == ("org/clip", COMMIT)
    assert found.fingerprint == load(adapter).fingerprint
    request.getfixturevalue("no_network")
    again = load_recorded_encoder("org/clip", COMMIT, "cpu")
    assert again.fingerprint == found.fingerprint
    weights = next(hub_cache.rglob("adapter_model.safetensors"))
    weights.unlink()
    with pytest.raises(ServerError, match="org/clip is not on this machine and may not"):
        load_encoder("org/clip", "cpu", download=False)


def test_a_base_of_the_hub_is_taken_at_the_revision_that_is_named(
    base: Path, adapter: Path, copy: Path, hub: Hub, hub_cache: Path
) -> None:
    hub.files.clear()
    hub.files |= {file.name: file.read_bytes() for file in base.iterdir()}
    hub.refs = {"v1": COMMIT}
    edit_json(copy / "adapter_config.json", base_model_name_or_path="org/clip", revision="v1")
    found = load_encoder(str(copy), "cpu")
    assert (found.id, found.revision) == (str(copy), None)
    assert found.fingerprint == load(adapter).fingerprint
    assert hub_cache.exists()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"base_model_name_or_path": "/nowhere/clip"}, "'/nowhere/clip', which is not found.*no s"),
        ({"base_model_name_or_path": ""}, "does not say for which model it is"),
        ({"base_model_name_or_path": None}, "does not say for which model it is"),
        ({"base_model_name_or_path": ["clip"]}, "does not say for which model it is"),
        ({"base_model_name_or_path": "."}, "is an adapter itself"),
        (
            {"base_model_name_or_path": "c" * 5000},
            "no model has a name of 5,000 letters",
        ),
        ({"base_model_name_or_path": "é" * 600}, "which is not found"),
        ({"peft_type": "PROMPT_TUNING"}, "type 'PROMPT_TUNING': those of IA3, .* and OFT are"),
        ({"peft_type": None}, "type None"),
        ({"task_type": "SEQ_CLS"}, "for the task 'SEQ_CLS'"),
        ({"init_lora_weights": "loftq"}, "began as 'loftq'.*path_initial_model"),
        ({"megatron_config": {"a": 1}, "megatron_core": "os"}, "with megatron_config"),
        ({"alora_invocation_tokens": [1]}, "with alora_invocation_tokens"),
        ({"r": 10**9}, "rank is not from 0 to 4096"),
        ({"r": "many"}, "rank is not from 0 to 4096"),
        ({"rank_pattern": [1]}, "whose rank_pattern is not a mapping"),
        ({"alpha_pattern": 5}, "whose alpha_pattern is not a mapping"),
        ({"target_modules": 5}, "whose target_modules is not a name or a list"),
        ({"modules_to_save": 5}, "whose modules_to_save is not a name or a list"),
        ({"target_modules": "(a+)+$"}, "too complex: list the layers"),
        ({"target_modules": ".*" * 20 + "x"}, "too complex: list the layers"),
        ({"rank_pattern": {"(a|a)*b": 4}}, "too complex: list the layers"),
        ({"target_modules": ["no_such_layer"]}, "cannot be merged into CLIPModel"),
        ({"target_modules": "q_proj("}, "cannot be merged into CLIPModel"),
        ({"target_modules": ["q_proj"]}, r"fit .* 8 of its weights are not in .* as \w+_m"),
        (
            {"target_modules": ["q_proj", "k_proj", "v_proj"]},
            r"8 .* are missing, such as \w+_model.*A.weight",
        ),
        ({"modules_to_save": ["visual_projection"]}, "cannot be merged into CLIPModel"),
        ({"r": 3}, "cannot be merged into CLIPModel"),
    ],
)
def test_an_adapter_that_cannot_be_merged_is_refused(
    changes: dict[str, Any], said: str, copy: Path
) -> None:
    edit_json(copy / "adapter_config.json", **changes)
    with pytest.raises(InputError, match=said) as caught:
        load(copy)
    assert "\n" not in str(caught.value)


def test_an_adapter_of_another_model_is_refused(copy: Path, tmp_path: Path) -> None:
    other = save_clip(tmp_path / "other", text={"hidden_size": 64})
    edit_json(copy / "adapter_config.json", base_model_name_or_path=str(other))
    with pytest.raises(InputError, match="cannot be merged into CLIPModel"):
        load(copy)
    other = save_siglip(tmp_path / "siglip", text={"num_hidden_layers": 1})
    edit_json(copy / "adapter_config.json", base_model_name_or_path=str(other))
    with pytest.raises(InputError, match=r"does not fit .* weights are not in that model"):
        load(copy)


def test_an_adapter_beside_a_whole_model_is_refused(base: Path, adapter: Path, copy: Path) -> None:
    shutil.copytree(base, copy, dirs_exist_ok=True)
    with pytest.raises(InputError, match="holds a whole model and an adapter"):
        load(copy)


def test_settings_of_a_later_peft_do_not_matter(copy: Path) -> None:
    edit_json(copy / "adapter_config.json", unheard_of=None)
    assert load(copy).id == str(copy)


def test_weights_as_a_pickle_are_not_read(copy: Path) -> None:
    (copy / "adapter_model.safetensors").rename(copy / "adapter_model.bin")
    with pytest.raises(InputError, match=r"has no adapter_model.safetensors; .* save it again"):
        load(copy)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe"])
@pytest.mark.parametrize("file", ["adapter_config.json", "adapter_model.safetensors"])
def test_a_damaged_file_is_one_line(file: str, content: bytes, copy: Path) -> None:
    (copy / file).write_bytes(content)
    with pytest.raises(InputError) as caught:
        load(copy)
    assert str(copy) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_weights_that_are_no_numbers_are_refused(copy: Path) -> None:
    from safetensors.torch import load_file, save_file

    file = copy / "adapter_model.safetensors"
    save_file({key: weight.fill_(torch.nan) for key, weight in load_file(file).items()}, file)
    with pytest.raises(InputError, match="cannot be merged"):
        load(copy)


def test_loading_is_quiet(adapter: Path, capfd: pytest.CaptureFixture[str]) -> None:
    load(adapter)
    assert capfd.readouterr() == ("", "")


def test_without_peft(adapter: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(MissingPackageError, match=r"not installed: pip install -U 'cupl\[peft\]'"):
        load(adapter)


def test_a_base_that_may_not_be_downloaded(copy: Path) -> None:
    edit_json(copy / "adapter_config.json", base_model_name_or_path="org/nowhere")
    with pytest.raises(ServerError, match="the adapter .*for the model 'org/nowhere'.*base_model_"):
        load_encoder(str(copy), "cpu", download=False)


def test_in_a_process_of_its_own(adapter: Path) -> None:
    """Nothing else has imported transformers before, with a torchvision that may not fit."""
    code = f"from cupl.encoders.loading import load_encoder; load_encoder({str(adapter)!r}, 'cpu')"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


def test_an_adapter_names_its_base_with_bytes_that_are_no_path(copy: Path) -> None:
    settings = json.loads((copy / "adapter_config.json").read_text("utf-8"))
    settings["base_model_name_or_path"] = "a\0b"
    (copy / "adapter_config.json").write_text(json.dumps(settings), "utf-8")
    with pytest.raises(InputError, match="is for the model .* which is not found"):
        load(copy)
