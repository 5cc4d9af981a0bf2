"""What the dual encoders of the transformers library have in common: files, images, identity."""

from __future__ import annotations

import hashlib
import json
from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from pickle import UnpicklingError
from typing import Any, ClassVar, Self

import torch
from PIL.Image import Image
from transformers import AutoTokenizer

from cupl.encoders import preprocess
from cupl.encoders.adapters import digest_of_adapter, merge
from cupl.encoders.batching import (
    Tokens,
    as_texts,
    encode_unique_texts,
    tokenize,
)
from cupl.encoders.device import resolve_batch, resolve_device, resolve_precision
from cupl.encoders.fingerprint import digest_of_weights, remembered
from cupl.encoders.hub import ModelFiles, fetch_weights, first_line
from cupl.encoders.model_files import missing_config, weight_files
from cupl.encoders.placed_encoder import PlacedEncoder
from cupl.encoders.placement import Placement
from cupl.encoders.quiet import quiet_transformers
from cupl.errors import InputError

_TOWER_SETTINGS = ("hidden_act", "layer_norm_eps", "num_attention_heads")
_IMAGE_SETTINGS = (
    "do_resize",
    "size",
    "resample",
    "do_center_crop",
    "crop_size",
    "do_rescale",
    "rescale_factor",
    "do_normalize",
    "image_mean",
    "image_std",
)
_MORE_IMAGE_SETTINGS = ("rescale_offset", "include_top", "patch_size", "max_num_patches")
"""Those that only some processors have."""
_IMAGES_ON_CPU, _IMAGES_ON_GPU = 16, 256


class DualEncoder(PlacedEncoder):
    """A model of transformers as an :class:`~cupl.encoders.protocol.Encoder`.

    A family says which classes of transformers it is made of and how its texts are encoded. Text
    is always text: a prompt that spells a special token does not contain it.
    """

    kind: ClassVar[str]
    """``model_type`` in the configuration."""
    family: ClassVar[str]
    model_class: ClassVar[Any]
    processor_class: ClassVar[Any]
    tokenizer_class: ClassVar[Any] = AutoTokenizer
    key_mapping: ClassVar[dict[str, str] | None] = None
    """Expressions for the beginnings of weights' names that are not the model's."""
    trained_tokens: ClassVar[int | None] = None
    """Longest text in training, where the text tower has more places than that."""

    def __init__(
        self,
        files: ModelFiles,
        model: Any,
        tokenizer: Any,
        processor: Any,
        device: torch.device,
        dtype: torch.dtype,
        batch_size: int | str,
    ) -> None:
        named = files.adapter or files
        self.id = named.name
        self.revision = named.revision
        places = self._places(model.config.text_config)
        self.max_tokens = min(places, self.trained_tokens or places)
        self.logit_scale = self._scale(model)
        bias = getattr(model, "logit_bias", None)
        self.logit_bias: float | None = None if bias is None else bias.item()
        self.device = device
        self.image_side = self._side(model, processor)
        self.image_batch = resolve_batch(batch_size, device, _IMAGES_ON_CPU, _IMAGES_ON_GPU)
        self._tokenizer = tokenizer
        self._processor = processor
        self._weights = weight_files(files.folder)
        self._adapter = None if files.adapter is None else digest_of_adapter(files.adapter)
        self._model = model
        self.dim = self._width()
        _ = self.fingerprint  # of the weights as they are, not as they are rounded or packed here
        if files.adapter is not None:
            self._model = model = merge(model, files.adapter)
        self._placement = Placement(model, device, dtype)

    @classmethod
    def load(
        cls,
        files: ModelFiles,
        device: str = "auto",
        precision: str = "auto",
        batch_size: int | str = "auto",
    ) -> Self:
        """Load a model whose configuration was found.

        Code that comes with a model is never run. Weights are read from safetensors, or where a
        model has none, as ``openai/clip-vit-base-patch32``, from a pickle with PyTorch's
        ``weights_only`` loader, which makes nothing but tensors.

        Args:
            files: see :func:`~cupl.encoders.hub.find_model`.
            device: see :func:`~cupl.encoders.device.resolve_device`.
            precision: see :func:`~cupl.encoders.device.resolve_precision`.
            batch_size: images at once; see :func:`~cupl.encoders.device.resolve_batch`.

        Raises:
            InputError: the model is incomplete or damaged, or a setting is wrong.
            ServerError: the model is not on disk, and the hub cannot be reached or refuses.

        """
        place = resolve_device(device)
        dtype = resolve_precision(precision, place)
        resolve_batch(batch_size, place, 1, 1)
        missing = missing_config(files.folder)
        if missing is not None:
            raise InputError(
                f"{files.name} is no whole {cls.family} model: there is no {missing} in it"
            )
        safetensors = fetch_weights(files)
        try:
            with quiet_transformers():
                model, tokenizer, processor = cls._read(files, safetensors)
        except InputError:
            raise
        except UnpicklingError as error:
            raise InputError(
                f"the weights of {files.name} are damaged, or hold more than tensors and could run "
                "code; use a model with safetensors weights"
            ) from error
        except Exception as error:  # a damaged file fails in the parser of whichever library
            reason = first_line(error)
            if "mismatched" in reason:  # it refers to a report that is not shown here
                reason = "its weights have other shapes than its configuration says"
            article = "an" if cls.family.startswith("A") else "a"
            raise InputError(
                f"{files.name} cannot be loaded as {article} {cls.family} model: {reason}"
            ) from error
        try:
            cls._check_tokenizer(files.name, model, tokenizer)
            cls._check_images(files.name, model, processor)
        except InputError:
            raise
        except Exception as error:  # settings of a type that nobody writes
            raise InputError(f"{files.name} cannot be used: {first_line(error)}") from error
        return cls(files, model, tokenizer, processor, place, dtype, batch_size)

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over the weights, the activations, the tokenizer and the image preprocessing."""
        config, image = self._model.config, self._processor.to_dict()
        tokenizer = json.loads(self._tokenizer.backend_tokenizer.to_str())
        more = {key: image[key] for key in _MORE_IMAGE_SETTINGS if key in image}
        settings = {
            "text": tower_settings(config.text_config),
            "vision": tower_settings(config.vision_config),
            "image": {key: image.get(key) for key in _IMAGE_SETTINGS} | more,
            # These two change with every call of the tokenizer.
            "tokenizer": {**tokenizer, "truncation": None, "padding": None},
            "weights": remembered(self._weights, lambda: digest_of_weights(self._model)),
            **self._family_settings(),
        }
        if self._adapter is not None:
            settings["adapter"] = self._adapter
        return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text before truncation, special tokens included."""
        return [len(tokens) for tokens in tokenize(self._tokenizer, texts, limit=None)]

    @torch.inference_mode()
    def encode_text(self, texts: Sequence[str]) -> torch.Tensor:
        """Projected text embeddings, float32 ``[len(texts), dim]`` on the CPU, not normalised.

        A text longer than ``max_tokens`` is cut, and its end token put at its end.
        """
        if not (texts := as_texts(texts)):
            return torch.empty(0, self.dim)
        return encode_unique_texts(
            texts,
            lambda unique: tokenize(self._tokenizer, unique, self.max_tokens),
            self._encode_tokens,
        )

    def prepare(self, image: Image) -> torch.Tensor:
        """The pixels of an image as the image tower reads them, float32 ``[3, side, side]``."""
        return preprocess.prepare(image, self._processor)

    def _encode_pixels(self, batch: torch.Tensor) -> torch.Tensor:
        return self._project(batch.to(self.device, self._dtype)).float().cpu()

    @property
    def _dtype(self) -> torch.dtype:
        """Of prepared images, on the device."""
        return self._placement.dtype

    def _width(self) -> int:
        """Width of the common space."""
        return int(self._model.config.projection_dim)

    def _family_settings(self) -> dict[str, Any]:
        """What decides a vector in this family and in no other."""
        return {}

    @classmethod
    def _places(cls, config: Any) -> int:
        """Tokens for which the text tower has places."""
        return int(config.max_position_embeddings)

    @classmethod
    def _scale(cls, model: Any) -> float:
        """Factor on the cosine."""
        return float(model.logit_scale.exp().item())

    @classmethod
    def _side(cls, model: Any, processor: Any) -> int:
        """Pixels that are seen of the shorter side of an image."""
        return int(model.config.vision_config.image_size)

    @abstractmethod
    def _encode_tokens(self, tokens: list[Tokens]) -> torch.Tensor:
        """Projected embeddings of different texts, ``[texts, dim]``."""

    def _project(self, pixels: torch.Tensor) -> torch.Tensor:
        """Projected embeddings of ``[images, 3, side, side]``, on the device of the model."""
        vectors: torch.Tensor = self._model.get_image_features(pixel_values=pixels).pooler_output
        return vectors

    @classmethod
    @abstractmethod
    def _check_tokenizer(cls, name: str, model: Any, tokenizer: Any) -> None:
        """Refuse a tokenizer that does not belong to the model, with an :class:`InputError`."""

    @classmethod
    def _check_images(cls, name: str, model: Any, processor: Any) -> None:
        """Refuse a preprocessing that does not belong to the model, with an :class:`InputError`."""
        preprocess.check_preprocessing(name, cls._side(model, processor), processor)

    @classmethod
    def _read(cls, files: ModelFiles, safetensors: bool) -> tuple[Any, Any, Any]:
        """Model, tokenizer and image processor."""
        loaded: Any = cls.model_class.from_pretrained(
            files.folder,
            local_files_only=True,
            use_safetensors=safetensors,
            weights_only=True,
            dtype=torch.float32,
            output_loading_info=True,
            key_mapping=cls.key_mapping,
        )
        model, report = loaded
        missing = sorted(report["missing_keys"])
        if missing:  # transformers fills these with random numbers
            raise InputError(
                f"{files.name} is no whole {cls.family} model: {len(missing)} of its weights are "
                f"missing, such as {missing[0]}; a text and an image tower with projections are "
                "needed"
            )
        tokenizer = cls.tokenizer_class.from_pretrained(
            files.folder, local_files_only=True, trust_remote_code=False
        )
        # By name: the automatic choice takes torchvision where it is installed, and its pixels
        # differ from Pillow's, which are those the models were trained on.
        processor = cls.processor_class.from_pretrained(files.folder, local_files_only=True)
        return model, tokenizer, processor


def tower_settings(config: Any) -> dict[str, Any]:
    """What of a tower's configuration its weights do not tell."""
    return {key: getattr(config, key) for key in _TOWER_SETTINGS if hasattr(config, key)}
