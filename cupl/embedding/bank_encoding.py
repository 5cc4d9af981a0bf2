"""A bank's prompts to embeddings, and these to one vector for each class."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import torch

from cupl.bank.labels import ClassLabel
from cupl.bank.model import ClassPrompts, PromptBank
from cupl.bank.templates import TemplateSet, fill, fill_templates
from cupl.embedding.class_vectors import ClassVectors
from cupl.embedding.parts import ClassParts, subclass_parts, top_parts
from cupl.embedding.pooling import DEFAULT_POOLING, average, check_pooling, pool
from cupl.embedding.provenance import Combine, Provenance
from cupl.embedding.text_cache import TextCache, embed_texts
from cupl.encoders.loading import named_encoder
from cupl.encoders.protocol import Encoder
from cupl.errors import InputError
from cupl.io.version import cupl_version
from cupl.io.words import number_of
from cupl.progress import Progress, ignore


def encode_bank(
    bank: PromptBank,
    encoder: Encoder | str | os.PathLike[str],
    pooling: str = DEFAULT_POOLING,
    *,
    templates: str | os.PathLike[str] | Sequence[str] = (),
    combine: Combine = "concat",
    strict: bool = False,
    text_cache: TextCache = None,
    progress: Progress = ignore,
) -> ClassVectors:
    """One vector for each class of a bank.

    Args:
        bank: the prompts of each class.
        encoder: its text tower embeds them, each different one once, and none that is cached; an
            encoder, or the name of one as for :func:`~cupl.encoders.loading.load_encoder`.
        pooling: a name in :data:`cupl.embedding.pooling.POOLINGS`.
        templates: prompts for every class, with ``{}`` for its name: ``a photo of a {}.``; or
            the name or file of a set of them, such as ``photo``.
        combine: ``concat`` pools the prompts and the filled templates of a class as one list;
            ``average`` pools each list and takes the mean of the two vectors.
        strict: refuse a prompt longer than the encoder reads, in place of cutting it.
        text_cache: where embeddings of prompts are kept: a folder, None for the usual one, False
            for nowhere.
        progress: told how many different prompts are embedded, and of how many.

    Raises:
        InputError: an unknown pooling or combination, a template without a ``{}``, or with
            ``strict`` a prompt that is too long.

    """
    if combine not in ("concat", "average"):
        raise InputError(f"no combination is called {combine!r}: use concat or average")
    encoder = named_encoder(encoder)
    if isinstance(templates, str | os.PathLike):
        templates = TemplateSet.load(Path(templates)).templates
    labels = [entry.label for entry in bank.classes]
    described = [entry.texts for entry in bank.classes]
    lists = [described]
    if templates:
        filled = fill_templates(templates, labels)
        joined = [texts + more for texts, more in zip(described, filled, strict=True)]
        lists = [joined] if combine == "concat" else [described, filled]
    kinds = [
        [[text for text, _ in prompts_of_class(kind, templates)] for kind in entry.subclasses]
        for entry in bank
    ]
    source = {
        "bank": bank.name,
        "bank_digest": bank.digest,
        "templates": tuple(templates),
        "combine": combine if templates else None,
    }
    return _encode(
        labels, lists, kinds, encoder, pooling,
        strict=strict, text_cache=text_cache, progress=progress, source=source,
    )  # fmt: skip


def encode_templates(
    labels: Sequence[ClassLabel],
    templates: Sequence[str],
    encoder: Encoder,
    pooling: str = DEFAULT_POOLING,
    *,
    strict: bool = False,
    text_cache: TextCache = None,
    progress: Progress = ignore,
) -> ClassVectors:
    """One vector for each class from hand-written templates alone: the usual baseline.

    Args:
        labels: the classes.
        templates: at least one, such as ``a photo of a {}.``; see :func:`encode_bank`.
        encoder: as for :func:`encode_bank`.
        pooling: as for :func:`encode_bank`.
        strict: as for :func:`encode_bank`.
        text_cache: as for :func:`encode_bank`.
        progress: as for :func:`encode_bank`.

    Raises:
        InputError: as :func:`encode_bank`, or no template.

    """
    filled = fill_templates(templates, labels)
    source = {"templates": tuple(templates)}
    return _encode(
        labels, [filled], [[] for _ in labels], encoder, pooling,
        strict=strict, text_cache=text_cache, progress=progress, source=source,
    )  # fmt: skip


def _encode(
    labels: Sequence[ClassLabel],
    lists: list[list[list[str]]],
    kinds: list[list[list[str]]],
    encoder: Encoder,
    pooling: str,
    *,
    strict: bool,
    text_cache: TextCache,
    progress: Progress,
    source: dict[str, Any],
) -> ClassVectors:
    """Class vectors from one or two lists of prompts for each class, encoded in one call.

    ``kinds`` are the prompts of each sub-class of each class.
    """
    check_pooling(pooling)  # before the encoding, which can take minutes
    owned = [
        (label.name, text)
        for prompts in lists
        for label, texts in zip(labels, prompts, strict=True)
        for text in texts
    ]
    owned += [
        (label.name, text)
        for label, lists_of_kinds in zip(labels, kinds, strict=True)
        for texts in lists_of_kinds
        for text in texts
    ]

    def check(tokens: list[int]) -> None:
        if strict and (long := _too_long(owned, tokens, encoder)):
            raise InputError(_explain_too_long(long, encoder))

    texts = [text for _, text in owned]
    embedded = embed_texts(texts, encoder, check=check, text_cache=text_cache, progress=progress)
    matrix, parts = _pooled(embedded.vectors, lists, kinds, pooling)
    return ClassVectors(
        list(labels),
        matrix,
        Provenance(
            encoder=encoder.id,
            revision=encoder.revision,
            fingerprint=encoder.fingerprint,
            image_fingerprint=getattr(encoder, "image_fingerprint", None),
            logit_scale=encoder.logit_scale,
            logit_bias=encoder.logit_bias,
            pooling=pooling,
            truncated=tuple(_too_long(owned, embedded.tokens, encoder)),
            cupl=cupl_version(),
            **source,
        ),
        parts=parts,
    )


def _pooled(
    vectors: torch.Tensor,
    lists: list[list[list[str]]],
    kinds: list[list[list[str]]],
    pooling: str,
) -> tuple[torch.Tensor, ClassParts | None]:
    """Class vectors and their parts, of the vectors of all these prompts in order."""
    sizes = [[len(texts) for texts in prompts] for prompts in lists]
    of_kinds = [[len(texts) for texts in prompts] for prompts in kinds]
    *own, rest = torch.split(vectors, [*map(sum, sizes), sum(map(sum, of_kinds))])
    pooled = [pool(part, numbers, pooling) for part, numbers in zip(own, sizes, strict=True)]
    matrix = pooled[0] if len(pooled) == 1 else average(pooled[0], pooled[1], pooling)
    if pooling == "top":
        return matrix, top_parts([*zip(own, sizes, strict=True), (rest, list(map(sum, of_kinds)))])
    numbers = list(chain.from_iterable(of_kinds))
    rows = pool(rest, numbers, pooling) if numbers else rest
    return matrix, subclass_parts(matrix, rows, list(map(len, kinds)))


def _too_long(
    owned: list[tuple[str, str]], tokens: list[int], encoder: Encoder
) -> list[tuple[str, str]]:
    """Class and text of the prompts that the encoder cannot read to their end."""
    pairs = zip(owned, tokens, strict=True)
    return [entry for entry, number in pairs if number > encoder.max_tokens]


def _explain_too_long(long: list[tuple[str, str]], encoder: Encoder) -> str:
    name, text = long[0]
    return (
        f"{number_of(len(long), 'prompt is', 'prompts are')} longer than the "
        f"{encoder.max_tokens} tokens that {encoder.id} reads, the first for {name!r}: "
        f"{text[:60]!r}; shorten them, or allow them to be cut"
    )


TEMPLATE = "template"
"""The question of prompts that are filled templates."""


def bank_embeddings(
    bank: PromptBank,
    encoder: Encoder,
    templates: Sequence[str] = (),
    *,
    subclasses: bool = False,
    text_cache: TextCache = None,
    progress: Progress = ignore,
) -> torch.Tensor:
    """Embeddings of a bank's prompts, from the cache where it has them.

    Args:
        bank: the prompts of each class.
        encoder: computes what is missing.
        templates: those of :attr:`Provenance.templates`; after the prompts of each class.
        subclasses: those of the sub-classes too, each after its class.
        text_cache: as for :func:`encode_bank`.
        progress: told how many different prompts are done, and of how many.

    Returns:
        float32 ``[prompts, dim]``, not normalised, class after class.

    """
    texts = texts_of_bank(bank, templates, subclasses=subclasses)
    return embed_texts(texts, encoder, text_cache=text_cache, progress=progress).vectors


def texts_of_bank(
    bank: PromptBank, templates: Sequence[str], *, subclasses: bool = True
) -> list[str]:
    """All prompts of a bank, class after class; see :func:`bank_embeddings`."""
    entries = bank.entries if subclasses else bank
    return [text for entry in entries for text, _ in prompts_of_class(entry, templates)]


def prompts_of_class(entry: ClassPrompts, templates: Sequence[str]) -> list[tuple[str, str]]:
    """Text and question of all prompts of a class, in order."""
    written = [(text, question) for question, text in entry.question_prompt_pairs]
    return written + [(fill(template, entry.name), TEMPLATE) for template in templates]
