from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch

from cupl.encoders.open_clip_config import check_config, check_weights
from cupl.encoders.open_clip_names import import_open_clip
from cupl.errors import InputError
from tests.open_clip_models import CONFIGS


def _changed(part: str, changes: dict[str, Any]) -> dict[str, Any]:
    config = deepcopy(CONFIGS["clip"][0])
    config[part] = {**config[part], **changes}
    return config


@pytest.mark.parametrize(
    ("part", "changes", "said"),
    [
        ("vision_cfg", {"timm_model_name": "hf-hub:org/evil"}, "timm has no image tower 'hf-hub:"),
        ("vision_cfg", {"timm_model_name": ["vit"]}, "timm has no image tower"),
        ("vision_cfg", {"layers": 10**6}, "'layers' is 1000000"),
        ("vision_cfg", {"layers": [1] * 5000}, "'layers' has 5,000 values"),
        ("vision_cfg", {"layers": [10**6, 1, 1, 1]}, "'layers' is 1000000"),
        ("vision_cfg", {"image_size": 10**5}, "'image_size' is 100000"),
        ("text_cfg", {"width": float("inf")}, "'width' is inf"),
        ("text_cfg", {"width": float("nan")}, "'width' is nan"),
        ("text_cfg", {"vocab_size": 10**12}, "'vocab_size' is 1000000000000"),
        ("text_cfg", {"context_length": 10**5}, "'context_length' is 100000"),
        ("text_cfg", {"tokenizer_kwargs": {"trust_remote_code": True}}, "'trust_remote_code'"),
        ("text_cfg", {"tokenizer_kwargs": {"bpe_path": "/etc/passwd"}}, "'bpe_path'"),
        ("text_cfg", {"tokenizer_kwargs": {"clean": "rm"}}, "cleans texts by 'rm'"),
        ("text_cfg", {"tokenizer_kwargs": "clean"}, "tokenizer has the setting"),
        ("text_cfg", {"tokenizer_mode": "evil"}, "the mode 'evil'"),
    ],
)
def test_configurations_that_are_refused(part: str, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=f"configuration of model cannot be used: .*{said}"):
        check_config("model", _changed(part, changes))


@pytest.mark.parametrize(
    "config",
    [{}, {"embed_dim": 32}, {"embed_dim": 32, "vision_cfg": [], "text_cfg": {}},
     {"embed_dim": "32", "vision_cfg": {}, "text_cfg": {}},
     {"embed_dim": 0, "vision_cfg": {}, "text_cfg": {}}],
)  # fmt: skip
def test_no_configuration(config: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="a text and an image tower with a common width"):
        check_config("model", config)


def test_no_weights_of_towers_are_fetched_by_it() -> None:
    config = _changed("vision_cfg", {"timm_model_name": "test_vit", "timm_model_pretrained": True})
    config["text_cfg"] |= {"hf_model_name": "roberta-base", "hf_model_pretrained": True}
    check_config("model", config)
    assert config["vision_cfg"]["timm_model_pretrained"] is False
    assert config["text_cfg"]["hf_model_pretrained"] is False


def test_the_size_of_weights_is_no_more_than_the_model_has(tmp_path: Path) -> None:
    open_clip = import_open_clip()
    file = tmp_path / "weights"
    for architecture in ("RN50", "ViT-S-32-alt", "ViT-M-16", "coca_ViT-B-32"):
        with torch.device("meta"):
            model = open_clip.create_model(architecture, device="meta")
        count = sum(weights.numel() for weights in model.parameters())
        with file.open("wb") as stream:
            stream.truncate(count)  # not even a byte more
        check_weights(architecture, open_clip.get_model_config(architecture), file)


@pytest.mark.parametrize(
    ("part", "changes"),
    [
        ("text_cfg", {"width": 100_000}),
        ("text_cfg", {"mlp_ratio": 9e6}),
        ("text_cfg", {"vocab_size": 9_000_000}),
        ("vision_cfg", {"width": 100_000}),
        ("vision_cfg", {"patch_size": 1, "image_size": 4000}),
        ("vision_cfg", {"layers": [900, 900, 900, 900], "width": 10_000}),
        ("vision_cfg", {"attentional_pool": True, "attn_pooler_queries": 9_000_000}),
        ("multimodal_cfg", {"width": 100_000}),
    ],
)
def test_a_model_much_larger_than_its_weights(
    part: str, changes: dict[str, Any], tmp_path: Path
) -> None:
    file = tmp_path / "weights"
    file.write_bytes(bytes(10_000_000))
    config = deepcopy(CONFIGS["coca"][0])
    check_weights("model", config, file)
    config[part] |= changes
    check_config("model", config)
    with pytest.raises(InputError, match="weights is too small for model, which has more than"):
        check_weights("model", config, file)


def test_sizes_that_are_no_numbers(tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(b"")
    config = _changed("text_cfg", {"width": "wide"})
    with pytest.raises(InputError, match="its sizes are no numbers"):
        check_weights("model", config, tmp_path / "weights")
