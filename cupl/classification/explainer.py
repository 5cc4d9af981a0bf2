"""A bank's prompts, kept embedded to explain one image after the other."""

from __future__ import annotations

import torch

from cupl.bank.model import PromptBank
from cupl.classification.explanation import Explanation, explain_vectors
from cupl.embedding.bank_encoding import bank_embeddings
from cupl.embedding.class_vectors import ClassVectors
from cupl.embedding.text_cache import TextCache
from cupl.encoders.protocol import Encoder


class Explainer:
    """The prompts that class vectors were made of; embedded at first use.

    Args:
        bank: the prompts of the classes.
        reject: those of the reject bank, where there is one.
        encoder: its text tower embeds them.
        text_cache: see :func:`~cupl.embedding.bank_encoding.encode_bank`.

    """

    def __init__(
        self,
        bank: PromptBank,
        reject: PromptBank | None,
        encoder: Encoder,
        text_cache: TextCache = None,
    ) -> None:
        self._prompts = bank
        if reject is not None:
            self._prompts = PromptBank(name=bank.name, classes=bank.classes + reject.classes)
        self._encoder = encoder
        self._text_cache: TextCache = text_cache
        self._embeddings: torch.Tensor | None = None  # [prompts, dim]

    def explain(
        self,
        rows: torch.Tensor,
        classes: ClassVectors,
        most: int,
        scores: torch.Tensor | None = None,
    ) -> list[Explanation]:
        """Explanations of image vectors; see :func:`explain_vectors`.

        Args:
            rows: float32 ``[images, dim]``.
            classes: those of both banks.
            most: prompts to name for a class, and as many against it.
            scores: where they are not cosines alone.

        """
        if self._embeddings is None:
            templates = classes.provenance.templates
            self._embeddings = bank_embeddings(
                self._prompts, self._encoder, templates,
                subclasses=True, text_cache=self._text_cache,
            )  # fmt: skip
        return explain_vectors(rows, self._prompts, self._embeddings, classes, most, scores)
