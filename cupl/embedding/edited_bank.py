"""Class vectors of a bank that is edited over and over: only what is new is embedded and pooled."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch

from cupl.bank.model import ClassPrompts, PromptBank
from cupl.embedding.bank_encoding import encode_bank, prompts_of_class
from cupl.embedding.class_vectors import ClassVectors
from cupl.embedding.parts import SUBCLASS_SHARE, TOP_PROMPTS, TOP_SHARE, ClassParts
from cupl.embedding.pooling import DEFAULT_POOLING
from cupl.embedding.provenance import Provenance
from cupl.embedding.text_cache import TextCache, embed_texts
from cupl.encoders.protocol import Encoder
from cupl.progress import Progress, ignore

_MOST_TEXTS = 200_000
"""In memory: 400 MB of 512 numbers each."""
_SETTINGS_KEPT = 4
_AT_ONCE = 512

_Pair = tuple[str, str]


@dataclass(frozen=True, eq=False)
class _EncodedClass:
    """What one class gives: ``row`` ``[dim]``, ``parts`` ``[parts, dim]`` where it has some."""

    entry: ClassPrompts  # held, so that no other has its id()
    row: torch.Tensor
    parts: torch.Tensor | None
    long: tuple[_Pair, ...]
    long_of_kinds: tuple[_Pair, ...]


class EditedBankEncoder:
    """Encodes a bank again after each edit, as :func:`~cupl.embedding.bank_encoding.encode_bank`.

    A class is known by its entry, which must not be changed in place: an edit makes another one.
    Its methods are for one thread at a time, but for :meth:`learn`.

    Args:
        encoder: its text tower embeds the prompts.
        text_cache: where embeddings are looked up the first time, and kept.

    Attributes:
        texts: the same encoder, with the embeddings of all prompts so far in memory.

    """

    def __init__(self, encoder: Encoder, text_cache: TextCache = None) -> None:
        self.texts = cast("Encoder", _Remembering(encoder, text_cache))
        self._known: dict[tuple[str, tuple[str, ...]], dict[int, _EncodedClass]] = {}
        self._made_by: Provenance | None = None

    def learn(self, bank: PromptBank, progress: Progress = ignore) -> None:
        """Embed the prompts of a bank, so that :meth:`encode` has only to pool; from any thread.

        Args:
            bank: whose prompts.
            progress: told how many different ones are there, and of how many.

        """
        texts = list(dict.fromkeys(text for entry in bank.entries for text in entry.texts))
        for start in range(0, len(texts), _AT_ONCE):
            self.texts.encode_text(texts[start : start + _AT_ONCE])
            progress(min(start + _AT_ONCE, len(texts)), len(texts))

    def encode(
        self, bank: PromptBank, pooling: str = DEFAULT_POOLING, templates: Sequence[str] = ()
    ) -> ClassVectors:
        """One vector for each class, equal to those of ``encode_bank``.

        Raises:
            InputError: as there.

        """
        key = (pooling, tuple(templates))
        known = self._known.pop(key, {})
        new = list({id(one): one for one in bank if id(one) not in known}.values())
        if new:
            some = PromptBank(name=bank.name, classes=new)
            made = encode_bank(some, self.texts, pooling, templates=templates, text_cache=False)
            self._made_by = made.provenance
            known |= {id(one.entry): one for one in self._classes(new, made, templates)}
        pieces = [known[id(entry)] for entry in bank]
        if len(known) > 2 * len(pieces) + 100:  # those of edits long ago
            known = {id(one.entry): one for one in pieces}
        self._known[key] = known
        for old in list(self._known)[:-_SETTINGS_KEPT]:
            del self._known[old]
        return self._joined(bank, pieces, pooling, tuple(templates))

    def _classes(
        self, entries: list[ClassPrompts], made: ClassVectors, templates: Sequence[str]
    ) -> list[_EncodedClass]:
        parts: Sequence[torch.Tensor | None] = [None] * len(entries)
        if made.parts is not None:
            parts = torch.split(made.parts.vectors, list(made.parts.counts))
        return [
            _EncodedClass(
                entry, row, part, self._too_long(entry.name, [entry], templates),
                self._too_long(entry.name, entry.subclasses, templates),
            )
            for entry, row, part in zip(entries, made.matrix, parts, strict=True)
        ]  # fmt: skip

    def _too_long(
        self, name: str, entries: Sequence[ClassPrompts], templates: Sequence[str]
    ) -> tuple[_Pair, ...]:
        texts = [text for one in entries for text, _ in prompts_of_class(one, templates)]
        tokens = self.texts.count_tokens(texts)
        most = self.texts.max_tokens
        pairs = zip(texts, tokens, strict=True)
        return tuple((name, text) for text, number in pairs if number > most)

    def _joined(
        self,
        bank: PromptBank,
        pieces: list[_EncodedClass],
        pooling: str,
        templates: tuple[str, ...],
    ) -> ClassVectors:
        assert self._made_by is not None  # noqa: S101 (a bank has a class, which was encoded)
        long = [pair for one in pieces for pair in one.long]
        long += [pair for one in pieces for pair in one.long_of_kinds]
        changes = {
            "bank": bank.name, "bank_digest": bank.digest, "pooling": pooling,
            "templates": templates, "combine": "concat" if templates else None,
            "truncated": tuple(long),
        }  # fmt: skip
        return ClassVectors(
            [one.entry.label for one in pieces],
            torch.stack([one.row for one in pieces]),
            self._made_by.model_copy(update=changes),
            parts=_joined_parts(pieces, pooling),
        )


def _joined_parts(pieces: list[_EncodedClass], pooling: str) -> ClassParts | None:
    """The parts of all classes; one without sub-classes is its own where others have some."""
    if pooling != "top" and not any(one.entry.subclasses for one in pieces):
        return None
    parts = [one.row[None] if one.parts is None else one.parts for one in pieces]
    how = (TOP_SHARE, TOP_PROMPTS) if pooling == "top" else (SUBCLASS_SHARE, 1)
    return ClassParts(torch.cat(parts), tuple(map(len, parts)), *how)


class _Remembering:
    """An encoder that embeds a text once."""

    def __init__(self, encoder: Encoder, text_cache: TextCache) -> None:
        self._encoder: Encoder = encoder
        self._text_cache: TextCache = text_cache
        self._known: dict[str, tuple[torch.Tensor, int]] = {}
        self._lock = threading.Lock()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._encoder, name)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [tokens for _, tokens in self._of(texts)]

    def encode_text(self, texts: Sequence[str]) -> torch.Tensor:
        if not texts:
            return self._encoder.encode_text(texts)
        return torch.stack([vector for vector, _ in self._of(texts)])

    def _of(self, texts: Sequence[str]) -> list[tuple[torch.Tensor, int]]:
        found = {text: one for text in texts if (one := self._known.get(text)) is not None}
        new = list(dict.fromkeys(text for text in texts if text not in found))
        for start in range(0, len(new), _AT_ONCE):
            part = new[start : start + _AT_ONCE]
            with self._lock:  # let go of between parts: two threads embed each text once
                self._learn([text for text in part if text not in self._known])
                found.update((text, self._known[text]) for text in part)
        return [found[text] for text in texts]

    def _learn(self, texts: list[str]) -> None:
        if not texts:
            return
        made = embed_texts(texts, self._encoder, text_cache=self._text_cache)
        pairs = zip(made.vectors, made.tokens, strict=True)
        self._known.update(zip(texts, pairs, strict=True))
        for old in list(self._known)[: max(0, len(self._known) - _MOST_TEXTS)]:
            del self._known[old]
