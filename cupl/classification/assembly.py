"""What a classifier is made of: loaded where it is given by name, and checked to fit."""

from __future__ import annotations

import os

from cupl.bank.labels import check_labels
from cupl.bank.model import PromptBank
from cupl.classification.negative_words import WORDS
from cupl.embedding.bank_encoding import encode_bank
from cupl.embedding.class_vectors import ClassVectors
from cupl.embedding.text_cache import TextCache
from cupl.encoders.protocol import Encoder
from cupl.errors import InputError
from cupl.progress import Progress


def recorded_encoder(
    vectors: ClassVectors, device: str, precision: str, batch_size: int | str
) -> Encoder | None:
    """The encoder that the vectors name, if it is on this machine.

    None for vectors of embeddings made elsewhere, which can classify such embeddings without one.

    Raises:
        CuplError: it is not here, or cannot be loaded.

    """
    if vectors.provenance.made_elsewhere:
        return None
    return vectors.load_encoder(device, precision, batch_size)


def loaded_bank(bank: PromptBank | str | os.PathLike[str]) -> PromptBank:
    """A bank, read where it is a file."""
    return bank if isinstance(bank, PromptBank) else PromptBank.load(bank)


def check_made_of(bank: PromptBank, vectors: ClassVectors) -> None:
    """Accept only the bank that the vectors were made of.

    Raises:
        InputError: it is another.

    """
    made_by = vectors.provenance
    if bank.digest != made_by.bank_digest:
        raise InputError(
            f"the class vectors were not made of this bank {bank.name!r:.100} (digest "
            f"{bank.digest[:12]}, not {(made_by.bank_digest or 'none')[:12]}): give the bank that "
            "they were made of, or encode this one"
        )


def is_words(reject: object) -> bool:
    """Whether negatives are to be drawn from a list; a file of that name is ``./words``."""
    return isinstance(reject, str) and reject == WORDS


def encode_reject(
    bank: PromptBank,
    vectors: ClassVectors,
    encoder: Encoder,
    text_cache: TextCache,
    progress: Progress,
) -> ClassVectors:
    """Vectors of a reject bank that can be compared with ``vectors``: made in the same way.

    Raises:
        InputError: it has a class of theirs.

    """
    try:
        check_labels([*vectors.labels, *(entry.label for entry in bank)])
    except InputError as error:
        raise InputError(f"the reject bank {bank.name!r:.100}: {error}") from error
    made_by = vectors.provenance
    return encode_bank(
        bank,
        encoder,
        made_by.pooling,
        templates=made_by.templates,
        combine=made_by.combine or "concat",
        text_cache=text_cache,
        progress=progress,
    )
