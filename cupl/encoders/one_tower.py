"""Models with one tower, which cannot tell what an image has to do with a text: the way out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cupl.encoders.joined_names import BRIDGE, PAIR, JoinedName

USUAL_CLASSIFIER = "google/vit-base-patch16-224"
USUAL_SENTENCES = "sentence-transformers/all-MiniLM-L6-v2"
_USUAL_CLIP = "openai/clip-vit-base-patch32"


def why_one_tower(name: str, config: Mapping[str, Any]) -> str | None:
    """Why a model is no encoder, and what it can be a part of; None where it is no such model.

    Args:
        name: of the model.
        config: its ``config.json``.

    """
    if "architecture" in config or _is_for_images(config):
        bridge = JoinedName(BRIDGE, name, USUAL_SENTENCES)
        return (
            f"{name} is an image classifier: it knows its own classes and no texts, so no prompt "
            f"has a place among its images; its classes' names join it to a text model, {bridge}"
        )
    if "vocab_size" in config and not {"vision_config", "text_config"} & config.keys():
        width = config.get("hidden_size", config.get("dim"))
        numbers = f" of {width} numbers" if isinstance(width, int) else ""
        return (
            f"{name} is a text model: its vectors{numbers} lie in a space of their own, in which "
            "there are no images, and a cosine with those of another model means nothing, be they "
            f"as wide or not; what its words name joins it to an image classifier, "
            f"{JoinedName(BRIDGE, USUAL_CLASSIFIER, name)}, and if it was trained for the space of "
            f"an image encoder, it is that one's text tower, {JoinedName(PAIR, _USUAL_CLIP, name)}"
        )
    return None


def _is_for_images(config: Mapping[str, Any]) -> bool:
    names = config.get("architectures")
    return isinstance(names, list) and any(
        isinstance(name, str) and "ForImageClassification" in name for name in names
    )
