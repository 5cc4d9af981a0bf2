"""Models of open_clip: CLIP, CoCa, SigLIP, MobileCLIP, EVA, CLIPA, DFN, PE and what else it has.

Their towers and tokenizers are open_clip's own; images are prepared by
:mod:`cupl.encoders.open_clip_images`.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import asdict
from functools import cached_property
from pickle import UnpicklingError
from typing import Any, Self

import torch
from PIL.Image import Image, new
from safetensors import SafetensorError

from cupl.encoders.batching import Tokens, as_texts, encode_unique_texts
from cupl.encoders.device import encode_halving, resolve_batch, resolve_device, resolve_precision
from cupl.encoders.fingerprint import digest_of_weights, remembered
from cupl.encoders.hub import first_line
from cupl.encoders.open_clip_causal import CausalTexts, is_causal
from cupl.encoders.open_clip_config import check_weights
from cupl.encoders.open_clip_files import OpenClipFiles
from cupl.encoders.open_clip_images import OpenClipPreprocessing
from cupl.encoders.open_clip_names import import_open_clip
from cupl.encoders.open_clip_texts import OpenClipTexts
from cupl.encoders.placed_encoder import PlacedEncoder
from cupl.encoders.placement import Placement
from cupl.errors import CuplError, InputError, is_out_of_memory

_IMAGES_ON_CPU, _IMAGES_ON_GPU = 16, 256
_TEXTS_ON_CPU, _TEXTS_ON_GPU = 16, 512
_NAMES = ("timm_model_pretrained", "hf_model_pretrained", "hf_model_name", "hf_tokenizer_name")
"""Settings that decide no vector: where things come from."""


class OpenClipEncoder(PlacedEncoder):
    """A model of open_clip as an :class:`~cupl.encoders.protocol.Encoder`."""

    def __init__(
        self,
        files: OpenClipFiles,
        model: Any,
        texts: OpenClipTexts,
        device: torch.device,
        dtype: torch.dtype,
        batch_size: int | str,
    ) -> None:
        self.id = files.name
        self.revision = files.revision
        self.max_tokens = texts.max_tokens
        self.logit_scale: float = model.logit_scale.exp().item()
        self.logit_bias: float | None = (
            None if model.logit_bias is None else model.logit_bias.item()
        )
        self.device = device
        self.dim = int(files.config["embed_dim"])
        self.image_batch = resolve_batch(batch_size, device, _IMAGES_ON_CPU, _IMAGES_ON_GPU)
        size = model.visual.image_size
        height, width = size if isinstance(size, tuple | list) else (size, size)
        self.image_side = min(height, width)
        self._preprocessing = OpenClipPreprocessing.read(
            files.name, (height, width), files.preprocess
        )
        self._files = files
        self._texts = texts
        self._model = model
        _ = self.fingerprint  # of the weights as they are, not as they are rounded here
        # Some towers, such as EVA's and a ResNet's, read the weights of their linear layers.
        self._placement = Placement(
            model, device, dtype, is_text=lambda name: name != "visual", pack=False
        )

    @classmethod
    def load(
        cls,
        files: OpenClipFiles,
        device: str = "auto",
        precision: str = "auto",
        batch_size: int | str = "auto",
    ) -> Self:
        """Load a model that was found.

        Weights are read from safetensors or with PyTorch's ``weights_only`` loader, which makes
        nothing but tensors; a checkpoint of open_clip's training is read as it is.

        Args:
            files: see :func:`~cupl.encoders.open_clip_files.find_open_clip`.
            device: see :func:`~cupl.encoders.device.resolve_device`.
            precision: see :func:`~cupl.encoders.device.resolve_precision`.
            batch_size: images at once; see :func:`~cupl.encoders.device.resolve_batch`.

        Raises:
            InputError: the model is incomplete or damaged, or a setting is wrong.

        """
        place = resolve_device(device)
        dtype = resolve_precision(precision, place)
        resolve_batch(batch_size, place, 1, 1)
        check_weights(files.name, files.config, files.weights)
        texts = OpenClipTexts(files)
        model = _read(files)
        if texts.highest >= _vocabulary(model):
            raise InputError(
                f"the tokenizer of {files.name} does not fit its model: token {texts.highest} is "
                f"beyond the {_vocabulary(model)} that the model knows"
            )
        encoder = cls(files, model, texts, place, dtype, batch_size)
        encoder._try()
        return encoder

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over the weights, the configuration, the tokenizer and the preprocessing."""
        config = {
            part: {key: value for key, value in settings.items() if key not in _NAMES}
            if isinstance(settings, dict)
            else settings
            for part, settings in self._files.config.items()
        }
        tower = getattr(getattr(self._model, "text", None), "config", None)
        if tower is not None:  # of transformers
            described = tower.to_dict()
            for key in ("_name_or_path", "transformers_version", "dtype"):
                described.pop(key, None)
            config["text_tower"] = described
        settings = {
            "model": config,
            "tokenizer": self._texts.identity(),
            "image": asdict(self._preprocessing),
        }
        said = json.dumps(settings, sort_keys=True, default=str)
        weights = remembered([self._files.weights], lambda: digest_of_weights(self._model), said)
        return hashlib.sha256(f"{said} {weights}".encode()).hexdigest()

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text before truncation, special tokens included."""
        return self._texts.lengths(as_texts(texts))

    @torch.inference_mode()
    def encode_text(self, texts: Sequence[str]) -> torch.Tensor:
        """Text embeddings, float32 ``[len(texts), dim]`` on the CPU, not normalised.

        A text longer than ``max_tokens`` is cut, and its end token put at its end.
        """
        if not (texts := as_texts(texts)):
            return torch.empty(0, self.dim)
        return encode_unique_texts(texts, self._texts.ids, self._encode_tokens)

    def _encode_tokens(self, tokens: list[Tokens]) -> torch.Tensor:
        if is_causal(self._model):
            return CausalTexts(self._model).encode(tokens)
        size = _TEXTS_ON_CPU if self.device.type == "cpu" else _TEXTS_ON_GPU
        vectors = torch.empty(len(tokens), self.dim)
        for start in range(0, len(tokens), size):
            batch = torch.tensor(tokens[start : start + size])
            vectors[start : start + size] = encode_halving(self._encode_ids, batch)
        return vectors

    def _encode_ids(self, ids: torch.Tensor) -> torch.Tensor:
        # CoCa normalises if it is not told.
        vectors: torch.Tensor = self._model.encode_text(ids.to(self.device), normalize=False)
        return vectors.float().cpu()

    def prepare(self, image: Image) -> torch.Tensor:
        """The pixels of an image as the image tower reads them, ``[3, height, width]``."""
        return self._preprocessing.prepare(image)

    def settle(self, images: torch.Tensor) -> None:
        """Try int8 on some prepared images, where that is yet to be done."""
        try:
            super().settle(images)
        except (AttributeError, TypeError) as error:  # of a tower that reads its layers' weights
            raise InputError(
                f"the image tower of {self.id} cannot be computed in int8",
                arguments={"precision": "float32"},
            ) from error

    def _encode_pixels(self, pixels: torch.Tensor) -> torch.Tensor:
        pixels = pixels.to(self.device, self._placement.dtype)
        vectors: torch.Tensor = self._model.encode_image(pixels, normalize=False)
        return vectors.float().cpu()

    @torch.inference_mode()
    def _try(self) -> None:
        """Make sure that both towers can be computed: little in a configuration is checked."""
        side = (self._preprocessing.width, self._preprocessing.height)
        try:
            image = self._encode_pixels(self.prepare(new("RGB", side, "gray"))[None])
            text = self._encode_tokens(self._texts.ids(["a"]))
        except Exception as error:
            if is_out_of_memory(error):
                raise _too_large(self.id) from error
            raise InputError(f"{self.id} cannot be computed: {first_line(error)}") from error
        for tower, vectors in (("image", image), ("text", text)):
            if vectors.shape != (1, self.dim) or not vectors.isfinite().all():
                raise InputError(
                    f"the {tower} tower of {self.id} gives no vectors of {self.dim} finite numbers "
                    f"in {self.precision}"
                )


def _read(files: OpenClipFiles) -> Any:
    """The model with its weights, in float32 on the CPU."""
    open_clip = import_open_clip()
    config = deepcopy(files.config)
    own_text = config.pop("custom_text", False) or "hf_model_name" in config["text_cfg"]
    kind = open_clip.CLIP
    if own_text:
        kind = open_clip.CoCa if "multimodal_cfg" in config else open_clip.CustomTextCLIP
    try:
        # Weights are drawn before they are read; chance is the caller's.
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = kind(**config)
    except Exception as error:
        if is_out_of_memory(error):
            raise _too_large(files.name) from error
        raise InputError(
            f"the configuration of {files.name} cannot be used: {first_line(error)}"
        ) from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            open_clip.load_checkpoint(model, str(files.weights), weights_only=True)
    except Exception as error:
        raise _unread(files, error) from error
    if kind is open_clip.CoCa:
        del model.text_decoder  # writes captions, and is half of the model
    return model.float().eval().requires_grad_(False)


def _unread(files: OpenClipFiles, error: Exception) -> CuplError:
    """Why weights could not be read."""
    if is_out_of_memory(error):
        return _too_large(files.name)
    if isinstance(error, UnpicklingError):
        why = (
            "are damaged, or hold more than tensors and could run code; use weights in safetensors"
        )
    elif "TorchScript" in str(error):
        why = (
            "are a TorchScript archive, which is code: save its state_dict in safetensors, or take "
            "the weights of a tag"
        )
    elif isinstance(error, SafetensorError | EOFError | OSError):
        why = f"are damaged: {first_line(error)}"
    else:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        said = first_line(ValueError(lines[1])) if len(lines) > 1 else first_line(error)
        why = f"do not fit its architecture: {said}"
    return InputError(f"the weights {files.weights} of {files.name} {why}")


def _too_large(name: str) -> InputError:
    return InputError(f"this machine has too little free memory for {name}; free some of it")


def _vocabulary(model: Any) -> int:
    tower = getattr(model, "text", model)
    return int(tower.vocab_size)
