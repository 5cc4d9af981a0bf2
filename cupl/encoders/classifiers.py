"""Image classifiers of transformers and of timm, as one: images to logits of named classes."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL.Image import Image, new

from cupl.encoders.device import encode_halving
from cupl.encoders.fingerprint import digest_of_weights, remembered
from cupl.encoders.foreign import check_sizes
from cupl.encoders.hub import (
    ModelFiles,
    fetch_weights,
    first_line,
)
from cupl.encoders.model_files import weight_files
from cupl.encoders.model_parts import find_part
from cupl.encoders.preprocess import trim
from cupl.encoders.quiet import quiet_transformers
from cupl.encoders.torchvision_import import mend_torchvision
from cupl.errors import InputError, MissingPackageError
from cupl.io.json import read_json

_PATTERNS = ("config.json", "preprocessor_config.json", "processor_config.json")
_MOST_SIDE = 4096
"""Pixels of a side that images are resized to; more is a mistake."""


class NamedClassifier(ABC):
    """A classifier of images by classes that have names.

    Attributes:
        id: the name it was loaded by.
        revision: commit of the hub, where it came from one.
        labels: what its outputs are called, in their order.
        names_in: where its files have the labels.
        side: pixels that it sees of an image's shorter side.
        fingerprint: of all that decides its logits.

    """

    names_in: str

    def __init__(self, files: ModelFiles, model: Any, labels: Sequence[str], settings: Any) -> None:
        self.id, self.revision = files.name, files.revision
        self.labels = list(labels)
        _check_texts(self.id, self.labels)
        self._model = model.eval()
        weights = remembered(weight_files(files.folder), lambda: digest_of_weights(model))
        said = json.dumps([weights, self.labels, settings], sort_keys=True, default=str)
        self.fingerprint = hashlib.sha256(said.encode()).hexdigest()
        self.side = self._check()

    def place(self, device: torch.device, dtype: torch.dtype) -> None:
        """Put it where it computes."""
        self._device, self._dtype = device, dtype
        self._model.to(device, dtype)

    def prepare(self, image: Image) -> torch.Tensor:
        """An upright RGB image as the classifier reads it, float32 ``[3, height, width]``.

        As its library does it with Pillow; of an extreme strip only the middle is seen.
        """
        return self._pixels(trim(image))

    @torch.inference_mode()
    def logits(self, images: torch.Tensor, batch_size: int) -> torch.Tensor:
        """Logits of prepared images, float32 ``[len(images), classes]`` on the CPU."""
        if not len(images):
            return torch.empty(0, len(self.labels))
        return torch.cat(
            [encode_halving(self._run, batch) for batch in torch.split(images, batch_size)]
        )

    def _run(self, batch: Any) -> torch.Tensor:
        return self._logits(batch.to(self._device, self._dtype)).float().cpu()

    @abstractmethod
    def _pixels(self, image: Image) -> torch.Tensor: ...

    @abstractmethod
    def _logits(self, pixels: torch.Tensor) -> torch.Tensor: ...

    @torch.inference_mode()
    def _check(self) -> int:
        """Try it, since its files may say anything; the side of its images."""
        with np.errstate(all="ignore"):  # a deviation of zero
            pixels = self.prepare(new("RGB", (64, 64), "white"))
        logits = self._logits(pixels[None])
        if pixels.ndim != 3 or not pixels.isfinite().all() or max(pixels.shape) > _MOST_SIDE:
            raise InputError(f"the image preprocessing of {self.id} gives no pixels")
        if logits.shape != (1, len(self.labels)):
            raise InputError(
                f"{self.id} has {logits.shape[-1]} outputs and {len(self.labels)} names of classes"
            )
        return int(pixels.shape[-2])


class _TransformersClassifier(NamedClassifier):
    names_in = "id2label of its config.json"

    def __init__(self, files: ModelFiles, config: dict[str, Any]) -> None:
        from transformers import AutoImageProcessor, AutoModelForImageClassification

        safetensors = fetch_weights(files)
        with quiet_transformers():
            model, report = AutoModelForImageClassification.from_pretrained(
                files.folder, local_files_only=True, trust_remote_code=False, weights_only=True,
                use_safetensors=safetensors, dtype=torch.float32, output_loading_info=True,
            )  # fmt: skip
            if missing := sorted(report["missing_keys"]):  # filled with random numbers
                raise InputError(
                    f"{files.name} is no whole image classifier: {len(missing)} of its weights are "
                    f"missing, such as {missing[0]}"
                )
            # Pillow's, whatever else is installed; see DualEncoder.
            self._processor: Any = AutoImageProcessor.from_pretrained(  # type: ignore[no-untyped-call]
                files.folder, local_files_only=True, trust_remote_code=False, backend="pil"
            )
        if model.config.problem_type == "multi_label_classification":
            raise InputError(
                f"{files.name} gives each class a probability of its own, and a bridge needs a "
                "classifier whose probabilities sum to 1"
            )
        image = self._processor.to_dict()
        _check_edges(files.name, [image.get("size"), image.get("crop_size")])
        named = model.config.id2label
        labels = [str(named[i]) for i in sorted(named)]
        super().__init__(files, model, labels, [_settings(config), image])

    def _pixels(self, image: Image) -> torch.Tensor:
        pixels: torch.Tensor = self._processor(images=image, return_tensors="pt")["pixel_values"]
        return pixels[0]

    def _logits(self, pixels: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self._model(pixel_values=pixels).logits
        return logits


class _TimmClassifier(NamedClassifier):
    names_in = "label_names of its config.json"

    def __init__(self, files: ModelFiles, config: dict[str, Any]) -> None:
        timm = _timm()
        name, given = config["architecture"], config.get("pretrained_cfg") or {}
        if not isinstance(name, str) or not timm.is_model(name):
            raise InputError(f"{files.name} is of the architecture {name!r:.80}, not one of timm's")
        arguments = {k: v for k, v in (config.get("model_args") or {}).items() if _is_plain(v)}
        classes = config.get("num_classes", given.get("num_classes"))
        model = timm.create_model(name, **{**arguments, "num_classes": classes})
        model.load_state_dict(_read_weights(files))
        data = timm.data.resolve_data_config({}, pretrained_cfg={**model.pretrained_cfg, **given})
        _check_edges(
            files.name, [list(data["input_size"]), data["input_size"][-1] / data["crop_pct"]]
        )
        self._transform = timm.data.create_transform(**data, is_training=False)
        labels = _timm_labels(timm, {**given, **config}, model.num_classes)
        super().__init__(files, model, labels, [name, arguments, data])

    def _pixels(self, image: Image) -> torch.Tensor:
        pixels: torch.Tensor = self._transform(image)
        return pixels

    def _logits(self, pixels: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self._model(pixels)
        return logits


def load_named_classifier(
    name: str, *, revision: str | None = None, download: bool = True
) -> NamedClassifier:
    """Load an image classifier from a directory, the hub's cache or the hub, onto the CPU.

    Args:
        name: a local directory or a hub name, of a model of transformers or of timm.
        revision: commit, branch or tag on the hub; its main branch by default.
        download: fetch from the hub what is not on this machine.

    Raises:
        CuplError: as :func:`~cupl.encoders.hub.find_model`; or it is no classifier, or damaged.
        MissingPackageError: it is of timm, which is not installed.

    """
    mend_torchvision()  # before transformers is imported, which imports it
    files = find_part(name, _PATTERNS, "config.json", revision, download=download)
    check_sizes(files.folder)
    try:
        config = read_json(files.folder / "config.json")
        if "architecture" in config and "model_type" not in config:
            return _TimmClassifier(files, config)
        if not (files.folder / "preprocessor_config.json").is_file():
            what = "a text model" if "vocab_size" in config else "no image classifier"
            raise InputError(
                f"{name} is {what} (it has no preprocessor_config.json): a bridge is "
                "bridge:IMAGE_CLASSIFIER+SENTENCE_ENCODER, in this order"
            )
        return _TransformersClassifier(files, config)
    except (InputError, MissingPackageError, ConnectionError):
        raise
    except Exception as error:  # a damaged file fails in the parser of whichever library
        raise InputError(
            f"{name} cannot be loaded as an image classifier of transformers or timm: "
            f"{first_line(error)}"
        ) from error


def _timm() -> Any:
    try:
        import timm
    except ImportError as error:
        raise MissingPackageError(
            "a classifier of timm needs a package that is not installed: "
            "pip install 'cupl[open-clip]'"
        ) from error
    return timm


def _timm_labels(timm: Any, config: dict[str, Any], classes: int) -> list[str]:
    names = config.get("label_names")
    if names is None:
        subset = timm.data.infer_imagenet_subset({"num_classes": classes})
        if subset is None:
            return [str(number) for number in range(classes)]  # refused, as no names
        return list(timm.data.ImageNetInfo(subset).label_descriptions())
    described = config.get("label_descriptions") or {}
    ordered = [names[key] for key in sorted(names, key=int)] if isinstance(names, dict) else names
    return [str(described.get(name, name)) for name in ordered]


def _read_weights(files: ModelFiles) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    if fetch_weights(files):
        return load_file(files.folder / "model.safetensors")
    found: dict[str, torch.Tensor] = torch.load(
        files.folder / "pytorch_model.bin", map_location="cpu", weights_only=True
    )
    return found


def _settings(config: dict[str, Any]) -> dict[str, Any]:
    """What of a configuration decides logits."""
    ignored = ("transformers_version", "_name_or_path", "dtype", "torch_dtype")
    return {key: value for key, value in config.items() if key not in ignored}


def _check_edges(name: str, sizes: Sequence[Any]) -> None:
    """Refuse to make images larger than any classifier reads."""
    for size in sizes:
        edges = list(size.values()) if isinstance(size, dict) else size
        for edge in edges if isinstance(edges, list) else [edges]:
            if isinstance(edge, int | float) and edge > _MOST_SIDE:
                raise InputError(f"the image preprocessing of {name} enlarges images to no purpose")


def _check_texts(name: str, labels: Sequence[str]) -> None:
    """Refuse half characters, which JSON may hold and no tokenizer takes."""
    for label in labels:
        try:
            label.encode()
        except UnicodeEncodeError as error:
            raise InputError(f"{name} has a class whose name is no text: {label!r:.60}") from error


def _is_plain(value: object) -> bool:
    values = value if isinstance(value, list) else [value]
    return all(isinstance(one, str | int | float | bool) for one in values)
