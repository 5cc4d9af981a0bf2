"""The text tower of two-model encoders: any text model of the sentence-transformers library."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import torch

from cupl.encoders.batching import as_texts, tokenize
from cupl.encoders.device import encode_halving
from cupl.encoders.fingerprint import digest_of_weights, remembered
from cupl.encoders.hub import ModelFiles, first_line
from cupl.encoders.quiet import quiet_transformers
from cupl.encoders.sentence_files import digest_of_settings, find_sentences, sentence_weights
from cupl.encoders.torchvision_import import mend_torchvision
from cupl.errors import InputError, MissingPackageError
from cupl.progress import Progress, ignore

_TEXTS_ON_CPU, _TEXTS_ON_GPU = 32, 256
_BATCHES = 8
"""After how many it is told how far it is."""
_MOST_TOKENS = 2**16


class SentenceTower:
    """A model of sentence-transformers.

    Its vectors are those of the library's own ``encode``: with the model's default prompt before
    each text where its configuration names one, cut at its ``max_seq_length``, and of length 1
    only where the model ends with a ``Normalize`` module. Text is always text: one that spells a
    special token does not contain it.

    Attributes:
        id: the name it was loaded by.
        revision: commit of the hub, where it came from one.
        dim: width of its vectors.
        max_tokens: longest text that it reads, special tokens included.
        precision: type of number that it computes with.
        fingerprint: of all that decides a vector.

    """

    def __init__(
        self, files: ModelFiles, model: Any, device: torch.device, dtype: torch.dtype
    ) -> None:
        self.id, self.revision = files.name, files.revision
        self._model, self._device = model, device
        self._prompt = model.prompts.get(model.default_prompt_name) or ""
        self._batch = _TEXTS_ON_CPU if device.type == "cpu" else _TEXTS_ON_GPU
        self.max_tokens = min(model.max_seq_length or _MOST_TOKENS, _MOST_TOKENS)
        model.tokenizer.split_special_tokens = True
        self.fingerprint = _digest(files, model)  # before its weights are rounded
        model.to(device, dtype)
        self.precision = str(dtype).removeprefix("torch.")
        # Tried with padding, since files may say anything.
        self.dim = self.encode(["a", "a b c d e f"]).shape[1]

    @classmethod
    def load(
        cls,
        name: str,
        device: torch.device,
        dtype: torch.dtype,
        *,
        revision: str | None = None,
        download: bool = True,
    ) -> SentenceTower:
        """Load a model from a directory, the hub's cache or the hub.

        Code that comes with a model is never run: its modules must be of the library. Weights are
        read from safetensors, or with PyTorch's ``weights_only`` loader.

        Args:
            name: a local directory or a model hub name.
            device: where to compute.
            dtype: type of number to compute with.
            revision: commit, branch or tag on the hub; its main branch by default.
            download: fetch from the hub what is not on this machine.

        Raises:
            CuplError: as :func:`~cupl.encoders.sentence_files.find_sentences`; or it is damaged.
            MissingPackageError: sentence-transformers is not installed.

        """
        library = _library()
        files = find_sentences(name, revision, download=download)
        try:
            with quiet_transformers():
                model = library.SentenceTransformer(
                    str(files.folder),
                    device="cpu",
                    local_files_only=True,
                    trust_remote_code=False,
                    model_kwargs={"dtype": torch.float32, "weights_only": True},
                )
            return cls(files, model.eval(), device, dtype)
        except InputError:
            raise
        except Exception as error:  # a damaged file fails in the parser of whichever library
            raise InputError(
                f"{files.name} cannot be loaded as a model of sentence-transformers: "
                f"{first_line(error)}"
            ) from error

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text before truncation, special tokens and the prompt included."""
        prompted = [self._prompt + text for text in as_texts(texts)]
        return [len(tokens) for tokens in tokenize(self._model.tokenizer, prompted, limit=None)]

    def encode(self, texts: Sequence[str], progress: Progress = ignore) -> torch.Tensor:
        """Vectors of the texts, float32 ``[len(texts), dim]`` on the CPU; each is encoded once.

        Args:
            texts: any number; a single text is a list of it.
            progress: told how many different texts are encoded, and of how many.

        """
        if not (texts := as_texts(texts)):
            return torch.empty(0, self.dim)
        unique = sorted(dict.fromkeys(texts), key=len)
        parts, step = [], self._batch * _BATCHES
        for start in range(0, len(unique), step):
            parts.append(encode_halving(self._encode, unique[start : start + step]))
            progress(min(start + step, len(unique)), len(unique))
        row_of = {text: row for row, text in enumerate(unique)}
        return torch.cat(parts)[torch.tensor([row_of[text] for text in texts])]

    def _encode(self, texts: list[str]) -> torch.Tensor:
        vectors: torch.Tensor = self._model.encode(
            texts, batch_size=self._batch, convert_to_tensor=True, show_progress_bar=False
        )
        return vectors.float().cpu()


def _library() -> Any:
    mend_torchvision()  # before transformers is imported, which imports it
    try:
        import sentence_transformers
    except ImportError as error:
        raise MissingPackageError(
            "a text model needs sentence-transformers, which is not installed: "
            "pip install 'cupl[sentences]'"
        ) from error
    return sentence_transformers


def _digest(files: ModelFiles, model: Any) -> str:
    """sha256 over the weights and the files of settings, the tokenizer's among them."""
    weights = remembered(sentence_weights(files.folder), lambda: digest_of_weights(model))
    said = f"{weights} {digest_of_settings(files.folder)}"
    return hashlib.sha256(said.encode()).hexdigest()
