"""What files a model consists of, told from a folder without reading its weights."""

from __future__ import annotations

from pathlib import Path

from cupl.errors import InputError
from cupl.io.json import read_json

OPEN_CLIP_CONFIG = "open_clip_config.json"
IMAGE_CONFIGS = ("preprocessor_config.json", "processor_config.json")
TOKENIZERS = ("tokenizer.json", "vocab.json", "vocab.txt", "sentencepiece.bpe.model")
ADAPTER_CONFIG, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
SAFETENSORS_FILES = (
    "model.safetensors",
    "model.safetensors.index.json",
    "model-*-of-*.safetensors",
)
PICKLE_FILES = ("pytorch_model.bin", "pytorch_model.bin.index.json", "pytorch_model-*-of-*.bin")


def is_open_clip(folder: Path) -> bool:
    """Whether a model is one of open_clip and, by its ``config.json``, none of transformers."""
    if not (folder / OPEN_CLIP_CONFIG).is_file():
        return False
    try:
        return "model_type" not in read_json(folder / "config.json")
    except FileNotFoundError:
        return True
    except (ValueError, TypeError):
        return False


def is_adapter(folder: Path) -> bool:
    """Whether it holds an adapter of peft, not a whole model."""
    return (folder / ADAPTER_CONFIG).is_file()


def missing_config(folder: Path) -> str | None:
    """The first configuration file a dual encoder needs and ``folder`` lacks."""
    for group in (("config.json",), IMAGE_CONFIGS, TOKENIZERS):
        if not any((folder / file).is_file() for file in group):
            return group[0]
    return None


def weight_files(folder: Path) -> list[Path]:
    """The files of a model that hold its weights."""
    return [
        path for pattern in (*SAFETENSORS_FILES, *PICKLE_FILES) for path in folder.glob(pattern)
    ]


def has_weights(folder: Path, whole: str, index: str) -> bool:
    """Whether the one file of weights is there, or all that an index names.

    Raises:
        InputError: the index is damaged.

    """
    if (folder / whole).is_file():
        return True
    try:
        weight_map = read_json(folder / index)["weight_map"]
        return all((folder / shard).is_file() for shard in set(weight_map.values()))
    except FileNotFoundError:
        return False
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{folder / index} is damaged") from error
