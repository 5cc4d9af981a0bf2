"""CLIP models of the transformers library (Radford et al., arXiv 2103.00020)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from logging import CRITICAL
from pickle import UnpicklingError
from typing import Any

import torch
from PIL.Image import Image
from transformers import AutoTokenizer, CLIPImageProcessorPil, CLIPModel, PreTrainedTokenizerFast
from transformers.utils import logging

from cupl.encoders.base import Tokens, encode_unique_texts, pad, tokenize
from cupl.encoders.device import resolve_device
from cupl.encoders.hub import ModelFiles, fetch_weights, find_model, first_line, missing_config
from cupl.errors import InputError

_TEXT_BATCH = 128
_IMAGE_BATCH = 32
_MAX_ASPECT = 100
_LEGACY_EOS = 2
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


class ClipEncoder:
    """A CLIP model as an :class:`~cupl.encoders.base.Encoder`, in float32.

    Texts are padded to the longest of their batch only: the text tower is causal and read at the
    end-of-text token, so what follows that token changes nothing. Text is always text: a prompt
    that spells ``<|endoftext|>`` does not end there.
    """

    def __init__(
        self, files: ModelFiles, model: Any, tokenizer: Any, processor: Any, device: torch.device
    ) -> None:
        self.id = files.name
        self.revision = files.revision
        self.dim = int(model.config.projection_dim)
        self.max_tokens = int(model.config.text_config.max_position_embeddings)
        self.logit_scale = model.logit_scale.exp().item()
        self.device = device
        self._model = model.to(device)
        self._tokenizer = tokenizer
        self._processor = processor

    @classmethod
    def load(cls, name: str, device: str = "auto") -> ClipEncoder:
        """Load a model from a directory, the hub's cache or the hub, in this order.

        Code that comes with a model is never run. Weights are read from safetensors, or where a
        model has none, as ``openai/clip-vit-base-patch32``, from a pickle with PyTorch's
        ``weights_only`` loader, which makes nothing but tensors.

        Args:
            name: a directory or a model hub name.
            device: see :func:`~cupl.encoders.device.resolve_device`.

        Raises:
            MissingFileError: ``name`` is written as a path and there is nothing.
            InputError: the model is no CLIP, is incomplete or damaged, or the device is not there.
            ServerError: the model is not on disk, and the hub cannot be reached or refuses.

        """
        place = resolve_device(device)
        files = find_model(name)
        _check_config(files)
        safetensors = fetch_weights(files)
        try:
            with _quiet():
                model, tokenizer, processor = _read(files, safetensors)
        except InputError:
            raise
        except UnpicklingError as error:
            raise InputError(
                f"the weights of {name} are damaged, or hold more than tensors and could run code; "
                "use a model with safetensors weights"
            ) from error
        except Exception as error:  # a damaged file fails in the parser of whichever library
            raise InputError(
                f"{name} cannot be loaded as a CLIP model: {first_line(error)}"
            ) from error
        _check_tokenizer(name, model, tokenizer)
        _check_image_size(name, model, processor)
        return cls(files, model, tokenizer, processor, place)

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over the weights, the activations, the tokenizer and the image preprocessing."""
        config, image = self._model.config, self._processor.to_dict()
        tokenizer = json.loads(self._tokenizer.backend_tokenizer.to_str())
        settings = {
            "text": {key: getattr(config.text_config, key) for key in _TOWER_SETTINGS},
            "vision": {key: getattr(config.vision_config, key) for key in _TOWER_SETTINGS},
            "image": {key: image[key] for key in _IMAGE_SETTINGS},
            # These two change with every call of the tokenizer.
            "tokenizer": {**tokenizer, "truncation": None, "padding": None},
        }
        digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
        for name, tensor in sorted(self._model.state_dict().items()):
            digest.update(f"{name} {list(tensor.shape)}".encode())
            digest.update(tensor.cpu().contiguous().view(-1).numpy())
        return digest.hexdigest()

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text before truncation, start and end of text included."""
        return [len(tokens) for tokens in tokenize(self._tokenizer, texts, limit=None)]

    @torch.inference_mode()
    def encode_text(self, texts: Sequence[str]) -> torch.Tensor:
        """Projected text embeddings, float32 ``[len(texts), dim]`` on the CPU, not normalised.

        A text longer than ``max_tokens`` is cut, and the end-of-text token put at its end.
        """
        if not texts:
            return torch.empty(0, self.dim)
        return encode_unique_texts(
            texts,
            lambda unique: tokenize(self._tokenizer, unique, self.max_tokens),
            self._encode_tokens,
            _TEXT_BATCH,
        )

    @torch.inference_mode()
    def encode_images(self, images: Sequence[Image]) -> torch.Tensor:
        """Projected image embeddings, float32 ``[len(images), dim]`` on the CPU, not normalised."""
        vectors = torch.empty(len(images), self.dim)
        for start in range(0, len(images), _IMAGE_BATCH):
            batch = [_trim(image) for image in images[start : start + _IMAGE_BATCH]]
            pixels = self._processor(images=batch, return_tensors="pt")["pixel_values"]
            features = self._model.get_image_features(pixel_values=pixels.to(self.device))
            vectors[start : start + _IMAGE_BATCH] = features.pooler_output.cpu()
        return vectors

    def _encode_tokens(self, batch: list[Tokens]) -> torch.Tensor:
        ids, mask = pad(batch, self._tokenizer.eos_token_id)
        features = self._model.get_text_features(
            input_ids=ids.to(self.device), attention_mask=mask.to(self.device)
        )
        vectors: torch.Tensor = features.pooler_output  # [batch, dim]
        return vectors


def _read(files: ModelFiles, safetensors: bool) -> tuple[Any, Any, Any]:
    """Model, tokenizer and image processor."""
    loaded: Any = CLIPModel.from_pretrained(
        files.folder,
        local_files_only=True,
        use_safetensors=safetensors,
        weights_only=True,
        dtype=torch.float32,
        output_loading_info=True,
    )
    model, report = loaded
    missing = sorted(report["missing_keys"])
    if missing:  # transformers fills these with random numbers
        raise InputError(
            f"{files.name} is no whole CLIP model: {len(missing)} of its weights are missing, such "
            f"as {missing[0]}; a text and an image tower with projections are needed"
        )
    tokenizer = AutoTokenizer.from_pretrained(
        files.folder, local_files_only=True, trust_remote_code=False
    )
    # By name: the automatic choice takes torchvision where it is installed, and its pixels differ
    # from Pillow's, which are those CLIP was trained on.
    processor = CLIPImageProcessorPil.from_pretrained(files.folder, local_files_only=True)
    return model, tokenizer, processor


def _check_config(files: ModelFiles) -> None:
    """Refuse what is no CLIP before its weights are fetched."""
    try:
        config = json.loads((files.folder / "config.json").read_text("utf-8"))
        kind = config["model_type"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{files.name} holds no model: its config.json is unusable") from error
    if kind != "clip":
        raise InputError(
            f"{files.name} is a model of type {kind!r:.60}; an encoder needs a whole CLIP model "
            "(type 'clip'), with a text and an image tower"
        )
    missing = missing_config(files.folder)
    if missing is not None:
        raise InputError(f"{files.name} is no whole CLIP model: there is no {missing} in it")


def _check_tokenizer(name: str, model: Any, tokenizer: Any) -> None:
    """Make sure that the model reads a text at the token the tokenizer ends it with.

    transformers takes the first ``eos_token_id``, or where the configuration has the value 2 of
    older files, the first of the highest ids. With another tokenizer either is a wrong place and
    no error.
    """
    config = model.config.text_config
    end = tokenizer.eos_token_id
    highest = max(tokenizer.get_vocab().values(), default=-1)
    expected = highest if config.eos_token_id == _LEGACY_EOS else config.eos_token_id
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        problem = "it has no fast tokenizer"
    elif highest >= config.vocab_size:
        problem = f"token {highest} is beyond the {config.vocab_size} that the model knows"
    elif end != expected or tokenizer("a")["input_ids"][-1:] != [end]:
        problem = f"texts do not end with the end-of-text token {expected} that the model looks for"
    else:
        return
    raise InputError(f"the tokenizer of {name} does not fit its model: {problem}")


def _check_image_size(name: str, model: Any, processor: Any) -> None:
    side = model.config.vision_config.image_size
    size = processor.crop_size if processor.do_center_crop else processor.size
    if (size["height"], size["width"]) != (side, side):
        raise InputError(
            f"the image preprocessing of {name} makes {size['height']} x {size['width']} pixels, "
            f"but its model reads {side} x {side}"
        )


def _trim(image: Image) -> Image:
    """Cut an extreme strip to its middle, all that the centre crop keeps of it.

    Otherwise one row of 65,000 pixels would be enlarged to some 10 GB first.
    """
    width, height = image.size
    longest = _MAX_ASPECT * min(width, height)
    left, top = max(0, (width - longest) // 2), max(0, (height - longest) // 2)
    if left == top == 0:
        return image
    return image.crop((left, top, width - left, height - top))


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the progress bars and warnings of transformers, which then are as they were."""
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(CRITICAL)
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]
