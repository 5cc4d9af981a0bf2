r"""Queries of several terms in one text: ``2:retriever + ./pool.jpg - fruit``.

Terms are joined by `` + `` and `` - ``, with a space on either side; the first may have a sign of
its own. ``2:`` before a term makes it count twice; a number and a colon that a digit follows
(``12:30 train``) are part of the text. A query that is the path of
a file as a whole is that photo. A term is a photo where it is the name of an image file that is
there, or begins with ``./``, ``../``, ``~/`` or ``/``; every other is a text. A text in double
quotes is taken as it is, whatever it holds (``"salt + pepper"``), and so is the name of a photo
behind its beginning (``./"IMG - copy.jpg"``); in quotes a quote is written ``\"`` and a backslash
``\\``.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy.typing as npt

from cupl.embedding.image_kinds import IMAGE_ENDINGS
from cupl.embedding.image_sources import ImageSource, described
from cupl.errors import InputError
from cupl.io.arguments import several

MOST_WEIGHT = 1000.0
MOST_TERMS = 1000
_SIGN = re.compile(r"(?<=\s)[+-](?=\s)")
_FIRST_SIGN = re.compile(r"\s*([+-])(?=\s)")
_WEIGHT = re.compile(r"\s*+([+-]?+(?:\d++(?:\.\d*+)?|\.\d++))\s*+:(?!\d)")
_NO_WEIGHT = re.compile(r"\s*+([+-]?(?:nan|inf|infinity|\d[\d_.]*e[+-]?\d+))\s*:(?!\d)", re.I)
_QUOTED = re.compile(r'\s*+((?:\.{0,2}|~)/)?"((?:[^"\\]|\\.)++)"(?=\s*+\Z|\s++[+-]\s)', re.DOTALL)
_PHOTO = re.compile(r"(\.{0,2}|~)/")


@dataclass(frozen=True, slots=True, eq=False)
class QueryTerm:
    """A part of what is searched for.

    Attributes:
        text: what is to be seen; None where a photo is the example.
        image: the photo.
        vector: ``[dim]``, of any length, of an image that was encoded before by the encoder of the
            index.
        weight: how often it counts; below 0 for what is not to be seen.

    """

    text: str | None = None
    image: ImageSource | None = None
    weight: float = 1.0
    vector: npt.ArrayLike | None = None


def parse_query(query: str, *, photos: bool = True) -> list[QueryTerm]:
    """The terms of a query.

    Args:
        query: as a person writes it.
        photos: whether a term may name a file, which is then read; else every term is a text.

    Raises:
        InputError: a sign or a weight stands beside no term, or a weight is none; or a term names
            a photo where none may.

    """
    if photos and _PHOTO.match(query) and os.path.isfile(path := os.path.expanduser(query)):  # noqa: PTH111, PTH113
        return [QueryTerm(image=path)]
    terms: list[QueryTerm] = []
    place, sign = 0, 1.0
    if first := _FIRST_SIGN.match(query):
        place, sign = first.end(), float(first[1] + "1")
    while True:
        place, weight = _weight(query, place)
        place, term = _term(query, place, sign * weight, photos)
        terms.append(term)
        if place >= len(query):
            return terms
        if len(terms) == MOST_TERMS:
            raise InputError(f"a query has at most {MOST_TERMS:,} terms")
        sign = float(query[place] + "1")
        place += 1


def _weight(query: str, place: int) -> tuple[int, float]:
    """Where the term begins behind its weight, and that."""
    found = _WEIGHT.match(query, place) or _NO_WEIGHT.match(query, place)
    if found is None:
        return place, 1.0
    weight = float(found[1]) if found.re is _WEIGHT else math.nan
    if not 0 < weight <= MOST_WEIGHT:
        raise InputError(
            f"{found[1]:.40} is no weight of a term: that is above 0, at most {MOST_WEIGHT:,.0f}; "
            "what is not to be seen has ' - ' before it, and a text that begins so is put in "
            "double quotes"
        )
    return found.end(), weight


def _term(query: str, place: int, weight: float, photos: bool) -> tuple[int, QueryTerm]:
    """The term that begins at a place, and where the next sign or the end is."""
    if found := _QUOTED.match(query, place):
        following = _SIGN.search(query, found.end())
        end = following.start() if following else len(query)
        value = re.sub(r"\\(.)", r"\1", found[2], flags=re.DOTALL)
        if found[1] is not None:
            if not photos:
                raise InputError(f"a photo cannot be named here: {found[1]}{value:.80}")
            return end, QueryTerm(image=os.path.expanduser(found[1] + value), weight=weight)  # noqa: PTH111
        return end, QueryTerm(_checked(value), weight=weight)
    following = _SIGN.search(query, place)
    end = following.start() if following else len(query)
    value = _checked(query[place:end].strip())
    if photos and _is_photo(value):
        return end, QueryTerm(image=os.path.expanduser(value), weight=weight)  # noqa: PTH111
    return end, QueryTerm(value, weight=weight)


def _checked(text: str) -> str:
    if not text.strip():
        raise InputError(
            "a query is a text, or terms such as '2:retriever + ./pool.jpg - fruit'; here a term "
            "is empty"
        )
    return text


def _is_photo(value: str) -> bool:
    if _PHOTO.match(value):
        return True
    ending = os.path.splitext(value)[1].lower()  # noqa: PTH122 (a text of any length)
    return ending in IMAGE_ENDINGS and os.path.isfile(value)  # noqa: PTH113


def query_terms(query: str | Sequence[QueryTerm]) -> list[QueryTerm]:
    """The terms of a query that is a text, or made of them.

    Raises:
        InputError: it is neither, or as for :func:`parse_query`.

    """
    if isinstance(query, str):
        return parse_query(query)
    terms = several(query)
    for term in terms:
        if not isinstance(term, QueryTerm):
            raise InputError(
                "a query is a text, such as '2:retriever + ./pool.jpg - fruit', or a list of "
                f"QueryTerm, not of {term!r:.80}"
            )
    return terms


def text_terms(texts: Sequence[str], weight: float = 1.0) -> list[QueryTerm]:
    """Texts as they are, as terms.

    Raises:
        InputError: one is empty, or none.

    """
    for text in texts:
        if not isinstance(text, str):
            raise InputError(
                f"what is searched for is a text, not {described(text)}: a photo is given as "
                "image=, a vector as vector="
            )
        if not text.strip():
            raise InputError(f"what is searched for is a text, not {text!r:.80}")
    return [QueryTerm(text, weight=weight) for text in texts]
