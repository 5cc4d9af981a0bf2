"""What this machine has of encoders, read from a cache of any kind."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cupl.encoders.catalog import describe_model, models_on_disk, name_kinds
from cupl.encoders.loading import FAMILIES, load_encoder
from cupl.errors import InputError, MissingFileError
from tests.hub import COMMIT, hub_cache, no_network  # noqa: F401 (fixtures)
from tests.models import save_clip

CLIP = {
    "model_type": "clip", "projection_dim": 768, "text_config": {"max_position_embeddings": 77},
    "vision_config": {"image_size": 336},
}  # fmt: skip
BESIDE: dict[str, Any] = {"preprocessor_config.json": {}, "tokenizer.json": {}}
OPEN_CLIP = {
    "model_cfg": {"embed_dim": 640, "vision_cfg": {"image_size": [288, 288]}, "text_cfg": {}}
}
SENTENCES = {
    "modules.json": [{"path": ""}, {"path": "1_Pooling"}, {"path": "2_Dense"}],
    "config.json": {"model_type": "distilbert"},
    "sentence_bert_config.json": {"max_seq_length": 128},
    "1_Pooling/config.json": {"word_embedding_dimension": 768},
    "2_Dense/config.json": {"in_features": 768, "out_features": 512},
    "model.safetensors": "weights",
}
CLASSIFIER = {
    "model_type": "vit",
    "architectures": ["ViTForImageClassification"],
    "image_size": 224,
}


def put(cache: Path, name: str, files: dict[str, Any], commit: str = COMMIT) -> Path:
    folder = cache / f"models--{name}" / "snapshots" / commit
    for file, content in files.items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(content if isinstance(content, str) else json.dumps(content))
    return folder


@pytest.mark.usefixtures("no_network")
def test_every_kind_of_model_is_described_by_its_configuration(hub_cache: Path) -> None:  # noqa: F811
    put(hub_cache, "org--clip", {"config.json": CLIP, **BESIDE, "model.safetensors": "weights"})
    put(hub_cache, "org--half", {"config.json": CLIP, **BESIDE})
    put(hub_cache, "org--open", {"open_clip_config.json": OPEN_CLIP, "a.safetensors": "weights"})
    put(hub_cache, "org--sentences", SENTENCES)
    put(hub_cache, "org--vit", {"config.json": CLASSIFIER, "model.safetensors": "weights"})
    adapter = {"base_model_name_or_path": "org/clip"}
    put(hub_cache, "org--lora", {"adapter_config.json": adapter})
    found = {
        one.name: (one.role, one.family, one.width, one.tokens, one.image_side, one.missing)
        for one in models_on_disk()
    }
    assert found == {
        "org/clip": ("encoder", "clip", 768, 77, 336, None),
        "org/half": ("encoder", "clip", 768, 77, 336, "its weights"),
        "org/lora": ("encoder", "LoRA of org/clip", None, None, None, "adapter_model.safetensors"),
        "org/open": ("encoder", "open_clip", 640, 77, 288, None),
        "org/vit": ("image classifier", "vit", None, None, 224, None),
        "org/sentences": ("text encoder", "sentence-transformers", 512, 128, None, None),
    }


@pytest.mark.parametrize("kind", FAMILIES)
def test_every_family_that_is_loaded_is_listed(kind: str, hub_cache: Path) -> None:  # noqa: F811
    put(hub_cache, "org--model", {"config.json": {"model_type": kind}, **BESIDE})
    assert [one.family for one in models_on_disk()] == [kind]


def test_what_is_told_is_what_is_loaded(tmp_path: Path) -> None:
    folder = save_clip(tmp_path / "clip")
    (told,) = describe_model(str(folder))
    encoder = load_encoder(folder)
    assert (told.width, told.tokens) == (encoder.dim, encoder.max_tokens)
    assert told.missing is None
    assert told.bytes == sum(file.stat().st_size for file in folder.iterdir())


DAMAGED = ["{", "[]", "null", '{"model_type": []}', '{"model_type": {}}', "[" * 100_000, "\udcff"]


def test_a_damaged_cache_hides_nothing_else(hub_cache: Path) -> None:  # noqa: F811
    for number, text in enumerate(DAMAGED):
        for file in ("config.json", "open_clip_config.json", "modules.json", "adapter_config.json"):
            folder = put(hub_cache, f"bad--{number}-{file}", {"x": ""})
            (folder / file).write_bytes(text.encode(errors="surrogateescape"))
    put(hub_cache, "bad--escape", {**SENTENCES, "modules.json": [{"path": "../../.."}]})
    put(hub_cache, "bad--huge", {"config.json": " " * 9_000_000 + json.dumps(CLIP)})
    put(hub_cache, "org--odd", {"config.json": {**CLIP, "projection_dim": "wide"}, **BESIDE})
    (hub_cache / "models--bad--file").write_text("")
    (hub_cache / "models--bad--link").symlink_to("nowhere")
    (hub_cache / "version.txt").write_text("1")
    assert [(one.name, one.width) for one in models_on_disk()] == [("org/odd", None)]


def test_no_cache_is_no_models(hub_cache: Path) -> None:  # noqa: F811
    assert models_on_disk() == []
    with pytest.raises(MissingFileError, match="is no directory, nor in the hub's cache"):
        describe_model("org/none")
    with pytest.raises(InputError, match="holds no model that an encoder can be made of"):
        describe_model(str(Path.cwd()))


def test_names_say_what_they_need() -> None:
    kinds = {kind.name: kind.extra for kind in name_kinds()}
    assert kinds["mini"] == "mini"
    assert kinds["open_clip:ARCH/WEIGHTS"] == "open-clip"


def test_no_heavy_package_is_imported() -> None:
    code = (
        "import sys; from cupl.encoders.catalog import models_on_disk, name_kinds; "
        "models_on_disk(); name_kinds(); "
        "print([name for name in ('torch', 'transformers', 'open_clip') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
