"""Words for what is none of the classes, where nobody has named it (``reject="words"``).

Nouns of a list that the package ``wonderwords`` ships (extra ``words``, MIT licence), of which
those are kept that are far from all classes, as NegLabel does (Jiang et al., ICLR 2024, arXiv
2403.20078): the 0.95-quantile of a word's cosines with the class vectors says how near it is, and
the lowest 15 % of the words stay. The quantile in place of the highest cosine forgives a word one
class that happens to be near. Words are read as prompts of the kind that the classes are made of.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import torch

from cupl.bank.labels import ClassLabel
from cupl.embedding.bank_encoding import encode_templates
from cupl.embedding.class_vectors import ClassVectors
from cupl.embedding.text_cache import TextCache
from cupl.encoders.protocol import Encoder
from cupl.errors import MissingPackageError
from cupl.progress import Progress, ignore

WORDS = "words"
"""In place of a reject bank; a file of that name is ``./words``."""
SHARE = 0.15
"""Of the list that is kept."""
QUANTILE = 0.95
"""Of a word's cosines with the classes."""
TEMPLATE_OF_WORDS = "a photo of a {}."
"""Where the classes have none: a word alone is worse."""
_WORD = re.compile(r"\w+")
_AT_ONCE = 2**22
"""Cosines of which quantiles are taken together."""


def nouns() -> list[str]:
    """The list, in order, each once, without words that nobody wants to read.

    Raises:
        MissingPackageError: the package is not here.

    """
    try:
        from wonderwords import RandomWord, filter_profanity
    except ImportError as error:
        raise MissingPackageError(
            "the list of words is not installed: pip install 'cupl[words]'"
        ) from error
    listed = RandomWord().filter(include_categories=["noun"])
    return sorted(set(filter_profanity(listed)))


def encode_words(
    vectors: ClassVectors,
    encoder: Encoder,
    *,
    text_cache: TextCache = None,
    progress: Progress = ignore,
) -> ClassVectors:
    """Vectors of the words that are far from all classes, in the order of the list.

    Args:
        vectors: the classes.
        encoder: the one that made them.
        text_cache: see :func:`~cupl.embedding.bank_encoding.encode_bank`; the whole list is kept.
        progress: told how many words are encoded, and of how many.

    Raises:
        MissingPackageError: the list is not here.

    """
    made_by = vectors.provenance
    is_class = _names(vectors.labels)
    words = [word for word in nouns() if not is_class(word)]
    encoded = encode_templates(
        [ClassLabel(word) for word in words],
        made_by.templates[:1] or [TEMPLATE_OF_WORDS],
        encoder,
        made_by.pooling,
        text_cache=text_cache,
        progress=progress,
    )
    chosen = far_words(encoded.matrix, vectors.matrix)
    return replace(
        encoded,
        labels=[encoded.labels[number] for number in chosen.tolist()],
        matrix=encoded.matrix[chosen],
        parts=None,  # one prompt each: a word is all of its parts
    )


def far_words(words: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    """Which words are far from all classes, int64 in ascending order; at least one.

    Args:
        words: their vectors, ``[words, dim]``.
        classes: theirs, ``[classes, dim]``.

    """
    parts = torch.split(words, max(1, _AT_ONCE // len(classes)))
    near = torch.cat([(part @ classes.T).quantile(QUANTILE, dim=1) for part in parts])
    number = max(1, int(SHARE * len(words)))
    return near.argsort(stable=True)[:number].sort().values


def _names(labels: Sequence[ClassLabel]) -> Callable[[str], bool]:
    """Whether a word is a class, or part of the name of one, in the singular or the plural."""
    texts = (text for label in labels for text in (label.name, *label.aliases))
    taken = {
        form for text in texts for word in (text, *_WORD.findall(text)) for form in _forms(word)
    }
    return lambda word: not taken.isdisjoint(_forms(word))


def _forms(word: str) -> Iterator[str]:
    plain = word.casefold()
    yield plain
    for ending, singular in (("ies", "y"), ("es", ""), ("s", "")):
        if plain.endswith(ending) and len(plain) > len(ending) + 2:
            yield plain.removesuffix(ending) + singular
