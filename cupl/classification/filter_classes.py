"""The two sides of a filter: what is unwanted and what is fine, as classes that can be compared."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch

from cupl.bank.labels import ClassLabel, check_labels
from cupl.bank.model import PromptBank
from cupl.bank.same_name import same_name
from cupl.bank.template_banks import PHOTO, template_bank
from cupl.classification.scoring import competing
from cupl.embedding.bank_encoding import bank_embeddings, encode_bank, prompts_of_class
from cupl.embedding.class_vectors import ClassVectors
from cupl.embedding.normalize import unit
from cupl.embedding.pooling import DEFAULT_POOLING
from cupl.embedding.text_cache import TextCache
from cupl.encoders.protocol import Encoder
from cupl.errors import InputError
from cupl.io.file_kinds import CLASS_VECTORS, kind_of_file
from cupl.progress import Progress, ignore

FilterClasses: TypeAlias = (
    "PromptBank | ClassVectors | str | os.PathLike[str] | Iterable[str | ClassLabel]"
)
"""A bank or class vectors, the file of either, or a list of names."""
BLOCK, ALLOW = "block", "allow"


@dataclass(frozen=True)
class FilterSides:
    """What is unwanted and what is fine, of which one may be missing; read, but not encoded.

    Raises:
        InputError: both are missing, or a class is on both sides.

    """

    block: PromptBank | ClassVectors | None
    allow: PromptBank | ClassVectors | None

    def __post_init__(self) -> None:
        if self.block is None and self.allow is None:
            raise InputError(
                "a filter needs classes of what is unwanted, of what is fine, or both",
                arguments={"block": ..., "allow": ...},
            )
        seen = {name: label for label in _labels(self.block) for name in _names(label)}
        for label in _labels(self.allow):
            if (name := next((one for one in _names(label) if one in seen), None)) is not None:
                raise InputError(
                    f"{str(label)!r:.100} is to be allowed, and {str(seen[name])!r:.100} is to be "
                    "blocked, which is the same: take it out of one of the two"
                )
        try:
            check_labels([*_labels(self.block), *_labels(self.allow)])
        except InputError as error:
            raise InputError(f"what is blocked and what is allowed together: {error}") from error

    @classmethod
    def of(
        cls,
        block: FilterClasses | None,
        allow: FilterClasses | None,
        templates: str | os.PathLike[str] | Sequence[str] = (),
    ) -> FilterSides:
        """Read what is given as a file; of names make a bank of templates, by default ``photo``."""
        return cls(_read(block, templates or PHOTO), _read(allow, templates or PHOTO))

    def check_thresholds(self, known: bool) -> None:
        """Accept both sides, or one with thresholds that are known.

        Raises:
            InputError: one side alone does not say where the rest begins.

        """
        if known or len(self.given) == 2:
            return
        side, other = (BLOCK, ALLOW) if self.block is not None else (ALLOW, BLOCK)
        raise InputError(
            f"classes to {side} alone do not say where all else begins: give classes to {other}, "
            "labelled examples, or both thresholds",
            arguments={
                other: ...,
                f"{other}_name": ...,
                "examples": ...,
                "allow_below": ...,
                "block_above": ...,
            },
        )

    @property
    def given(self) -> dict[str, PromptBank | ClassVectors]:
        """By ``block`` and ``allow`` those that there are."""
        sides = {BLOCK: self.block, ALLOW: self.allow}
        return {name: side for name, side in sides.items() if side is not None}

    @property
    def vectors(self) -> list[ClassVectors]:
        """Those that were encoded before."""
        return [side for side in self.given.values() if isinstance(side, ClassVectors)]

    @property
    def banks(self) -> list[PromptBank]:
        """Those that are still to be encoded."""
        return [side for side in self.given.values() if isinstance(side, PromptBank)]


def encode_sides(
    sides: FilterSides,
    encoder: Encoder | None,
    templates: str | os.PathLike[str] | Sequence[str] = (),
    text_cache: TextCache = None,
    progress: Progress = ignore,
) -> dict[str, ClassVectors]:
    """Class vectors of each side, made by one encoder in the same way.

    A bank is pooled, and has the templates, as the class vectors on the other side, where these
    were made before.

    Args:
        sides: at least one.
        encoder: None where both were encoded before.
        templates: as for :func:`~cupl.embedding.bank_encoding.encode_bank`.
        text_cache: likewise.
        progress: likewise, of one bank after the other.

    Raises:
        InputError: class vectors of another encoder or pooling, or adapted to photos.

    """
    like = sides.vectors[0].provenance if sides.vectors else None
    for made in sides.vectors:
        _check_comparable(made, sides.vectors[0], encoder)
    found = {}
    for name, side in sides.given.items():
        if isinstance(side, ClassVectors):
            found[name] = side
        elif encoder is None:
            raise InputError("to encode a bank, an encoder is needed", arguments={"encoder": ...})
        else:
            found[name] = encode_bank(
                side, encoder, like.pooling if like else DEFAULT_POOLING,
                templates=like.templates if like else templates,
                combine=(like and like.combine) or "concat",
                text_cache=text_cache, progress=progress,
            )  # fmt: skip
    return found


def joined_sides(encoded: dict[str, ClassVectors]) -> ClassVectors:
    """The blocked classes, then the allowed ones."""
    first, *rest = (encoded[name] for name in (BLOCK, ALLOW) if name in encoded)
    return competing(first, rest[0]) if rest else first


def _check_comparable(made: ClassVectors, first: ClassVectors, encoder: Encoder | None) -> None:
    theirs, ours = made.provenance, first.provenance
    if made.adapter is not None:
        raise InputError(
            "class vectors that were adapted to photos or examples have scores of another kind: "
            "give those that they were made of"
        )
    if encoder is not None:
        made.check_encoder(encoder)
    both_elsewhere = theirs.made_elsewhere and ours.made_elsewhere
    known_by = "encoder" if both_elsewhere else "fingerprint"
    same = getattr(theirs, known_by) == getattr(ours, known_by)
    if not same or made.matrix.shape[1] != first.matrix.shape[1]:
        raise InputError(
            f"the blocked classes were encoded by {ours.encoder!r:.100} (fingerprint "
            f"{ours.fingerprint[:12]!r}), the allowed ones by {theirs.encoder!r:.100} (fingerprint "
            f"{theirs.fingerprint[:12]!r}): encode both with the same"
        )
    if theirs.pooling != ours.pooling:
        raise InputError(
            f"the blocked classes were pooled by {ours.pooling}, the allowed ones by "
            f"{theirs.pooling}: their scores cannot be compared; encode both in the same way"
        )


def _read(
    given: FilterClasses | None, templates: str | os.PathLike[str] | Sequence[str]
) -> PromptBank | ClassVectors | None:
    if given is None or isinstance(given, PromptBank | ClassVectors):
        return given
    if isinstance(given, str | os.PathLike):
        is_vectors = kind_of_file(given) == CLASS_VECTORS or os.fspath(given).endswith(
            ".safetensors"
        )
        return ClassVectors.load(given) if is_vectors else PromptBank.load(given)
    return template_bank(given, templates)


def _labels(side: PromptBank | ClassVectors | None) -> list[ClassLabel]:
    if side is None:
        return []
    return side.labels if isinstance(side, ClassVectors) else [entry.label for entry in side]


def _names(label: ClassLabel) -> set[str]:
    """What a class is called. Not a part of it: "knife (toy)" may be fine, "knife" not."""
    return {same_name(name) for name in (label.name, *label.aliases)} - {""}


class ClosestPrompts:
    """Of a class the prompt that is closest to an image; embedded at first use.

    Args:
        encoded: the class vectors of each side; a prompt counts for a class of the joined ones.
        sides: what they were made of; class vectors have no prompts.
        encoder: embeds them.
        text_cache: see :func:`~cupl.embedding.bank_encoding.encode_bank`.

    """

    def __init__(
        self,
        encoded: dict[str, ClassVectors],
        sides: FilterSides,
        encoder: Encoder,
        text_cache: TextCache = None,
    ) -> None:
        self._encoded, self._sides = encoded, sides
        self._encoder, self._text_cache = encoder, text_cache
        self._texts: list[str] = []
        self._class_of = torch.empty(0, dtype=torch.int64)
        self._vectors: torch.Tensor | None = None  # [prompts, dim], of length 1

    def __len__(self) -> int:
        """How many prompts an image is compared with."""
        return len(self._texts)

    def embed(self) -> torch.Tensor:
        """Vectors of all prompts, of length 1, ``[prompts, dim]``."""
        if self._vectors is not None:
            return self._vectors
        first, owners, parts = 0, list[int](), list[torch.Tensor]()
        for name, made in self._encoded.items():
            bank = self._sides.given[name]
            if isinstance(bank, PromptBank):
                templates = made.provenance.templates
                for number, entry in enumerate(bank, first):
                    for one in (entry, *entry.subclasses):
                        texts = [text for text, _ in prompts_of_class(one, templates)]
                        self._texts += texts
                        owners += [number] * len(texts)
                parts.append(
                    bank_embeddings(
                        bank, self._encoder, templates, subclasses=True,
                        text_cache=self._text_cache,
                    )
                )  # fmt: skip
            first += len(made.labels)
        self._class_of = torch.tensor(owners)
        self._vectors = unit(torch.cat(parts))
        return self._vectors

    def of(
        self, directions: torch.Tensor, classes: torch.Tensor
    ) -> list[tuple[str | None, float | None]]:
        """For each image the closest prompt of one class and its cosine; None where none is known.

        Args:
            directions: of the images, ``[images, dim]``, at length 1.
            classes: int64 ``[images]``, of the joined classes.

        """
        cosines = directions @ self.embed().T
        best, which = cosines.masked_fill(self._class_of != classes[:, None], -torch.inf).max(dim=1)
        return [
            (None, None) if cosine == -torch.inf else (self._texts[number], cosine)
            for cosine, number in zip(best.tolist(), which.tolist(), strict=True)
        ]
