"""What a configuration of open_clip may say, before anything is built by it.

It comes from anyone, and decides how much memory is asked for and what is fetched from where.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cupl.encoders.foreign import check_sizes
from cupl.errors import InputError
from cupl.io.json import read_json

_MOST = 10_000_000
"""The largest number that any configuration has is the size of a vocabulary, near a million."""
_MOST_OF = {"layers": 1000, "image_size": 4096, "context_length": 4096}
_TOKENIZER_SETTINGS = ("clean", "strip_sep_token", "language")
_CLEANINGS = ("canonicalize", "lower", "whitespace")


def check_config(name: str, config: dict[str, Any]) -> None:
    """Refuse a configuration of no sense; weights that it would have fetched, it has no more.

    Args:
        name: of the encoder.
        config: ``model_cfg``.

    Raises:
        InputError: says what is wrong with it.

    """
    from timm import is_model

    parts = [config.get(part) for part in ("vision_cfg", "text_cfg")]
    if not all(isinstance(part, dict) for part in parts) or not _is_size(config.get("embed_dim")):
        raise _unusable(name, "a text and an image tower with a common width are needed")
    _check_numbers(name, config)
    image, text = config["vision_cfg"], config["text_cfg"]
    tower = image.get("timm_model_name")
    if tower and not (isinstance(tower, str) and is_model(tower)):
        raise _unusable(name, f"timm has no image tower {tower!r:.60}")
    if tower:
        image["timm_model_pretrained"] = False
    if text.get("hf_model_name"):
        text["hf_model_pretrained"] = False
    settings = text.get("tokenizer_kwargs") or {}
    unknown = [key for key in settings if key not in _TOKENIZER_SETTINGS]
    if unknown or not isinstance(settings, dict):
        raise _unusable(name, f"its tokenizer has the setting {unknown[:1]!r:.60}")
    if settings.get("clean", "lower") not in _CLEANINGS:
        raise _unusable(name, f"its tokenizer cleans texts by {settings['clean']!r:.60}")
    if text.get("tokenizer_mode") not in (None, "", "clips"):
        raise _unusable(name, f"its tokenizer has the mode {text['tokenizer_mode']!r:.60}")


def check_text_tower(name: str, folder: Path) -> None:
    """Refuse a text tower that open_clip does not have: transformers might ask to run its code.

    Raises:
        InputError: names its type.

    """
    from open_clip.hf_configs import arch_dict

    check_sizes(folder)
    config = read_json(folder / "config.json")
    kind = config.get("model_type") if isinstance(config, dict) else None
    if not isinstance(kind, str) or kind not in arch_dict:
        raise _unusable(name, f"it names a text tower of the type {kind!r:.60}")


def check_weights(name: str, config: Mapping[str, Any], weights: Path) -> None:
    """Refuse to build what is larger than its weights, a byte for each of them.

    Raises:
        InputError: a configuration describes more weights than the file can hold.

    """
    try:
        least = _least_weights(config)
    except (TypeError, ValueError, ArithmeticError) as error:
        raise _unusable(name, "its sizes are no numbers") from error
    if least > weights.stat().st_size:
        raise InputError(
            f"{weights} is too small for {name}, which has more than {least:,} weights: it is cut "
            "off, or of another architecture"
        )


def _least_weights(config: Mapping[str, Any]) -> int:
    """How many weights the towers have at least; timm's and transformers' are known sizes."""
    image, text = config["vision_cfg"], config["text_cfg"]
    count = 0.0
    if not text.get("hf_model_name"):
        width = text.get("width", 512)
        count += width * (text.get("vocab_size", 49408) + text.get("context_length", 77))
        count += text.get("layers", 12) * (4 + 2 * text.get("mlp_ratio", 4)) * width**2
    if decoder := config.get("multimodal_cfg"):
        count += decoder.get("layers", 12) * 4 * decoder.get("width", 512) ** 2
    if not image.get("timm_model_name"):
        width, layers = image.get("width", 768), image.get("layers", 12)
        if isinstance(layers, list | tuple):
            return int(count + sum(layers) * width**2)
        count += layers * (4 + 2 * image.get("mlp_ratio", 4)) * width**2
        sizes = image.get("image_size", 224), image.get("patch_size", 16)
        side, patch = (min(one) if isinstance(one, list | tuple) else one for one in sizes)
        count += (side // patch) ** 2 * width
        if image.get("attentional_pool"):
            count += image.get("attn_pooler_queries", 256) * config["embed_dim"]
    return int(count)


def _check_numbers(name: str, value: Any, key: str = "") -> None:
    if isinstance(value, dict):
        for inner, one in value.items():
            _check_numbers(name, one, inner)
    elif isinstance(value, list | tuple):
        if len(value) > _MOST_OF["layers"]:
            raise _unusable(name, f"{key!r:.60} has {len(value):,} values")
        for one in value:
            _check_numbers(name, one, key)
    elif isinstance(value, int | float) and not abs(value) <= _MOST_OF.get(key, _MOST):
        raise _unusable(name, f"{key!r:.60} is {value!r:.30}")


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _unusable(name: str, problem: str) -> InputError:
    return InputError(f"the configuration of {name} cannot be used: {problem}")
